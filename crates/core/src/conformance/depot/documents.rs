//! Documents with files: each is the old one or the new one, and no file is without one.

use super::*;
use crate::depot::{NewDocument, NewRelease};
use crate::domain::{Document, DocumentBody, Release, Topic};

pub(super) async fn a_document_is_written_whole_or_not_at_all(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let release = world.release().await?;
        let document = world.document(depot, release).await?;
        world.write(depot, &document, "new").await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let found = world.contents().await?;
        let whole = found.iter().flatten().all(|bytes| bytes == b"new");
        let there = if outcome.is_ok() { found == [Some(b"new".to_vec())] } else { found.len() <= 1 };
        holds(&format!("{case}: {found:?}"), whole && there)
    })
    .await
}

pub(super) async fn the_content_of_a_document_is_the_old_one_or_the_new_one(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let document = world.written_document().await?;
        world.write(depot, &document, "new").await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let found = world.contents().await?;
        let new = found == [Some(b"new".to_vec())];
        holds(&format!("{case}: {found:?}"), new || outcome.is_err() && found == [Some(b"old".to_vec())])
    })
    .await
}

pub(super) async fn a_document_that_has_no_file_any_more_leaves_none(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let document = world.written_document().await?;
        let new = new_document(DocumentBody::Url { url: "https://example.com/".to_owned() });
        let (organization, release) = (world.organization, document.release);
        depot.update_document(&system(), organization, release, document.id, None, new).await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let found = world.contents().await?;
        holds(
            &format!("{case}: {found:?}"),
            found == [None] || outcome.is_err() && found == [Some(b"old".to_vec())],
        )
    })
    .await
}

pub(super) async fn a_removed_document_takes_its_file_with_it(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let document = world.written_document().await?;
        depot.remove_document(&system(), world.organization, document.release, document.id, None).await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let found = world.contents().await?;
        let old = outcome.is_err() && found == [Some(b"old".to_vec())];
        holds(&format!("{case}: {found:?}"), found.is_empty() || old)
    })
    .await
}

fn new_document(body: DocumentBody) -> NewDocument {
    let (name, topic) = ("Guide".to_owned(), Topic::HowTo);
    NewDocument { name, topic, other_topic: String::new(), summary: String::new(), body }
}

impl World {
    /// A release without a package of its own, so that the only files are those of documents.
    async fn release(&self) -> Result<Id<Release>> {
        let app = NewApp { name: "Notes".to_owned(), lifecycle: LifecycleName::Web, ..NewApp::default() };
        let (version, platform) = (Some("1.0".to_owned()), Some(Platform::Web));
        let new = NewRelease { version, platform, ..NewRelease::default() };
        Ok(self.depot().introduce(&system(), self.organization, app, new).await?.id)
    }

    async fn document(&self, depot: &Depot, release: Id<Release>) -> Result<Stored<Document>> {
        let file = DocumentBody::File { asset: None, name: String::new() };
        depot.create_document(&system(), self.organization, release, new_document(file)).await
    }

    async fn write(
        &self,
        depot: &Depot,
        document: &Stored<Document>,
        text: &'static str,
    ) -> Result<Stored<Document>> {
        let (organization, release, file) = (self.organization, document.release, NewFile::default());
        depot.write_document_file(&system(), organization, release, document.id, None, file, body(text)).await
    }

    async fn written_document(&self) -> Result<Stored<Document>> {
        let document = self.document(&self.depot(), self.release().await?).await?;
        self.write(&self.depot(), &document, "old").await
    }

    /// What each document of each release holds; `None` is no file.
    async fn contents(&self) -> Result<Vec<Option<Vec<u8>>>> {
        let (depot, organization) = (self.depot(), self.organization);
        let mut all = Vec::new();
        for document in self.backends.records.list(&Query::of::<Document>(organization)).await?.items {
            let document = Stored::<Document>::from_record(document)?;
            let (release, id, range) = (document.release, document.id, ByteRange::FULL);
            all.push(match document.asset() {
                None => None,
                Some(_) => {
                    let opened = depot.open_document(&system(), organization, release, id, range).await?;
                    Some(opened.stream.try_collect::<Vec<Bytes>>().await?.concat())
                }
            });
        }
        Ok(all)
    }
}

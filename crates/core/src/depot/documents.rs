//! Documents: texts, addresses and files that go with a release.

use crate::authorize::{Actor, permission};
use crate::blobs::{ByteRange, ByteStream};
use crate::domain::{
    App, Asset, Blob, Content, Document, DocumentBody, Id, Organization, Release, Revision, Stored, Topic,
    check_optional_text, check_text, check_url,
};
use crate::error::{Error, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::{Depot, Download, NewAsset, NewFile, on_app};

/// The longest text of a document, in characters.
const TEXT_LIMIT: usize = 256 * 1024;

/// What is said of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// What people call it, 1 to 128 characters.
    pub name: String,
    /// What it is about.
    pub topic: Topic,
    /// What [`Topic::Other`] is; required with it.
    pub other_topic: String,
    /// Free text, at most 1000 characters.
    pub summary: String,
    /// Where its content is. A file is uploaded afterwards, with [`Depot::write_document_file`].
    pub body: DocumentBody,
}

impl Depot {
    /// Adds a document to a release.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Taken)` when the release has a document of this name.
    pub async fn create_document(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        new: NewDocument,
    ) -> Result<Stored<Document>> {
        self.edits_documents(actor, organization, release).await?;
        let NewDocument { name, topic, other_topic, summary, body } = new;
        let body = without_file(body);
        let document = Document { release, name, topic, other_topic, summary, body };
        check(&document)?;
        let stored = Stored::new(organization, document, self.now());
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.require(organization, release);
        batch.events.push(self.event(actor, "document.create", &stored));
        self.commit(batch).await?;
        Ok(stored)
    }

    /// A document of a release, for those who see the release.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn document(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
    ) -> Result<Stored<Document>> {
        let (release, app) = self.release_and_app(organization, release).await?;
        self.sees(actor, &release, &app).await?;
        self.document_of(organization, release.id, id).await
    }

    /// The documents of a release that `query` describes, for those who see the release.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn documents(
        &self,
        actor: &Actor,
        release: Id<Release>,
        query: Query,
    ) -> Result<Page<Stored<Document>>> {
        let (release, app) = self.release_and_app(query.organization, release).await?;
        self.sees(actor, &release, &app).await?;
        self.list(&query.filter(Field::parse("release")?, Op::Eq(release.id.into()))).await
    }

    /// Says something else of a document; its name never changes. Content that stays of the same sort is kept.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Stale)`.
    pub async fn update_document(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
        expected: Option<Revision>,
        new: NewDocument,
    ) -> Result<Stored<Document>> {
        self.edits_documents(actor, organization, release).await?;
        self.rewrite(actor, organization, release, id, expected, |old| {
            let body = match (&old.body, &new.body) {
                (DocumentBody::Inline { text }, DocumentBody::Inline { text: None }) => {
                    DocumentBody::Inline { text: text.clone() }
                }
                (DocumentBody::File { asset, name }, DocumentBody::File { .. }) => {
                    DocumentBody::File { asset: *asset, name: name.clone() }
                }
                (_, body) => without_file(body.clone()),
            };
            let (topic, other_topic, summary) = (new.topic, new.other_topic.clone(), new.summary.clone());
            Ok(Document { topic, other_topic, summary, body, ..old.clone() })
        })
        .await
    }

    /// Writes the text of an inline document.
    ///
    /// # Errors
    /// `Invalid` for a document of another sort, or more than 256 Ki characters; `Conflict(Stale)`.
    pub async fn write_document_text(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
        expected: Option<Revision>,
        text: &str,
    ) -> Result<Stored<Document>> {
        self.edits_documents(actor, organization, release).await?;
        self.rewrite(actor, organization, release, id, expected, |old| {
            let DocumentBody::Inline { .. } = old.body else {
                return Err(Error::invalid("inlineContent", "the document is not an inline one"));
            };
            Ok(Document { body: DocumentBody::Inline { text: Some(text.to_owned()) }, ..old.clone() })
        })
        .await
    }

    /// Uploads the file of a document, in the place of the one it has.
    ///
    /// # Errors
    /// `Invalid` for a document of another sort; `Conflict(Stale)`; otherwise those of [`Depot::upload`].
    #[expect(clippy::too_many_arguments, reason = "who, where, which version, and the bytes")]
    pub async fn write_document_file(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
        expected: Option<Revision>,
        file: NewFile,
        body: ByteStream,
    ) -> Result<Stored<Document>> {
        self.edits_documents(actor, organization, release).await?;
        let stored = self.document_of(organization, release, id).await?;
        stored.check_revision(expected)?;
        let DocumentBody::File { asset: old, .. } = stored.body else {
            return Err(Error::invalid("file", "the document is not a file"));
        };
        let asset_id = Id::generate();
        let (blob, file, late) = self.receive(organization, asset_id, &*self.0.inspector, file, body).await?;
        // The grant may have gone while the bytes came.
        let made = async {
            let app = self.edits_documents(actor, organization, release).await?;
            let name = file.file_name.clone();
            let mut asset = NewAsset::default().into_asset(actor, Content::File(Box::new(file)));
            late.apply(&mut asset)?;
            asset.app = Some(app);
            asset.release = Some(release);
            let asset = Stored { id: asset_id, ..Stored::new(organization, asset, self.now()) };
            let body = DocumentBody::File { asset: Some(asset_id), name };
            let next = stored.changed(Document { body, ..stored.value.clone() }, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            batch.insert(&asset)?;
            let gone = match old {
                Some(old) => self.drop_file(&mut batch, organization, old).await?,
                None => None,
            };
            batch.events.push(self.event(actor, "document.update", &next));
            Ok((next, gone, batch))
        };
        let (next, gone, batch) = match made.await {
            Ok(made) => made,
            Err(error) => return Err(self.discard(blob, error).await),
        };
        self.make_ready(blob, batch).await?;
        if let Some(gone) = gone {
            self.erase(&gone).await;
        }
        Ok(next)
    }

    /// The file of a document, for those who see the release.
    ///
    /// # Errors
    /// `NotFound` when the document has none.
    pub async fn open_document(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
        range: ByteRange,
    ) -> Result<Download> {
        let document = self.document(actor, organization, release, id).await?;
        let asset = document.asset().ok_or_else(|| Error::not_found("file"))?;
        self.open(self.load(organization, asset).await?, range).await
    }

    /// Removes a document with its file.
    ///
    /// # Errors
    /// See [`Depot`]; `Conflict(Stale)`.
    pub async fn remove_document(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
        expected: Option<Revision>,
    ) -> Result<()> {
        self.edits_documents(actor, organization, release).await?;
        let document = self.document_of(organization, release, id).await?;
        document.check_revision(expected)?;
        self.drop_document(actor, document).await
    }

    pub(super) async fn drop_document(&self, actor: &Actor, document: Stored<Document>) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete(&document);
        let blob = match document.asset() {
            Some(asset) => self.drop_file(&mut batch, document.organization, asset).await?,
            None => None,
        };
        batch.events.push(self.event(actor, "document.remove", &document));
        self.commit(batch).await?;
        if let Some(blob) = blob {
            self.erase(&blob).await;
        }
        Ok(())
    }

    /// Adds to `batch` that a document's file goes. Returns the blob to erase after the commit.
    async fn drop_file(
        &self,
        batch: &mut Batch,
        organization: Id<Organization>,
        asset: Id<Asset>,
    ) -> Result<Option<Stored<Blob>>> {
        let Some(asset) = self.find(organization, asset).await? else { return Ok(None) };
        batch.delete(&asset);
        let blob = self.doomed(&asset).await?;
        if let Some(blob) = &blob {
            batch.update(blob)?;
        }
        Ok(blob)
    }

    async fn edits_documents(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
    ) -> Result<Id<App>> {
        let (_, app) = self.release_and_app(organization, release).await?;
        self.authorize(actor, permission::DOCUMENT_EDIT, on_app(&app)).await?;
        Ok(app.id)
    }

    async fn document_of(
        &self,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
    ) -> Result<Stored<Document>> {
        let document: Stored<Document> = self.load(organization, id).await?;
        if document.release == release { Ok(document) } else { Err(Error::not_found("document")) }
    }

    /// Writes another content, and lets go of a file that the document no longer has.
    async fn rewrite(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        release: Id<Release>,
        id: Id<Document>,
        expected: Option<Revision>,
        change: impl Fn(&Document) -> Result<Document>,
    ) -> Result<Stored<Document>> {
        let written = self.commit_made(|| async {
            let stored = self.document_of(organization, release, id).await?;
            stored.check_revision(expected)?;
            let value = change(&stored)?;
            check(&value)?;
            let next = stored.changed(value, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            let lost = stored.asset().filter(|asset| next.asset() != Some(*asset));
            let gone = match lost {
                Some(asset) => self.drop_file(&mut batch, organization, asset).await?,
                None => None,
            };
            batch.events.push(self.event(actor, "document.update", &next));
            Ok((batch, (next, gone)))
        });
        let (next, gone) = written.await?;
        if let Some(gone) = gone {
            self.erase(&gone).await;
        }
        Ok(next)
    }
}

/// Which file a document has is said by uploading one.
fn without_file(body: DocumentBody) -> DocumentBody {
    match body {
        DocumentBody::File { name, .. } => DocumentBody::File { asset: None, name },
        other => other,
    }
}

fn check(document: &Document) -> Result<()> {
    check_text("name", &document.name, 128)?;
    check_optional_text("summary", &document.summary, 1_000)?;
    match document.topic {
        Topic::Other => check_text("otherTypeName", &document.other_topic, 128)?,
        _ => check_optional_text("otherTypeName", &document.other_topic, 128)?,
    }
    match &document.body {
        DocumentBody::Inline { text } => {
            check_optional_text("inlineContent", text.as_deref().unwrap_or_default(), TEXT_LIMIT)
        }
        DocumentBody::Url { url } => check_url("sourceUrl", url),
        DocumentBody::File { asset: _, name } => check_optional_text("fileName", name, 256),
    }
}

//! The documents of an app.

use appdepot_core::depot::{NewDocument, NewFile};
use appdepot_core::domain::{AppKind, Document, DocumentBody, Id, Release, Stored};
use appdepot_core::query::{Field, Query, Sort};
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::request::{Answer, Call, Links, RawCall, done};
use super::types::required;
use super::{PUBLISHER, files, words};
use crate::wire::conditional::Validators;
use crate::wire::{Form, Part, deliver, detached};

/// The largest file of a document, in bytes: 50 MiB.
const FILE_LIMIT: u64 = 50 * 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DocumentRequest {
    name: Option<String>,
    #[serde(rename = "type")]
    topic: Option<String>,
    source_type: Option<String>,
    summary: Option<String>,
    source_url: Option<String>,
    other_type_name: Option<String>,
    file_name: Option<String>,
    document_id: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentView {
    document_id: String,
    name: String,
    #[serde(rename = "type")]
    topic: &'static str,
    source_type: &'static str,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_type_name: Option<String>,
}

/// A document whose content was written, and where that is: the answer has both by the API's documents.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    document: &'a DocumentView,
    path: String,
}

#[derive(Serialize)]
struct DocumentList {
    #[serde(flatten)]
    links: Links,
    list: Vec<DocumentView>,
}

impl DocumentView {
    fn new(document: &Stored<Document>) -> Self {
        let (source_type, source_url, file_name) = match &document.body {
            DocumentBody::Inline { .. } => ("INLINE", None, None),
            DocumentBody::Url { url } => ("URL", Some(url.clone()), None),
            DocumentBody::File { name, .. } => ("FILE", None, Some(name.clone())),
        };
        Self {
            document_id: document.id.to_uuid(),
            name: document.name.clone(),
            topic: words::topic(document.topic),
            source_type,
            summary: document.summary.clone(),
            source_url,
            file_name: file_name.filter(|name| !name.is_empty()),
            other_type_name: Some(document.other_topic.clone()).filter(|name| !name.is_empty()),
        }
    }
}

impl DocumentRequest {
    fn into_new(self) -> Result<NewDocument> {
        let topic = required("type", self.topic)?;
        let body = match required("sourceType", self.source_type)?.as_str() {
            "INLINE" => DocumentBody::Inline { text: None },
            "URL" => DocumentBody::Url { url: required("sourceUrl", self.source_url)? },
            "FILE" => DocumentBody::File { asset: None, name: self.file_name.unwrap_or_default() },
            _ => return Err(Error::invalid("sourceType", "sourceType must be INLINE, URL or FILE")),
        };
        Ok(NewDocument {
            name: required("name", self.name)?,
            topic: words::topic_of(&topic)
                .ok_or_else(|| Error::invalid("type", "type is none of the documented ones"))?,
            other_topic: self.other_type_name.unwrap_or_default(),
            summary: self.summary.unwrap_or_default(),
            body,
        })
    }
}

impl Call {
    async fn document(&self) -> Result<(Stored<Release>, Stored<Document>), Fault> {
        let release = self.release().await?;
        let document = self.document_of(&release).await?;
        Ok((release, document))
    }

    /// The document of this app that the path names.
    pub(super) async fn document_of(&self, release: &Stored<Release>) -> Result<Stored<Document>, Fault> {
        let text = self.path("document");
        let missing = || Fault::not_found(&format!("document with Id '{text}'"));
        let id: Id<Document> = Id::parse(text).map_err(|_| missing())?;
        match self.backend.depot.document(&self.actor, self.organization, release.id, id).await {
            Ok(document) => Ok(document),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Where a document is, below the API.
fn path_of(release: &Stored<Release>, document: &Stored<Document>) -> String {
    let (kind, app) = (words::type_of(release.kind), release.id.to_uuid());
    format!("/apps/{kind}/id/{app}/docs/{}", document.id.to_uuid())
}

pub(super) async fn list(call: Call) -> Answer {
    let release = call.release().await?;
    list_of(&call, &release).await
}

/// A page of an app's documents.
pub(super) async fn list_of(call: &Call, release: &Stored<Release>) -> Answer {
    let window = call.window()?;
    let query = Query::of::<Document>(call.organization).sort(Sort::ascending(Field::parse("name")?));
    let page = call.backend.depot.documents(&call.actor, release.id, window.of(query)).await?;
    let path = format!("/apps/{}/id/{}/docs", words::type_of(release.kind), release.id.to_uuid());
    let links = call.links(&window, &page, &path);
    call.answer(&DocumentList { links, list: page.items.iter().map(DocumentView::new).collect() }, None)
}

pub(super) async fn create(call: Call) -> Answer {
    let body: DocumentRequest = call.read().await?;
    let release = call.release().await?;
    if release.kind != AppKind::Web {
        return Err(Fault::bad_request("Only web apps have documents"));
    }
    let new = body.into_new()?;
    let depot = &call.backend.depot;
    let document = depot.create_document(&call.actor, call.organization, release.id, new).await?;
    let location = format!("{PUBLISHER}{}", path_of(&release, &document));
    let view = DocumentView::new(&document);
    call.changed(StatusCode::CREATED, &view, Some(document.updated_at), Some(&location))
}

pub(super) async fn get(call: Call) -> Answer {
    let (_, document) = call.document().await?;
    show(&call, &document)
}

/// What is said of a document.
pub(super) fn show(call: &Call, document: &Stored<Document>) -> Answer {
    call.answer(&DocumentView::new(document), Some(document.updated_at))
}

pub(super) async fn update(call: Call) -> Answer {
    let body: DocumentRequest = call.read().await?;
    let (release, document) = call.document().await?;
    let expected = call.may_change(&DocumentView::new(&document), document.updated_at, document.revision)?;
    let new = body.into_new()?;
    let depot = &call.backend.depot;
    let (organization, id) = (call.organization, document.id);
    let next = depot.update_document(&call.actor, organization, release.id, id, expected, new).await?;
    call.changed(StatusCode::OK, &DocumentView::new(&next), Some(next.updated_at), None)
}

pub(super) async fn remove(call: Call) -> Answer {
    let (release, document) = call.document().await?;
    let expected = call.may_change(&DocumentView::new(&document), document.updated_at, document.revision)?;
    let depot = &call.backend.depot;
    depot.remove_document(&call.actor, call.organization, release.id, document.id, expected).await?;
    done()
}

pub(super) async fn content(RawCall(call): RawCall) -> Answer {
    let (_, document) = call.document().await?;
    content_of(&call, &document).await
}

/// The text, the file, or where it is.
pub(super) async fn content_of(call: &Call, document: &Stored<Document>) -> Answer {
    match &document.body {
        DocumentBody::Inline { text } => {
            let text = text.clone().ok_or_else(|| Fault::not_found("content"))?;
            call.accepts(&["text/plain"])?;
            call.answer_bytes(text.into_bytes(), "text/plain; charset=utf-8", Some(document.updated_at))
        }
        DocumentBody::Url { url } => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SEE_OTHER;
            let url = HeaderValue::from_str(url).map_err(|_| Fault::not_found("content"))?;
            response.headers_mut().insert(LOCATION, url);
            Ok(response)
        }
        DocumentBody::File { asset: None, .. } => Err(Fault::not_found("content")),
        DocumentBody::File { asset: Some(_), .. } => {
            let (depot, organization) = (&call.backend.depot, call.organization);
            let open =
                |range| depot.open_document(&call.actor, organization, document.release, document.id, range);
            files::sent(deliver(&call.parts.method, &call.parts.headers, None, open).await?)
        }
    }
}

/// Writes the content: a form with either `file` or `inlineContent`.
pub(super) async fn write(call: Call) -> Answer {
    let (release, document) = call.document().await?;
    let expected = call.may_change(&DocumentView::new(&document), document.updated_at, document.revision)?;
    let (release_id, id) = (release.id, document.id);
    let done = detached(async move {
        let mut form = Form::new(&call.parts.headers, call.take_body())?;
        let depot = &call.backend.depot;
        let (actor, organization) = (&call.actor, call.organization);
        let mut text = None;
        while let Some(part) = form.next().await? {
            match part {
                Part::Text { name, value } if name == "inlineContent" && text.is_none() => text = Some(value),
                Part::Text { name, .. } if ["file", "inlineContent"].contains(&name.as_str()) => {
                    return Err(Error::invalid(name, "comes twice, or is no file"));
                }
                Part::Text { .. } => {}
                Part::File(file) if file.name == "file" && text.is_none() => {
                    let new = NewFile {
                        file_name: file.file_name.clone(),
                        media_type: file.media_type.clone(),
                        limit: Some(FILE_LIMIT),
                        accept: None,
                    };
                    let stream = form.into_last(file, &["file", "inlineContent"]);
                    let document = depot
                        .write_document_file(actor, organization, release_id, id, expected, new, stream)
                        .await?;
                    return Ok((call, document));
                }
                Part::File(_) => return Err(Error::invalid("file", "either file or inlineContent")),
            }
        }
        let text = text.ok_or_else(|| Error::invalid("file", "either file or inlineContent is required"))?;
        let document =
            depot.write_document_text(actor, organization, release_id, id, expected, &text).await?;
        Ok((call, document))
    });
    let (call, document) = done.await.map_err(Fault::body)?;
    let view = DocumentView::new(&document);
    let path = format!("{}/content", path_of(&release, &document));
    let written = Written { document: &view, path };
    let mut response = call.changed(StatusCode::OK, &written, None, None)?;
    // The document's own, so that the next change can rely on them.
    Validators::of_bytes(&serde_json::to_vec(&view).map_err(Error::internal)?, Some(document.updated_at))
        .stamp(response.headers_mut())?;
    Ok(response)
}

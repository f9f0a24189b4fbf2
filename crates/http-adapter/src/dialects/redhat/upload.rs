//! Binaries and icons that come in as multipart forms, the file first.

use std::sync::{Arc, Mutex, PoisonError};

use appdepot_core::blobs::ByteStream;
use appdepot_core::depot::{AssetChange, NewFile, Purpose};
use appdepot_core::domain::{App, File};
use appdepot_core::{Error, ErrorKind, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, State as Shared};
use axum::response::Response;
use axum::routing::post;
use futures::{StreamExt as _, stream};
use http::Request;

use super::call::Call;
use super::fault::Fault;
use super::fields::Fields;
use super::words::{self, Target};
use super::{PREFIX, State, items, store};
use crate::wire::{self, FilePart, Form, Part};

/// What a form may have beside its file, in bytes.
const FORM_ALLOWANCE: u64 = 1 << 20;

type Answered = Result<Response, Fault>;

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(&format!("{PREFIX}/admin/storeitem/uploadbinary"), post(item_file))
        .route(&format!("{PREFIX}/admin/appstore/uploadbinary"), post(store_icon))
}

/// What a form says beside its file.
#[derive(Debug, Default)]
struct Texts {
    pairs: Vec<(String, String)>,
    /// What is wrong, in words that the depot does not know.
    wrong: Option<Fault>,
}

/// What an item's file is sent as.
enum Kind {
    Icon,
    Binary(Target),
}

async fn item_file(Shared(state): Shared<Arc<State>>, request: Request<Body>) -> Answered {
    let (mut call, texts) = receive(state, request, |texts, file| {
        let wrong = match kind(texts) {
            Some(Kind::Icon) => {
                (file.inspection.format != appdepot_core::inspect::Format::Image).then(Fault::binary_type)
            }
            Some(Kind::Binary(target)) => {
                let package = file.inspection.package.as_ref();
                let runs = package.and_then(|package| package.platform);
                (runs != Some(target.platform())).then(Fault::binary_type)
            }
            None => Some(Fault::binary_type()),
        };
        wrong.map_or(Ok(()), Err)?;
        let app = id(texts)?;
        Ok(match kind(texts) {
            Some(Kind::Binary(target)) => {
                Purpose::Release { app, variant: target.variant().to_owned(), keep: items::OLDER + 1 }
            }
            _ => Purpose::AppIcon(app),
        })
    })
    .await?;
    let guid = words::guid(id(&texts)?);
    call.fields = Fields::of([("guid", guid)]);
    let store = call.store().await?;
    let app = call.app("guid").await?;
    items::answer(&call, &store, app).await
}

async fn store_icon(Shared(shared): Shared<Arc<State>>, request: Request<Body>) -> Answered {
    let (parts, body) = request.into_parts();
    let (actor, organization) = shared.caller(&parts).await?;
    let store = shared.depot().main_store(&actor, organization.id).await?;
    let id = store.id;
    let (call, _) =
        receive(shared, Request::from_parts(parts, body), move |_, _| Ok(Purpose::StoreIcon(id))).await?;
    let store = call.store().await?;
    store::answer(&call, store).await
}

fn kind(texts: &Texts) -> Option<Kind> {
    match texts.get("type")? {
        "icon" => Some(Kind::Icon),
        word => Target::parse(word).map(Kind::Binary),
    }
}

fn id(texts: &Texts) -> Result<appdepot_core::domain::Id<App>, Fault> {
    texts.get("guid").and_then(words::id).ok_or_else(Fault::guid)
}

impl Texts {
    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Takes in a form's file for what `purpose` makes of its texts, and answers those.
async fn receive(
    state: Arc<State>,
    request: Request<Body>,
    purpose: impl Fn(&Texts, &File) -> Result<Purpose, Fault> + Send + 'static,
) -> Result<(Call, Texts), Fault> {
    let (parts, body) = request.into_parts();
    let (actor, organization) = state.caller(&parts).await?;
    let largest = state.depot().limits().upload_bytes;
    if http_body::Body::size_hint(&body).lower() > largest.saturating_add(FORM_ALLOWANCE) {
        return Err(Error::too_large(largest).into());
    }
    let mut form = Form::new(&parts.headers, body)?;
    let mut texts = Texts::default();
    let file = loop {
        match form.next().await? {
            None => return Err(Fault::told("no file in the form")),
            Some(Part::Text { name, value }) => texts.pairs.push((name, value)),
            Some(Part::File(file)) => break file,
        }
    };
    let texts = Arc::new(Mutex::new(texts));
    let found: Arc<Mutex<Option<Purpose>>> = Arc::default();
    let new = NewFile {
        file_name: file.file_name.clone(),
        // What clients say is always the same and never right.
        media_type: None,
        limit: None,
        accept: Some(Box::new({
            let (texts, found) = (Arc::clone(&texts), Arc::clone(&found));
            move |file| {
                let mut texts = lock(&texts);
                match purpose(&texts, file) {
                    Ok(purpose) => *lock(&found) = Some(purpose),
                    Err(fault) => {
                        texts.wrong = Some(fault);
                        return Err(Error::new(ErrorKind::Invalid, "the form is not as documented"));
                    }
                }
                Ok(AssetChange::default())
            }
        })),
    };
    let stream = then_rest(file, form, Arc::clone(&texts));
    let purpose = move || lock(&found).take().ok_or_else(|| Error::internal("a file without a purpose"));
    // Runs to its end also when the client goes away, so that it can clean up after itself.
    let work = {
        let (depot, actor) = (state.depot().clone(), actor.clone());
        async move { depot.upload_for(&actor, organization.id, new, stream, purpose).await }
    };
    let done = wire::detached(work).await;
    let texts = std::mem::take(&mut *lock(&texts));
    if let Err(error) = done {
        return Err(texts.wrong.unwrap_or_else(|| match error.kind() {
            // Not what its type says, or no package at all.
            ErrorKind::Unsupported => Fault::binary_type(),
            _ => error.into(),
        }));
    }
    let request = Request::from_parts(parts, Body::empty());
    Ok((Call::from_request(request, &state).await?, texts))
}

/// The bytes of the file. Before the stream ends, the rest of the form is read, so that what it says is known when the
/// file is looked at, and a form that breaks off leaves nothing behind.
fn then_rest(file: FilePart, mut form: Form, texts: Arc<Mutex<Texts>>) -> ByteStream {
    let rest = stream::once(async move {
        loop {
            match form.next().await? {
                None => return Ok(None),
                Some(Part::Text { name, value }) => lock(&texts).pairs.push((name, value)),
                Some(Part::File(_)) => {
                    return Err(Error::new(ErrorKind::Invalid, "more than one file in the form"));
                }
            }
        }
    });
    let rest = rest.filter_map(async |end: Result<Option<bytes::Bytes>>| end.transpose());
    file.stream.chain(rest).boxed()
}

/// What the lock guards is replaced in one step, so it is whole even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Forms with one file and texts before and after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use appdepot_core::blobs::ByteStream;
use appdepot_core::depot::Enclosure;
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use http::HeaderMap;

use super::super::fault::Fault;
use crate::wire::{FilePart, Form, Part};

/// What a form may have beside its file, in bytes.
const FORM_ALLOWANCE: u64 = 1 << 20;

/// What the texts of a form say, taken in one by one.
pub(super) trait Texts: Default + Send + 'static {
    /// Takes in one part; one of an unknown name is passed over.
    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault>;

    /// Whether a file beside the form's own is to be kept; it is passed over otherwise.
    fn wants(&self, _name: &str) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Takes in such a file once it is kept.
    fn enclose(&mut self, _name: &str, _file: Enclosure) {}
}

/// Keeps a file beside the form's own.
pub(super) type Keep = Arc<dyn Fn(FilePart) -> BoxFuture<'static, Result<Enclosure, Fault>> + Send + Sync>;

/// A file on its way in.
pub(super) struct Upload<T> {
    pub(super) file_name: String,
    pub(super) media_type: Option<String>,
    /// The bytes of the file. Before the stream ends, the rest of the form is read and checked, so that a form that
    /// is wrong after its file leaves nothing behind.
    pub(super) stream: ByteStream,
    /// What the form says; complete once the stream has ended.
    pub(super) said: Said<T>,
}

/// What a form says so far.
pub(super) struct Said<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    texts: T,
    /// What is wrong with the texts; the upload failed because of it.
    fault: Option<Fault>,
}

impl<T: Texts> Upload<T> {
    /// Reads a form up to its file, which is the first part of one of these names. Other files are passed over.
    pub(super) async fn read(
        headers: &HeaderMap,
        body: Body,
        largest: u64,
        names: &'static [&'static str],
    ) -> Result<Self, Fault> {
        Self::keeping(headers, body, largest, names, Said::default(), None).await
    }

    /// The same, and keeps the other files that the texts want. What `said` has come to is there also after a fault.
    pub(super) async fn keeping(
        headers: &HeaderMap,
        body: Body,
        largest: u64,
        names: &'static [&'static str],
        said: Said<T>,
        keep: Option<Keep>,
    ) -> Result<Self, Fault> {
        // A file that is kept beside the form's own may be as large.
        let files = if keep.is_some() { largest.saturating_mul(2) } else { largest };
        if http_body::Body::size_hint(&body).lower() > files.saturating_add(FORM_ALLOWANCE) {
            return Err(Error::too_large(largest).into());
        }
        let mut form = Form::new(headers, body).map_err(Fault::wire)?;
        let file = loop {
            match form.next().await? {
                None => return Err(Fault::no_file()),
                Some(Part::File(file)) if names.contains(&file.name.as_str()) => break file,
                Some(part) => said.hear(part, keep.as_ref()).await?,
            }
        };
        if file.file_name.is_empty() {
            return Err(Fault::no_file());
        }
        let FilePart { file_name, media_type, stream, .. } = file;
        let rest = said.clone();
        let rest = stream::once(async move {
            rest.read(form, names, keep).await.map_err(|fault| {
                rest.lock().fault = Some(fault);
                Error::new(ErrorKind::Invalid, "the form is not as documented")
            })
        });
        let stream = stream.chain(rest.filter_map(async |read| read.err().map(Err))).boxed();
        Ok(Self { file_name, media_type, stream, said })
    }
}

impl<T: Texts> Said<T> {
    /// Takes the texts out.
    pub(super) fn take(&self) -> T {
        std::mem::take(&mut self.lock().texts)
    }

    /// The answer to an upload that failed: what is wrong with the form, if that is why.
    pub(super) fn fault(&self, error: Error, otherwise: impl FnOnce(Error) -> Fault) -> Fault {
        self.lock().fault.take().unwrap_or_else(|| otherwise(error))
    }

    async fn read(&self, mut form: Form, names: &[&str], keep: Option<Keep>) -> Result<(), Fault> {
        while let Some(part) = form.next().await? {
            match part {
                Part::File(file) if names.contains(&file.name.as_str()) => {
                    return Err(Fault::validation(format!("{}: must be given once", file.name)));
                }
                other => self.hear(other, keep.as_ref()).await?,
            }
        }
        Ok(())
    }

    /// Takes in a part that is not the form's own file.
    async fn hear(&self, part: Part, keep: Option<&Keep>) -> Result<(), Fault> {
        match (part, keep) {
            (Part::Text { name, value }, _) => self.lock().texts.set(&name, &value),
            (Part::File(file), Some(keep)) => {
                let name = file.name.clone();
                // An empty file name is what a form has whose file was not chosen.
                if !file.file_name.is_empty() && self.lock().texts.wants(&name)? {
                    let kept = keep(file).await?;
                    self.lock().texts.enclose(&name, kept);
                }
                Ok(())
            }
            (Part::File(_), None) => Ok(()),
        }
    }

    /// What the lock guards is replaced in one step, so it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Texts> Default for Said<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { texts: T::default(), fault: None })))
    }
}

impl<T> Clone for Said<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

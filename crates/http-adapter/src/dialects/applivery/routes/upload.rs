//! Forms with one file and texts before and after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use appdepot_core::blobs::ByteStream;
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
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
}

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

#[derive(Default)]
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
        if http_body::Body::size_hint(&body).lower() > largest.saturating_add(FORM_ALLOWANCE) {
            return Err(Error::too_large(largest).into());
        }
        let mut form = Form::new(headers, body).map_err(Fault::wire)?;
        let mut texts = T::default();
        let file = loop {
            match form.next().await? {
                None => return Err(Fault::no_file()),
                Some(Part::Text { name, value }) => texts.set(&name, &value)?,
                Some(Part::File(file)) if names.contains(&file.name.as_str()) => break file,
                Some(Part::File(_)) => {}
            }
        };
        if file.file_name.is_empty() {
            return Err(Fault::no_file());
        }
        let said = Said(Arc::new(Mutex::new(State { texts, fault: None })));
        let FilePart { file_name, media_type, stream, .. } = file;
        let rest = said.clone();
        let rest = stream::once(async move {
            rest.read(form, names).await.map_err(|fault| {
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

    async fn read(&self, mut form: Form, names: &[&str]) -> Result<(), Fault> {
        while let Some(part) = form.next().await? {
            match part {
                Part::Text { name, value } => self.lock().texts.set(&name, &value)?,
                Part::File(file) if names.contains(&file.name.as_str()) => {
                    return Err(Fault::validation(format!("{}: must be given once", file.name)));
                }
                Part::File(_) => {}
            }
        }
        Ok(())
    }

    /// What the lock guards is replaced in one step, so it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Said<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

//! Work that goes on when the client has gone.

use std::future::Future;

use appdepot_core::{Error, Result};
use tracing::Instrument as _;

/// What `work` comes to; it runs to its end even when the returned future is dropped.
///
/// A server drops a handler when its client disconnects, wherever it stands. An upload that is dropped between
/// two backend calls cannot clean up after itself. Detached, it sees its body end with an error instead, and
/// undoes what it did.
///
/// # Errors
/// Those of `work`; `Internal` when it panicked.
pub(crate) async fn detached<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|failure| Err(Error::internal(failure)))
}

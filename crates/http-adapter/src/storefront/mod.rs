//! The pages that people open: on a computer, on a phone, out of a mail.

mod fault;
mod install;

use std::sync::Arc;

use axum::Router;

use crate::call::Backend;

pub(crate) fn router(backend: Arc<Backend>) -> Router {
    install::routes().with_state(backend)
}

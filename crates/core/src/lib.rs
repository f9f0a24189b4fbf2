//! The core of appdepot.

pub mod domain;
pub mod error;
pub mod inspect;
pub mod lifecycle;

pub use error::{Error, ErrorKind, Result};

//! The domain, lifecycle, ports and `Depot` of appdepot.
//!
//! Nothing here knows an HTTP library, a database, an object store, a policy engine or an async runtime; those
//! plug in through the four ports: [`blobs::BlobStore`], [`records::RecordStore`], [`authorize::Authorizer`] and
//! [`inspect::Inspector`].

pub mod authenticate;
pub mod authorize;
pub mod blobs;
pub mod conditions;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod depot;
pub mod domain;
pub mod error;
pub mod inspect;
pub mod lifecycle;
pub mod memory;
pub mod query;
pub mod records;
pub mod secret;
pub mod storage_factory;
pub mod vault;

pub use depot::Depot;
pub use error::{Error, ErrorKind, Result};

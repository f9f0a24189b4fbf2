#![doc = include_str!("../README.md")]

pub use appdepot_core::*;

#[cfg(feature = "authz")]
#[doc(inline)]
pub use appdepot_authz as authz;
#[cfg(feature = "http")]
#[doc(inline)]
pub use appdepot_http as http;
#[cfg(feature = "metadata")]
#[doc(inline)]
pub use appdepot_metadata as metadata;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "fs", feature = "s3"))]
#[doc(inline)]
pub use appdepot_storage as storage;

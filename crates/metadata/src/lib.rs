//! Bounded, fast metadata extraction from app packages.
#![doc = include_str!("../README.md")]

mod bytes;
pub mod containers;
pub mod der;
mod error;
mod fields;
#[cfg(feature = "fixture")]
pub mod fixture;
pub mod formats;
pub mod icon;
mod limits;
pub mod plist;
mod reader;
mod registry;
pub mod signature;
mod source;
mod xml;

pub use crate::error::{Anomaly, Code};
pub use crate::fields::Fields;
pub use crate::limits::Limits;
pub use crate::reader::Reader;
pub use crate::registry::{Extractor, Format, Input, Probe, Registry, Score};
pub use crate::source::{FileSource, SliceSource};

use appdepot_core::inspect::{Hint, Inspection};

/// Reads a file with every built-in format and the default limits; its name is the hint.
///
/// # Errors
/// When the file cannot be opened. What is wrong with its content is in the result.
///
/// ```no_run
/// let found = appdepot_metadata::inspect_file("app.apk")?;
/// println!("{:?}", found.package.map(|package| package.id));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inspect_file(path: impl AsRef<std::path::Path>) -> std::io::Result<Inspection> {
    Extractor::default().inspect_file(path)
}

/// Reads bytes in memory with every built-in format and the default limits.
///
/// ```
/// let found = appdepot_metadata::inspect_slice(b"");
/// assert_eq!(found.error.map(|problem| problem.code).as_deref(), Some("E_TRUNCATED"));
/// ```
pub fn inspect_slice(data: &[u8]) -> Inspection {
    Extractor::default().inspect_slice(data, &Hint::default())
}

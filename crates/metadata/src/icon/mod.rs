//! Icons out of packages, always as PNG.
//!
//! # Behavior
//! [`plain_png`] is always there, the rest with the feature `icon`.
//!
//! - A PNG file of the package is handed on as it is once it has been checked, without texts, colour profiles and
//!   further frames; Apple's `CgBI` variant, WebP, `.ico` and `.icns` are converted.
//! - Of an Android package the densest picture counts; drawings in XML (adaptive icons, vectors, shapes, layers)
//!   are drawn where there is no picture or only a small one.
//! - Size is read from the header before anything is unpacked. Files are looked up among the archive's names only.
//!
//! ```
//! # #[cfg(feature = "icon")] {
//! use appdepot_metadata::fixture::ipa::IpaBuilder;
//! use appdepot_metadata::{Limits, icon};
//!
//! let ipa = IpaBuilder::new("com.example.app").build();
//! assert_eq!(icon::extract_slice(&ipa, &Limits::default(), 192).unwrap(), None);
//! # }
//! ```

#[cfg(feature = "icon")]
mod android;
#[cfg(feature = "icon")]
mod icns;
#[cfg(feature = "icon")]
mod ico;
#[cfg(feature = "icon")]
mod package;
#[cfg(feature = "icon")]
mod paint;
#[cfg(feature = "icon")]
mod path;
mod png;
#[cfg(feature = "icon")]
mod raster;

#[cfg(feature = "icon")]
pub use self::package::{Icon, extract, extract_file, extract_slice, square};
pub use self::png::plain_png;

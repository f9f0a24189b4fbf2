//! How bytes are packed.

pub(crate) mod ar;
pub(crate) mod protobuf;
pub(crate) mod tar;
pub(crate) mod unpack;
pub(crate) mod xar;
pub mod zip;

use appdepot_core::inspect::Problem;

use crate::reader::Reader;

/// The packing of a file, opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Container {
    /// A ZIP archive.
    Zip(zip::Archive),
    /// Nothing that is unpacked here; formats look at the bytes themselves.
    Plain,
}

/// The kinds of packing, for formats to say what they expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packing {
    /// A ZIP archive.
    Zip,
    /// Anything else.
    Plain,
}

impl Container {
    /// Opens whatever packing the file has.
    ///
    /// # Errors
    /// What is wrong with the packing, once its kind is clear; errors of reading.
    pub async fn open(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(zip::Archive::open(reader).await?.map_or(Self::Plain, Self::Zip))
    }

    /// The kind of packing.
    pub fn packing(&self) -> Packing {
        match self {
            Self::Zip(_) => Packing::Zip,
            Self::Plain => Packing::Plain,
        }
    }

    /// The archive, if it is a ZIP.
    pub fn zip(&self) -> Option<&zip::Archive> {
        match self {
            Self::Zip(archive) => Some(archive),
            Self::Plain => None,
        }
    }
}

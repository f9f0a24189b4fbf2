//! How bytes are packed.

pub(crate) mod ar;
pub mod cfb;
pub(crate) mod pe;
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
    /// A compound file.
    Compound(cfb::Compound),
    /// Nothing that is unpacked here; formats look at the bytes themselves.
    Plain,
}

/// The kinds of packing, for formats to say what they expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packing {
    /// A ZIP archive.
    Zip,
    /// A compound file.
    Compound,
    /// Anything else.
    Plain,
}

impl Container {
    /// Opens whatever packing the file has.
    ///
    /// # Errors
    /// What is wrong with the packing, once its kind is clear; errors of reading.
    pub async fn open(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let head = reader.head().await?;
        if cfb::is_compound(&head) {
            return cfb::Compound::open(reader).await.map(Self::Compound);
        }
        // an archive behind a program is its payload, as in self-extracting ones
        if pe::is_program(&head) {
            return Ok(Self::Plain);
        }
        Ok(zip::Archive::open(reader).await?.map_or(Self::Plain, Self::Zip))
    }

    /// The kind of packing.
    pub fn packing(&self) -> Packing {
        match self {
            Self::Zip(_) => Packing::Zip,
            Self::Compound(_) => Packing::Compound,
            Self::Plain => Packing::Plain,
        }
    }

    /// The archive, if it is a ZIP.
    pub fn zip(&self) -> Option<&zip::Archive> {
        match self {
            Self::Zip(archive) => Some(archive),
            Self::Compound(_) | Self::Plain => None,
        }
    }

    /// The compound file, if it is one.
    pub fn compound(&self) -> Option<&cfb::Compound> {
        match self {
            Self::Compound(compound) => Some(compound),
            Self::Zip(_) | Self::Plain => None,
        }
    }
}

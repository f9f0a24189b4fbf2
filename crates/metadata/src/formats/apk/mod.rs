//! Android packages.

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;

use crate::containers::Packing;
use crate::registry::{Format, Input, Probe, Score};
use crate::error::Code;

const MANIFEST: &[u8] = b"AndroidManifest.xml";

/// Reads `.apk` files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apk;

#[async_trait]
impl Format for Apk {
    fn name(&self) -> inspect::Format {
        inspect::Format::Apk
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["apk"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        match probe.container.zip().and_then(|archive| archive.find(MANIFEST)) {
            Some(_) => Score::Certain,
            None => Score::No,
        }
    }

    async fn read(&self, _input: &mut Input<'_>) -> Result<Package, Problem> {
        Err(Code::Unsupported.problem("not read"))
    }
}

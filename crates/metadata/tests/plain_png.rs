//! Every picture in Apple's variant of PNG that the corpus' apps hold, made plain. An absent corpus shows as ignored.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;

use appdepot_core::inspect::Inspection;
use appdepot_metadata::{Limits, icon, inspect_slice};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value as Json;

mod support {
    pub(crate) mod corpus;
}

use support::corpus::{absent, folder};

fn main() {
    let apps = folder("APPDEPOT_CORPUS", "corpus").map(|corpus| corpus.join("ipa"));
    let trial = match apps.filter(|apps| apps.is_dir()) {
        Some(apps) => Trial::test("corpus::icons", move || icons(&apps)),
        None => absent("corpus", "APPDEPOT_CORPUS"),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

fn detail<'a>(found: &'a Inspection, key: &str) -> Option<&'a Json> {
    found.package.as_ref()?.details.get(key)
}

/// Every picture in Apple's variant becomes a plain one with as many pixels as its header says.
fn icons(apps: &Path) -> Result<(), Failed> {
    let (mut count, mut failures) = (0, String::new());
    for file in fs::read_dir(apps)? {
        let path = file?.path();
        let Ok(mut archive) = zip::ZipArchive::new(fs::File::open(&path)?) else { continue };
        for index in 0..archive.len() {
            let Ok(mut entry) = archive.by_index(index) else { continue };
            let Ok(inside) = entry.name().map(|name| name.into_owned()) else { continue };
            if !inside.ends_with(".png") {
                continue;
            }
            let name = format!("{}: {inside}", path.display());
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            if data.get(12..16) != Some(b"CgBI") {
                continue;
            }
            count += 1;
            match icon::plain_png(&data, &Limits::default()) {
                Ok(plain) => {
                    let found = inspect_slice(&plain);
                    let theirs = inspect_slice(&data);
                    for key in ["width", "height", "colors", "bitDepth"] {
                        assert_eq!(detail(&found, key), detail(&theirs, key), "{name}");
                    }
                    assert_eq!(
                        (&found.error, detail(&found, "cgbi")),
                        (&None, Some(&false.into())),
                        "{name}"
                    );
                    let size = |key| detail(&found, key).and_then(Json::as_u64).unwrap() as usize;
                    let mut pixels = Vec::new();
                    let packed = &plain[8 + 25 + 8..plain.len() - 12 - 4];
                    flate2::read::ZlibDecoder::new(packed).read_to_end(&mut pixels)?;
                    let samples = match detail(&found, "colors").and_then(Json::as_str) {
                        Some("rgba") => 4,
                        Some("rgb") => 3,
                        Some("gray-alpha") => 2,
                        _ => 1,
                    };
                    assert_eq!(pixels.len(), size("height") * (size("width") * samples + 1), "{name}");
                }
                Err(problem) => writeln!(failures, "{name}: {problem:?}")?,
            }
        }
    }
    println!("{count} icons");
    if count == 0 || !failures.is_empty() {
        return Err(failures.into());
    }
    Ok(())
}

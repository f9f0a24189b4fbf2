//! Fuzz targets for the parsers. Each is a plain function over bytes, so that a test can run it as well as libFuzzer.

mod pack;
mod seeds;
mod smoke;
mod targets;

/// Longer inputs are left out.
pub const LONGEST: usize = 64 << 10;

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its binary.
    pub name: &'static str,
    /// Reads the bytes; panics where the parser breaks a promise.
    pub run: fn(&[u8]),
    /// Inputs worth changing.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: targets::$name, seeds: seeds::$name }),*];

        #[cfg(test)]
        mod tests {
            $(#[test]
            fn $name() {
                crate::smoke::check(stringify!($name));
            })*

            #[test]
            fn every_target_has_a_binary() {
                let manifest = include_str!("../Cargo.toml");
                $(assert!(manifest.contains(concat!("\"fuzz_targets/", stringify!($name), ".rs\"")));)*
                assert_eq!(manifest.matches("fuzz_targets/").count(), crate::TARGETS.len());
            }
        }
    };
}

targets! {
    file, hints, zip, axml, arsc, signing_block, verify, aab, apks, plist, der, certificate, profile, ipa, msi, pe, deb,
    tar, rpm, xar, pkg, dmg, pdf, image, png, icon, drawable, msix, epub, script, words, q, xacml,
}

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or the target does.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    if data.len() <= LONGEST {
        (target.run)(data);
    }
}

/// The whole binary of a target: libFuzzer's under cargo-fuzz; otherwise one that runs the files it is given.
#[macro_export]
macro_rules! fuzz {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run(stringify!($name), data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $crate::run(stringify!($name), &std::fs::read(file)?);
            }
            Ok(())
        }
    };
}

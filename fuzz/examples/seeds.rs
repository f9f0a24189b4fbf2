//! Writes the seeds of every target to `fuzz/seeds/<target>/`, or into the folder given.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let folder = env::args_os().nth(1).map_or_else(beside, PathBuf::from);
    for target in appdepot_fuzz::TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}

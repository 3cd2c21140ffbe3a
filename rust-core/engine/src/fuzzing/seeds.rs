//! For tests that replay the seeds of fuzzing targets, which are in `fuzz/seeds/`.

use std::path::Path;

/// Runs each seed of a target, in the order of their names.
pub fn replay(target: &str, run: fn(&[u8])) {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.map(|folder| folder.join("fuzz/seeds").join(target)).find(|path| path.exists());
    let folder = found.unwrap_or_else(|| panic!("there is no fuzz/seeds/{target} above the crate"));
    let mut seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        println!("{target} {}", seed.display());
        run(&std::fs::read(seed).unwrap());
    }
}

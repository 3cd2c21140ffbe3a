//! Replays the seeds of fuzzing targets, which are in `fuzz/seeds/`.

use std::path::Path;

/// Returns the seeds of a target, in the order of their names: name and bytes.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.map(|folder| folder.join("fuzz/seeds").join(target)).find(|path| path.exists());
    let folder = found.unwrap_or_else(|| panic!("there is no fuzz/seeds/{target} above the crate"));
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
    let read = |path| std::fs::read(path).unwrap();
    let mut seeds: Vec<_> =
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), read(entry.path()))).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds
}

pub fn replay(target: &str, run: fn(&[u8])) -> usize {
    let seeds = seeds(target);
    for (name, bytes) in &seeds {
        println!("{target} {name}");
        run(bytes);
    }
    seeds.len()
}

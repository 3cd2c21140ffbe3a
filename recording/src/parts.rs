//! The files of a recording: the first part has its name, the next ones a number.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Returns the path of a part, from 1.
pub fn path_of(base: &Path, number: u64) -> PathBuf {
    if number == 1 {
        return base.to_owned();
    }
    let mut name = OsString::from(base.file_stem().unwrap_or_default());
    name.push(format!(".{number:04}"));
    if let Some(ending) = base.extension() {
        name.push(".");
        name.push(ending);
    }
    base.with_file_name(name)
}

/// Returns the parts that exist, in order. The oldest may have been removed because the disk was full.
pub fn existing(base: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A part that was removed leaves a hole only at the beginning.
    let mut absent = 0;
    for number in 1.. {
        let path = path_of(base, number);
        // A link that leads nowhere hides no part behind it.
        if path.symlink_metadata().is_ok() {
            absent = 0;
            found.push(path);
        } else if !found.is_empty() || absent == MOST_REMOVED {
            break;
        } else {
            absent = absent.saturating_add(1);
        }
    }
    found
}

/// Parts at the beginning that may be missing.
const MOST_REMOVED: u32 = 9_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_order_and_after_the_first_ones_were_removed() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.b.mcap");
        assert_eq!(path_of(&base, 12).file_name().unwrap(), "a.b.0012.mcap");
        assert_eq!(path_of(Path::new("x"), 2), Path::new("x.0002"));
        assert!(existing(&base).is_empty());
        for number in [3, 4, 6] {
            std::fs::write(path_of(&base, number), "").unwrap();
        }
        assert_eq!(existing(&base), [path_of(&base, 3), path_of(&base, 4)]);
    }
}

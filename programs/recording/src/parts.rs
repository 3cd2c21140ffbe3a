//! Finds the files of a recording: the first part has its name, later parts add a number.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::files::folder_of;
use crate::files::open_found;
use crate::identity::Identity;

/// A part and its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number.
    pub number: u64,
    /// The file.
    pub path: PathBuf,
}

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

/// Returns the existing parts in order.
///
/// After a hole, which a recorder on a full disk makes, a file must identify itself as that part.
pub fn existing(base: &Path) -> Vec<Place> {
    let mut numbers = numbers(base);
    if has_hole(&numbers) {
        // A part made during the listing may be missing from it.
        numbers = self::numbers(base);
    }
    let mut found: Vec<Place> = Vec::new();
    let (mut first, mut looks) = (None, 0..MOST_LOOKS);
    for number in numbers {
        let path = path_of(base, number);
        let before = found.last().map_or(0, |last| last.number);
        if number != before.saturating_add(1) {
            // Another recording may have such a name: run.2026.mcap is not a part of run.mcap.
            let begin = found.first();
            first = first.or_else(|| begin.and_then(|part| identity(&part.path, part.path != base)));
            let is_known = begin.is_none() || first.is_some();
            if looks.next().is_none()
                || !is_known
                || !identity(&path, true).is_some_and(|found| found.is_part(number, first.as_ref()))
            {
                continue;
            }
        }
        found.push(Place { number, path });
    }
    found
}

/// Returns the id of the recording that this file belongs to or begins.
pub fn id_of(base: &Path) -> Option<String> {
    identity(base, true)?.into_id()
}

/// Returns the parts to remove with the recording of this name, and a killed replacement's.
///
/// All must identify themselves; other files stay.
pub fn later(base: &Path) -> Vec<Place> {
    let Some(first) = identity(base, true) else { return Vec::new() };
    let places = numbers(base).into_iter().filter(|number| *number > 1);
    let places = places.map(|number| Place { number, path: path_of(base, number) });
    let is_part = |place: &Place| {
        identity(&place.path, true).is_some_and(|found| {
            found.is_part(place.number, Some(&first)) || found.is_left(place.number, &first)
        })
    };
    places.filter(is_part).collect()
}

/// Returns files of this extension in the folder that identify themselves as parts, under any name.
pub(crate) fn elsewhere(named: &Path, of: &Identity) -> Vec<Place> {
    let Ok(folder) = std::fs::read_dir(folder_of(named)) else { return Vec::new() };
    let paths = folder.flatten().map(|entry| named.with_file_name(entry.file_name()));
    let paths = paths.filter(|path| path.extension() == named.extension()).take(MOST_LOOKS as usize);
    let place = |path: PathBuf| {
        let found = identity(&path, true)?;
        let number = found.part.filter(|number| found.is_part(*number, Some(of)))?;
        Some(Place { number, path })
    };
    let mut found: Vec<_> = paths.filter_map(place).collect();
    found.sort_by(|one, other| (one.number, &one.path).cmp(&(other.number, &other.path)));
    found
}

/// The most examined files after holes or under other names.
const MOST_LOOKS: u32 = 1_000;
const DIGITS: std::ops::RangeInclusive<usize> = 4..=9;

fn numbers(base: &Path) -> BTreeSet<u64> {
    // A dangling link must not hide later parts.
    let is_there = |number: &u64| path_of(base, *number).symlink_metadata().is_ok();
    let mut found = BTreeSet::new();
    found.extend(Some(1).filter(is_there));
    match std::fs::read_dir(folder_of(base)) {
        Ok(folder) => found.extend(folder.flatten().filter_map(|entry| number_of(base, &entry.file_name()))),
        // This user may not list the folder.
        Err(_) => found.extend((2..).take_while(is_there)),
    }
    found
}

fn has_hole(numbers: &BTreeSet<u64>) -> bool {
    let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
    last.saturating_sub(first).saturating_add(1) != numbers.len() as u64
}

fn number_of(base: &Path, name: &OsStr) -> Option<u64> {
    let stem = base.file_stem()?.as_bytes();
    let ending = base.extension().map_or(&b""[..], OsStr::as_bytes);
    let rest = name.as_bytes().strip_prefix(stem)?.strip_prefix(b".")?;
    let digits = match base.extension() {
        Some(_) => rest.strip_suffix(ending)?.strip_suffix(b".")?,
        None => rest,
    };
    if !DIGITS.contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number > 1 && path_of(base, number).file_name() == Some(name)).then_some(number)
}

/// Returns the number in the name of a part of any recording.
pub(crate) fn number_in(name: &str) -> Option<u64> {
    let is_number =
        |word: &&str| DIGITS.contains(&word.len()) && word.bytes().all(|digit| digit.is_ascii_digit());
    name.rsplit('.').take(2).find(is_number)?.parse().ok()
}

/// Whether this file identifies itself as this part or a later one.
pub(crate) fn is_following(path: &Path, number: u64, of: &Identity) -> bool {
    identity(path, true)
        .is_some_and(|found| found.part.is_some_and(|part| part >= number && found.is_part(part, Some(of))))
}

fn identity(path: &Path, is_found: bool) -> Option<Identity> {
    let file = if is_found { open_found(path) } else { crate::files::open(path) };
    Identity::read(&file.ok()?, path).ok().map(|(identity, _)| identity)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::writer::{Part, Settings};

    fn write(base: &Path, id: &str, number: u64) {
        let facts = [("id", id.to_owned()), ("part", number.to_string())];
        let facts = BTreeMap::from(facts.map(|(key, text)| (key.to_owned(), text)));
        let part = Part::create(&path_of(base, number), &facts, Settings::default()).unwrap();
        part.close("split", None).unwrap();
    }

    fn found(base: &Path) -> Vec<u64> {
        existing(base).into_iter().map(|part| part.number).collect()
    }

    #[test]
    fn parts_are_found_in_order_behind_those_that_are_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.b.mcap");
        assert_eq!(path_of(&base, 12).file_name().unwrap(), "a.b.0012.mcap");
        assert_eq!(path_of(Path::new("x"), 2), Path::new("x.0002"));
        assert!(existing(&base).is_empty());
        for number in [3, 4, 6, 7, 10_000] {
            write(&base, "5", number);
        }
        assert_eq!(found(&base), [3, 4, 6, 7, 10_000]);
        assert_eq!(existing(&base)[1].path, path_of(&base, 4));
        write(&base, "5", 1);
        assert_eq!(found(&base), [1, 3, 4, 6, 7, 10_000]);
    }

    #[test]
    fn number_of_a_part_is_read_from_its_name() {
        let names = [
            "run.0002.mcap",
            "run.0002",
            "a.b.12345.mcap",
            "run.mcap",
            "run.2.mcap",
            "run.1234567890.x",
            "",
            "0003",
        ];
        let numbers = [Some(2), Some(2), Some(12_345), None, None, None, None, Some(3)];
        assert_eq!(names.map(number_in), numbers);
    }

    /// A similar name does not make a part.
    #[test]
    fn behind_parts_that_are_not_there_only_those_of_the_same_recording_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("run.mcap");
        std::fs::write(path_of(&base, 2026), "").unwrap();
        assert_eq!(found(&base), [0; 0]);
        std::fs::remove_file(path_of(&base, 2026)).unwrap();
        write(&path_of(&base, 2026), "6", 1);
        assert_eq!(found(&base), [0; 0], "it is a first part");
        write(&base, "5", 1);
        assert_eq!(found(&base), [1]);
        write(&base, "6", 3);
        std::fs::write(path_of(&base, 5), "no recording").unwrap();
        std::os::unix::fs::symlink(&base, path_of(&base, 7)).unwrap();
        for name in [
            "run.00008.mcap",
            "run.0001.mcap",
            "run.+009.mcap",
            "run.9.mcap",
            "run.18446744073709551615.mcap",
        ] {
            std::fs::copy(&base, folder.path().join(name)).unwrap();
        }
        assert_eq!(found(&base), [1]);
        // The reader reports the next part's problem.
        std::fs::write(path_of(&base, 2), "no recording").unwrap();
        assert_eq!(found(&base), [1, 2, 3]);
    }

    /// A name is insufficient, because any file can have it.
    #[test]
    fn later_parts_are_those_that_say_that_they_are_of_the_recording() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("run.mcap");
        let later = || later(&base).into_iter().map(|part| part.number).collect::<Vec<_>>();
        std::fs::write(path_of(&base, 2), "no recording").unwrap();
        write(&base, "5", 3);
        write(&base, "6", 4);
        std::fs::copy(path_of(&base, 3), path_of(&base, 5)).unwrap();
        std::os::unix::fs::symlink(path_of(&base, 3), path_of(&base, 6)).unwrap();
        write(&base, "5", 8);
        assert_eq!(later(), [0; 0], "there is no recording of this name");
        write(&base, "5", 1);
        assert_eq!(later(), [3, 8]);
        std::fs::write(&base, "no recording").unwrap();
        assert_eq!(later(), [0; 0]);
    }
}

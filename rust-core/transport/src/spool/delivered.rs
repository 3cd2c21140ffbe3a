//! Messages that were delivered and not yet consumed, whose files stay until then.
//!
//! If the process dies before their removal, its next incarnation finds the files. So each message is
//! delivered at least once, and at most once to one incarnation.

use std::collections::{HashSet, VecDeque};

use super::folder::SpoolFolder;

/// The messages, oldest first, in the state that the two halves share under a mutex.
#[derive(Default)]
pub struct Delivered {
    /// Each message's number and file. A request is without a file here, because its answer removes the file.
    order: VecDeque<(u64, Option<String>)>,
    /// The files in `order`, and files whose removal failed. This incarnation does not deliver them again.
    names: HashSet<String>,
}

impl Delivered {
    pub fn add(&mut self, number: u64, name: String) {
        self.names.insert(name.clone());
        self.order.push_back((number, Some(name)));
    }

    pub fn add_request(&mut self, number: u64) {
        self.order.push_back((number, None));
    }

    pub fn has_number(&self, number: u64) -> bool {
        self.order.iter().any(|(n, _)| *n == number)
    }

    pub fn has_file(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Removes the files of all messages up to the last entry with the number `up_to`.
    pub fn remove_up_to(&mut self, folder: &SpoolFolder, up_to: u64) {
        let count = self.order.iter().rposition(|(n, _)| *n == up_to).map_or(0, |last| last + 1);
        self.remove_first(folder, count);
    }

    pub fn remove_all_but(&mut self, folder: &SpoolFolder, last: usize) {
        self.remove_first(folder, self.order.len().saturating_sub(last));
    }

    fn remove_first(&mut self, folder: &SpoolFolder, count: usize) {
        for name in self.order.drain(..count).filter_map(|(_, name)| name) {
            // A file that cannot be removed is delivered again only to the next incarnation.
            if folder.remove(&name).is_ok() {
                self.names.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_files_are_removed_up_to_the_number() {
        let temporary = tempfile::tempdir().unwrap();
        let directory =
            crate::sys::directory::Directory::existing(temporary.path().parent().unwrap()).unwrap();
        let name = temporary.path().file_name().unwrap().to_str().unwrap();
        let folder = SpoolFolder::open(directory.beneath(), name, Some(0o600), false).unwrap().unwrap();
        let mut delivered = Delivered::default();
        for (number, name) in [(1, "a"), (2, "b"), (4, "c")] {
            folder.put(name, b"").unwrap();
            delivered.add(number, name.to_owned());
        }
        delivered.add_request(3);
        let left = || {
            let mut names = folder.names(|_| true).unwrap();
            names.sort();
            names.concat()
        };
        delivered.remove_up_to(&folder, 7);
        assert_eq!(left(), "abc");
        delivered.remove_up_to(&folder, 2);
        assert!(
            left() == "c"
                && delivered.has_file("c")
                && !delivered.has_file("a")
                && delivered.has_number(3)
                && !delivered.has_number(2)
        );
        delivered.remove_all_but(&folder, 2);
        assert!(delivered.has_file("c"));
        delivered.remove_up_to(&folder, 3);
        assert!(left().is_empty() && !delivered.has_file("c"));
    }
}

//! Messages that were given and not consumed: their files stay until they are.

use std::collections::{HashSet, VecDeque};

use super::folder::Folder;

/// In the order in which they were given.
#[derive(Default)]
pub struct Given {
    /// Each with its file; one that stays for a reason of its own has none here.
    order: VecDeque<(u64, Option<String>)>,
    names: HashSet<String>,
}

impl Given {
    /// One more, with the number that it was given under.
    pub fn add(&mut self, number: u64, name: String) {
        self.names.insert(name.clone());
        self.order.push_back((number, Some(name)));
    }

    /// A request was given in between: its file goes when it is answered.
    pub fn pass(&mut self, number: u64) {
        self.order.push_back((number, None));
    }

    /// Whether there is one of this number.
    pub fn holds(&self, number: u64) -> bool {
        self.order.iter().any(|(n, _)| *n == number)
    }

    /// Whether a file is among them.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// They have been dealt with up to the last of this number: their files go.
    pub fn take_away(&mut self, folder: &Folder, up_to: u64) {
        let count = self.order.iter().rposition(|(n, _)| *n == up_to).map_or(0, |last| last + 1);
        self.take_first(folder, count);
    }

    /// The same for all but the last so many.
    pub fn take_away_but(&mut self, folder: &Folder, last: usize) {
        self.take_first(folder, self.order.len().saturating_sub(last));
    }

    fn take_first(&mut self, folder: &Folder, count: usize) {
        for name in self.order.drain(..count).filter_map(|(_, name)| name) {
            // One that cannot be removed is not given again here, and once more to our next incarnation.
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
    fn files_go_up_to_the_one_that_was_named() {
        let temporary = tempfile::tempdir().unwrap();
        let directory =
            crate::sys::directory::Directory::existing(temporary.path().parent().unwrap()).unwrap();
        let name = temporary.path().file_name().unwrap().to_str().unwrap();
        let folder = Folder::open(directory.beneath(), name, Some(0o600), false).unwrap().unwrap();
        let mut given = Given::default();
        for (number, name) in [(1, "a"), (2, "b"), (4, "c")] {
            folder.put(name, b"").unwrap();
            given.add(number, name.to_owned());
        }
        given.pass(3);
        let left = || {
            let mut names = folder.names(|_| true).unwrap();
            names.sort();
            names.concat()
        };
        given.take_away(&folder, 7);
        assert_eq!(left(), "abc");
        given.take_away(&folder, 2);
        assert!(left() == "c" && given.has("c") && !given.has("a") && given.holds(3) && !given.holds(2));
        given.take_away_but(&folder, 2);
        assert!(given.has("c"));
        given.take_away(&folder, 3);
        assert!(left().is_empty() && !given.has("c"));
    }
}

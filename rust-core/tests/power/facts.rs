//! The output of a program before its power was cut: the promises that the image must keep.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default)]
pub struct Facts {
    lines: usize,
    /// Texts that were passed to the library, with their sender or script's file.
    pub tried: BTreeMap<u64, String>,
    /// Texts that it has taken; in a journal their numbers.
    pub kept: BTreeMap<u64, Option<u64>>,
    /// Texts that were delivered; in a journal their numbers.
    pub seen: BTreeMap<u64, Option<u64>>,
    /// Begun acknowledgements: the reader, and the text, or in a journal the number.
    pub finishing: BTreeMap<String, BTreeSet<u64>>,
    pub done: BTreeMap<String, BTreeSet<u64>>,
    pub asked: BTreeSet<u64>,
    /// Requests whose answer was being fetched.
    pub fetching: BTreeSet<u64>,
    /// Files that are not messages: the name, and whether the file was certainly there.
    pub bad: BTreeMap<u64, (String, bool)>,
}

impl Facts {
    pub fn count(&self) -> usize {
        self.lines
    }

    pub fn add(&mut self, line: &str) {
        self.lines += 1;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| words.get(n).and_then(|word| word.parse::<u64>().ok());
        let word = |n: usize| words.get(n).map_or(String::new(), |word| (*word).to_owned());
        let id = || number(1).unwrap_or_else(|| panic!("{line:?} has a number"));
        let last = || number(2).unwrap_or_else(|| panic!("{line:?} has a number"));
        match words[0] {
            "try" => drop(self.tried.insert(id(), word(2))),
            "kept" => drop(self.kept.insert(id(), number(2))),
            "seen" => drop(self.seen.insert(id(), number(2))),
            "finish" => drop(self.finishing.entry(word(1)).or_default().insert(last())),
            "done" => drop(self.done.entry(word(1)).or_default().insert(last())),
            "ask" => drop(self.asked.insert(id())),
            // A client that looks for one of its answers takes the answers to all its requests, even of
            // earlier lives.
            "fetch" => {
                let who = &self.tried[&id()];
                self.fetching.extend(self.asked.iter().filter(|id| self.tried[*id] == *who));
            }
            "fetched" => {}
            "bad" => drop(self.bad.insert(id(), (word(2), false))),
            "posted" => drop(self.bad.insert(id(), (word(2), true))),
            _ => panic!("unknown fact {line:?}"),
        }
    }

    pub fn may_be_finished(&self, id: u64) -> bool {
        self.finishing.values().any(|all| all.contains(&id))
    }

    /// Returns answered requests whose answer was not being fetched.
    pub fn unfetched(&self) -> impl Iterator<Item = u64> {
        let server = self.done.get("server").into_iter().flatten().copied();
        server.filter(|id| self.asked.contains(id) && !self.fetching.contains(id))
    }
}

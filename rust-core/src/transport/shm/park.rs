//! Sleeping and waking: a word that is odd while its owner sleeps, and a bell that is rung once per odd value.

use std::sync::atomic::Ordering;

use super::memory::OwnMemory;

/// The sleeper's side. It makes its word odd, looks once more whether what it waits for is there, and only then sleeps.
#[derive(Debug)]
pub(super) struct Park {
    at: usize,
    word: u64,
}

impl Park {
    /// The word at this place of my own memory, awake.
    pub const fn new(at: usize) -> Park {
        Park { at, word: 0 }
    }

    /// About to sleep: a new odd value, then a full fence. Look again after this!
    pub fn lie_down(&mut self, mine: &impl OwnMemory) {
        self.word = (self.word | 1) + 2;
        mine.store_fenced(self.at, self.word);
    }

    /// Awake: nobody needs to ring.
    pub fn get_up(&mut self, mine: &impl OwnMemory) {
        if self.word % 2 == 1 {
            self.word += 1;
            mine.store(self.at, self.word, Ordering::Release);
        }
    }
}

/// The waker's side: remembers for which value it rang.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: u64,
}

impl Bell {
    /// Whether a sleeper with this park word is still to be woken. Load the word fenced, after telling the news.
    #[inline]
    pub fn is_due(&self, word: u64) -> bool {
        word % 2 == 1 && word != self.rung
    }

    /// The bell is rung for this word.
    pub fn rung(&mut self, word: u64) {
        self.rung = word;
    }
}

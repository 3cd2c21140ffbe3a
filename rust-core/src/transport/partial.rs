//! Memory of large messages that have come in part: taken as the bytes come, and bounded for the whole process.
//!
//! A peer may announce a message up to `limit`, send most of it and then nothing for ever; so may the next one. What all
//! such messages hold is counted here, for each sender: a user, or the holder of a key. Where one needs more than there is, the
//! sender whose messages hold the most loses what has come of its largest, and the link of that ends: a peer of good will
//! connects again and sends it again, and everybody else goes on. So no sender loses anything while it holds less than its even
//! share, however many messages another one has begun.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admission::Claimant;
use crate::buffers;
use crate::error::{Error, ErrorKind, Result, memory};

/// All of them together may hold this many messages of the length of `limit` ...
const MESSAGES: u64 = 4;

/// ... and this many bytes even where those are shorter.
const LEAST: u64 = 256 << 20;

/// Room that a message gets when it begins. Then it grows by this factor, when the room is full.
const FIRST: usize = 2 << 20;
const GROWTH: usize = 8;

/// What the messages of this process that have come in part hold.
static BUDGET: Budget = Budget::new();

/// Counts what messages that have come in part hold.
struct Budget {
    all: Mutex<Vec<Entry>>,
    /// Counts the pieces that came for any of them.
    pieces: AtomicU64,
}

/// One of them, as the budget knows it.
struct Entry {
    reserved: usize,
    limit: u64,
    sender: Claimant,
    held: Arc<Held>,
}

/// What has come of one.
struct Held {
    /// None once it was taken away to make room.
    bytes: Mutex<Option<Vec<u8>>>,
    /// The number of the piece that came last.
    fed: AtomicU64,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Budget {
    const fn new() -> Budget {
        Budget { all: Mutex::new(Vec::new()), pieces: AtomicU64::new(0) }
    }

    /// Counts `reserved` bytes for this one instead of what it had, at the cost of others where that is too much. False
    /// where it is itself the one that loses, or has lost before.
    fn reserve(&self, held: &Arc<Held>, reserved: usize) -> bool {
        let mut lost = Vec::new();
        let mut all = lock(&self.all);
        let Some(own) = all.iter_mut().find(|entry| Arc::ptr_eq(&entry.held, held)) else { return false };
        own.reserved = reserved;
        let most = all.iter().map(|entry| entry.limit.saturating_mul(MESSAGES)).fold(LEAST, u64::max);
        let mut goes_on = true;
        while goes_on && all.iter().map(|entry| entry.reserved as u64).sum::<u64>() > most {
            let mut of: HashMap<&Claimant, usize> = HashMap::new();
            all.iter().for_each(|entry| *of.entry(&entry.sender).or_default() += entry.reserved);
            // Of those that hold as much, the one that has waited longest for its next piece.
            let weight = |entry: &Entry| {
                let age = u64::MAX - entry.held.fed.load(Ordering::Relaxed);
                (of.get(&entry.sender).copied(), entry.reserved, age)
            };
            let Some(heaviest) = (0..all.len()).max_by_key(|at| weight(&all[*at])) else { break };
            let entry = all.swap_remove(heaviest);
            goes_on = !Arc::ptr_eq(&entry.held, held);
            lost.push(lock(&entry.held.bytes).take());
        }
        drop(all);
        // Giving back as much takes time, which the others need not wait for.
        drop(lost);
        goes_on
    }

    fn forget(&self, held: &Arc<Held>) {
        lock(&self.all).retain(|entry| !Arc::ptr_eq(&entry.held, held));
    }
}

/// A large message that is still coming.
pub struct Partial {
    budget: &'static Budget,
    held: Arc<Held>,
    whole: usize,
    have: usize,
    reserved: usize,
}

impl Partial {
    /// The beginning of a message of `whole` bytes from this sender, on a link whose messages are at most `limit` long.
    pub fn begin(whole: usize, limit: u64, sender: Claimant) -> Partial {
        Partial::within(&BUDGET, whole, limit, sender)
    }

    fn within(budget: &'static Budget, whole: usize, limit: u64, sender: Claimant) -> Partial {
        let fed = AtomicU64::new(budget.pieces.fetch_add(1, Ordering::Relaxed));
        let held = Arc::new(Held { bytes: Mutex::new(Some(Vec::new())), fed });
        lock(&budget.all).push(Entry { reserved: 0, limit, sender, held: held.clone() });
        Partial { budget, held, whole, have: 0, reserved: 0 }
    }

    /// How many bytes have come.
    pub fn have(&self) -> usize {
        self.have
    }

    /// How many bytes are still to come.
    pub fn missing(&self) -> usize {
        self.whole - self.have
    }

    /// Lets `fill` append bytes to what has come, at most so many, for which there is room; it says how many those were.
    ///
    /// `OutOfMemory` where there is none, `Disconnected` where what had come was given up for others.
    pub fn append(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>, usize) -> Result<Option<usize>>,
    ) -> Result<Option<usize>> {
        let grown = self.have == self.reserved && self.have < self.whole;
        if grown {
            self.reserved = self.whole.min(self.have.saturating_mul(GROWTH).max(FIRST));
            if !self.budget.reserve(&self.held, self.reserved) {
                return Err(self.lost());
            }
        }
        let mut held = lock(&self.held.bytes);
        let Some(bytes) = &mut *held else { return Err(self.lost()) };
        if grown {
            if bytes.capacity() == 0 {
                *bytes = buffers::take(self.reserved);
            }
            if bytes.capacity() < self.reserved {
                memory::reserve(bytes, self.reserved - bytes.len())?;
                crate::sys::memory::prefer_large_pages(bytes.spare_capacity_mut());
            }
        }
        let filled = fill(bytes, self.reserved - self.have);
        self.have = bytes.len();
        self.held.fed.store(self.budget.pieces.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        filled
    }

    /// The same for bytes that were read already; there are no more of them than are missing.
    pub fn extend(&mut self, mut from: &[u8]) -> Result<()> {
        while !from.is_empty() {
            let appended = self.append(|bytes, most| {
                let here = most.min(from.len());
                bytes.extend_from_slice(&from[..here]);
                Ok(Some(here))
            })?;
            from = &from[appended.unwrap_or(0)..];
        }
        Ok(())
    }

    /// What has come; the caller knows that it is all.
    pub fn finish(self) -> Result<Vec<u8>> {
        lock(&self.held.bytes).take().ok_or_else(|| self.lost())
    }

    #[cold]
    fn lost(&self) -> Error {
        let text = format!(
            "{} of {} bytes of a message were given up: more than {MESSAGES} times `limit` and {} MiB were needed for \
             messages that have come in part, and its sender held the most; it is to be sent again, with fewer at once \
             or with a higher `limit` on the receiving side",
            self.have,
            self.whole,
            LEAST >> 20
        );
        Error::new(ErrorKind::Disconnected, text)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.budget.forget(&self.held);
    }
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.have, self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const LIMIT: u64 = 64 << 20;
    const OURS: Claimant = Claimant::User(0);

    fn budget() -> &'static Budget {
        // Kept, or it is a leak to whoever looks for some.
        static KEPT: Mutex<Vec<&Budget>> = Mutex::new(Vec::new());
        let budget: &Budget = Box::leak(Box::new(Budget::new()));
        KEPT.lock().unwrap().push(budget);
        budget
    }

    fn counted(budget: &Budget) -> usize {
        lock(&budget.all).iter().map(|entry| entry.reserved).sum()
    }

    /// Appends so many bytes.
    fn feed(partial: &mut Partial, mut bytes: usize) -> Result<()> {
        while bytes > 0 {
            let here = partial.append(|to, most| {
                let here = most.min(bytes);
                to.resize(to.len() + here, 7);
                Ok(Some(here))
            })?;
            bytes -= here.unwrap();
        }
        Ok(())
    }

    #[test]
    fn room_grows_with_what_has_come_and_ends_with_the_message() {
        let budget = budget();
        let mut partial = Partial::within(budget, 50 * MIB + 3, LIMIT, OURS);
        assert_eq!(counted(budget), 0, "an announcement costs nothing");
        for (bytes, reserved) in
            [(1, 2 * MIB), (2 * MIB - 1, 2 * MIB), (1, 16 * MIB), (14 * MIB - 1, 16 * MIB)]
        {
            feed(&mut partial, bytes).unwrap();
            assert_eq!(counted(budget), reserved);
        }
        feed(&mut partial, 34 * MIB + 3).unwrap();
        assert_eq!((counted(budget), partial.missing()), (50 * MIB + 3, 0));
        let bytes = partial.finish().unwrap();
        assert_eq!((bytes.len(), bytes.capacity()), (50 * MIB + 3, 50 * MIB + 3));
        assert_eq!(counted(budget), 0);
    }

    #[test]
    fn heaviest_message_loses_once_all_hold_too_much() {
        let budget = budget();
        let mut heavy: Vec<_> = (0..4).map(|_| Partial::within(budget, 64 * MIB, LIMIT, OURS)).collect();
        heavy.iter_mut().for_each(|one| feed(one, 60 * MIB).unwrap());
        feed(&mut heavy[0], 1).unwrap();
        let mut light = Partial::within(budget, 2 * MIB, LIMIT, OURS);
        feed(&mut light, 2 * MIB).unwrap();
        assert_eq!(counted(budget), 3 * 64 * MIB + 2 * MIB);
        let lost = feed(&mut heavy[1], 1).unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Disconnected, "of those that hold as much, the last to be fed");
        assert!(lost.text().contains("62914560 of 67108864 bytes"), "{lost}");
        for at in [0, 2, 3] {
            feed(&mut heavy[at], 1).unwrap();
        }
        assert_eq!(light.finish().unwrap().len(), 2 * MIB);
        assert_eq!(heavy.swap_remove(1).finish().unwrap_err().kind(), ErrorKind::Disconnected);
        drop(heavy);
        assert_eq!(counted(budget), 0);
    }

    #[test]
    fn message_that_would_hold_the_most_gives_way_itself() {
        let budget = budget();
        let mut light: Vec<_> = (0..52).map(|_| Partial::within(budget, 4 * MIB, LIMIT, OURS)).collect();
        light.iter_mut().for_each(|one| feed(one, 2 * MIB + 1).unwrap());
        let mut heavy = Partial::within(budget, 64 * MIB, LIMIT, OURS);
        assert_eq!(feed(&mut heavy, 17 * MIB).unwrap_err().kind(), ErrorKind::Disconnected);
        light.iter_mut().for_each(|one| feed(one, 1).unwrap());
    }

    #[test]
    fn sender_with_many_messages_takes_no_room_from_others() {
        let budget = budget();
        let begin = |whole: usize, uid: u32| Partial::within(budget, whole, LIMIT, Claimant::User(uid));
        // Each of them holds less than the one large message of the other user.
        let mut many: Vec<_> = (0..64).map(|_| begin(4 * MIB, 7)).collect();
        many.iter_mut().for_each(|one| feed(one, 2 * MIB + 1).unwrap());
        assert_eq!(counted(budget), 256 * MIB, "all that there is");
        let mut large = begin(64 * MIB, 8);
        feed(&mut large, 64 * MIB).unwrap();
        let lost = many.iter_mut().filter_map(|one| feed(one, 1).err()).count();
        assert_eq!(lost, 16, "so many messages made room for it");
        // A third sender has its share of what two had.
        let mut third = Partial::within(budget, 64 * MIB, LIMIT, Claimant::Key("sensor".into()));
        feed(&mut third, 64 * MIB).unwrap();
        assert_eq!(large.finish().unwrap().len(), 64 * MIB);
        assert_eq!(third.finish().unwrap().len(), 64 * MIB);
    }

    #[test]
    fn higher_limit_makes_room_for_as_many_messages() {
        let budget = budget();
        let limit = LIMIT * 2;
        let all: Vec<_> = (0..8).map(|_| Partial::within(budget, 17 * MIB, limit, OURS)).collect();
        // Counted, not written: the memory is the test's.
        for (at, one) in all.iter().enumerate() {
            assert!(budget.reserve(&one.held, 64 * MIB), "{at}");
        }
        assert_eq!(counted(budget), 512 * MIB);
        assert!(!budget.reserve(&all[0].held, 64 * MIB + 1));
        assert_eq!(counted(budget), 7 * 64 * MIB);
    }

    #[test]
    fn memory_that_is_not_there_is_out_of_memory() {
        let mut partial = Partial::within(budget(), isize::MAX as usize, u64::MAX, OURS);
        partial.have = 1 << 61;
        partial.reserved = partial.have;
        assert_eq!(feed(&mut partial, 1).unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
}

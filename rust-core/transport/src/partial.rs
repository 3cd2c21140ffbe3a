//! Memory of large messages that have arrived in part: it grows with the bytes, within one budget per
//! process.
//!
//! The budget counts the bytes of all such messages per sender. If a message needs more than is left, the
//! sender with the most bytes loses its largest message, and that link ends. A correct peer connects again
//! and repeats the message. A sender with less than an even share loses nothing, however many messages others
//! have begun.
//!
//! Locks: the list of the budget first, then the bytes of one message. A thread that appends locks only its
//! own message.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admission::PeerIdentity;
use crate::buffers;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::sys::fork::Own;

/// All messages together may hold this many times the largest limit of a link ...
const MESSAGES: u64 = 4;

/// ... and at least this many bytes.
const LEAST: u64 = 256 << 20;

/// Bytes that are reserved at the beginning of a message.
const FIRST: usize = 2 << 20;
/// The factor by which a full reservation grows.
const GROWTH: usize = 8;

static BUDGET: Own<PartialBudget> = Own::new();

#[derive(Default)]
struct PartialBudget {
    all: Mutex<Vec<PartialMessage>>,
    /// Counts the received pieces of all messages: a clock that orders them.
    pieces: AtomicU64,
}

struct PartialMessage {
    reserved: usize,
    limit: u64,
    sender: PeerIdentity,
    held: Arc<ArrivedPart>,
}

struct ArrivedPart {
    /// `None` after the budget has taken it.
    bytes: Mutex<Option<Vec<u8>>>,
    /// The number of the last received piece. Relaxed: it only selects among equals.
    fed: AtomicU64,
}

/// Also after a panic of another thread: the state is always valid.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartialBudget {
    /// Changes the reservation of a message, and takes messages away if the budget is exceeded.
    ///
    /// Returns false if this message itself is taken.
    fn reserve(&self, held: &Arc<ArrivedPart>, reserved: usize) -> bool {
        let mut lost = Vec::new();
        let mut all = lock(&self.all);
        let Some(own) = all.iter_mut().find(|entry| Arc::ptr_eq(&entry.held, held)) else { return false };
        own.reserved = reserved;
        let most = all.iter().map(|entry| entry.limit.saturating_mul(MESSAGES)).fold(LEAST, u64::max);
        let mut goes_on = true;
        while goes_on && all.iter().map(|entry| entry.reserved as u64).sum::<u64>() > most {
            let mut of: HashMap<&PeerIdentity, usize> = HashMap::new();
            all.iter().for_each(|entry| *of.entry(&entry.sender).or_default() += entry.reserved);
            // The sender with the most bytes, then its largest message, then the message with the oldest last
            // piece.
            let weight = |entry: &PartialMessage| {
                let age = u64::MAX - entry.held.fed.load(Ordering::Relaxed);
                (of.get(&entry.sender).copied(), entry.reserved, age)
            };
            let Some(heaviest) = (0..all.len()).max_by_key(|at| weight(&all[*at])) else { break };
            let entry = all.swap_remove(heaviest);
            goes_on = !Arc::ptr_eq(&entry.held, held);
            lost.push(lock(&entry.held.bytes).take());
        }
        drop(all);
        // Freeing so much memory takes time, and does not need the lock.
        drop(lost);
        goes_on
    }

    fn forget(&self, held: &Arc<ArrivedPart>) {
        lock(&self.all).retain(|entry| !Arc::ptr_eq(&entry.held, held));
    }
}

/// An incomplete message; owned by the receiving half of a link.
///
/// Its drop removes it from the budget.
pub struct Partial {
    budget: &'static PartialBudget,
    held: Arc<ArrivedPart>,
    whole: usize,
    have: usize,
    reserved: usize,
}

impl Partial {
    /// Starts a message of `whole` bytes from this sender, without taking memory.
    ///
    /// `limit` is the longest message on the link.
    pub fn begin(whole: usize, limit: u64, sender: PeerIdentity) -> Partial {
        Partial::within(BUDGET.get(), whole, limit, sender)
    }

    fn within(budget: &'static PartialBudget, whole: usize, limit: u64, sender: PeerIdentity) -> Partial {
        let fed = AtomicU64::new(budget.pieces.fetch_add(1, Ordering::Relaxed));
        let held = Arc::new(ArrivedPart { bytes: Mutex::new(Some(Vec::new())), fed });
        lock(&budget.all).push(PartialMessage { reserved: 0, limit, sender, held: held.clone() });
        Partial { budget, held, whole, have: 0, reserved: 0 }
    }

    pub fn have(&self) -> usize {
        self.have
    }

    pub fn missing(&self) -> usize {
        self.whole - self.have
    }

    /// Lets `fill` append at most the given number of bytes, and return how many it appended.
    ///
    /// # Errors
    /// `OutOfMemory` if the process has no memory: received bytes are kept, and a later call tries again.
    /// `Disconnected` if the budget took the message away.
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
                if let Err(error) = memory::reserve(bytes, self.reserved - bytes.len()) {
                    drop(held);
                    // Memory that it does not have must not count, and the next call reserves again.
                    self.reserved = self.have;
                    self.budget.reserve(&self.held, self.reserved);
                    return Err(error);
                }
                crate::sys::memory::prefer_large_pages(bytes);
            }
        }
        let filled = fill(bytes, self.reserved - self.have);
        self.have = bytes.len();
        self.held.fed.store(self.budget.pieces.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        filled
    }

    /// Like [`Partial::append`], for bytes that were already read.
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

    pub fn finish(self) -> Result<Vec<u8>> {
        lock(&self.held.bytes).take().ok_or_else(|| self.lost())
    }

    #[cold]
    fn lost(&self) -> Error {
        let text = format!(
            "{} of {} bytes of a message were given up: more than {MESSAGES} times `max_message_size` and {} MiB were \
             needed for messages that have come in part, and its sender held the most; it is to be sent again, with \
             fewer at once or with a higher `max_message_size` on the receiving side",
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
    const OURS: PeerIdentity = PeerIdentity::User(0);

    fn budget() -> &'static PartialBudget {
        // Kept in a static, or a leak checker would report it.
        static KEPT: Mutex<Vec<&PartialBudget>> = Mutex::new(Vec::new());
        let budget: &PartialBudget = Box::leak(Box::default());
        KEPT.lock().unwrap().push(budget);
        budget
    }

    fn counted(budget: &PartialBudget) -> usize {
        lock(&budget.all).iter().map(|entry| entry.reserved).sum()
    }

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
    fn memory_grows_with_received_bytes_and_is_released_with_the_message() {
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
    fn largest_message_is_given_up_once_all_hold_too_much() {
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
    fn message_that_would_hold_the_most_is_given_up_itself() {
        let budget = budget();
        let mut light: Vec<_> = (0..52).map(|_| Partial::within(budget, 4 * MIB, LIMIT, OURS)).collect();
        light.iter_mut().for_each(|one| feed(one, 2 * MIB + 1).unwrap());
        let mut heavy = Partial::within(budget, 64 * MIB, LIMIT, OURS);
        assert_eq!(feed(&mut heavy, 17 * MIB).unwrap_err().kind(), ErrorKind::Disconnected);
        light.iter_mut().for_each(|one| feed(one, 1).unwrap());
    }

    #[test]
    fn sender_with_many_messages_takes_no_memory_from_others() {
        let budget = budget();
        let begin = |whole: usize, uid: u32| Partial::within(budget, whole, LIMIT, PeerIdentity::User(uid));
        let mut many: Vec<_> = (0..64).map(|_| begin(4 * MIB, 7)).collect();
        many.iter_mut().for_each(|one| feed(one, 2 * MIB + 1).unwrap());
        assert_eq!(counted(budget), 256 * MIB, "all that there is");
        let mut large = begin(64 * MIB, 8);
        feed(&mut large, 64 * MIB).unwrap();
        let lost = many.iter_mut().filter_map(|one| feed(one, 1).err()).count();
        assert_eq!(lost, 16, "so many messages made room for it");
        let mut third = Partial::within(budget, 64 * MIB, LIMIT, PeerIdentity::Key("sensor".into()));
        feed(&mut third, 64 * MIB).unwrap();
        assert_eq!(large.finish().unwrap().len(), 64 * MIB);
        assert_eq!(third.finish().unwrap().len(), 64 * MIB);
    }

    #[test]
    fn higher_limit_makes_room_for_as_many_messages() {
        let budget = budget();
        let limit = LIMIT * 2;
        let all: Vec<_> = (0..8).map(|_| Partial::within(budget, 17 * MIB, limit, OURS)).collect();
        // Counted, not written: the test needs the memory.
        for (at, one) in all.iter().enumerate() {
            assert!(budget.reserve(&one.held, 64 * MIB), "{at}");
        }
        assert_eq!(counted(budget), 512 * MIB);
        assert!(!budget.reserve(&all[0].held, 64 * MIB + 1));
        assert_eq!(counted(budget), 7 * 64 * MIB);
    }

    #[test]
    fn exhausted_memory_is_out_of_memory() {
        let mut partial = Partial::within(budget(), isize::MAX as usize, u64::MAX, OURS);
        partial.have = 1 << 61;
        partial.reserved = partial.have;
        assert_eq!(feed(&mut partial, 1).unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
}

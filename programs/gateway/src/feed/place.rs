//! Places of messages. A place has twice as many bits as a number, so no sequence of numbers overflows it.

/// A message's place in the order of its name, which also counts missed messages.
pub type Place = u128;

/// The place before a name's first message. Messages before the feed began have smaller places.
pub const ORIGIN: Place = 1 << 64;

pub fn distance(from: Place, to: Place) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(u64::MAX)
}

//! Places of messages. A place has twice as many bits as a number, so that no sequence of numbers reaches its end.

/// The place of a message in the order of its name, which counts missed messages as well.
pub type Place = u128;

/// The place before the first one of a name. Messages that came before the feed have smaller places.
pub const ORIGIN: Place = 1 << 64;

/// Returns the number of messages between two places.
pub fn distance(from: Place, to: Place) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(u64::MAX)
}

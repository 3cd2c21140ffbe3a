//! Publishing through shared memory: one ring that the publisher alone writes and everybody reads.
//!
//! | what | lives in |
//! |---|---|
//! | the record, as the two ends of the ring agree on it | `record` |
//! | the ring's writing end, which waits for nobody | `ring_writer` |
//! | its reading end: copy, then see whether that was in time | `ring_reader` |
//! | the publisher: a ring that gives way to a larger one, and its view of each subscriber | `publisher` |
//! | the subscriber: a ring_reader that can sleep | `subscriber` |

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod publisher;
mod record;
mod ring_reader;
pub(super) mod ring_writer;
mod subscriber;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub(crate) use publisher::{Broadcast, Subscription};
pub(crate) use ring_reader::{Received, RingReader, Start};
pub(crate) use subscriber::{BroadcastReader, SubscriberPage};

//! Publishing through shared memory: one ring that the publisher alone writes and everybody reads.
//!
//! | what | lives in |
//! |---|---|
//! | the record, as the two ends of the ring agree on it | `record` |
//! | the ring's writing end, which waits for nobody | `caster` |
//! | its reading end: copy, then see whether that was in time | `follower` |
//! | the publisher: a ring that gives way to a larger one, and its view of each subscriber | `publisher` |
//! | the subscriber: a follower that can sleep | `subscriber` |

pub(super) mod caster;
mod follower;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod publisher;
mod record;
mod subscriber;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub(crate) use follower::{Follower, Received, Start};
pub(crate) use publisher::{Broadcast, Subscription};
pub(crate) use subscriber::{BroadcastReader, SubscriberPage};

//! Publishing through shared memory: the publisher writes one ring, and every subscriber maps it.
//!
//! The publisher never waits for a subscriber: it overwrites the oldest records. A subscriber copies a record and then
//! checks whether the publisher began to overwrite it. An overtaken subscriber gets `Lagged` with the exact number of
//! missed messages. A message above half of the ring moves the publisher to a larger file.
//!
//! | module | content |
//! |---|---|
//! | `ring_writer` | the writing end of the ring |
//! | `ring_reader` | the reading end: copy, then validate |
//! | `publisher` | the publisher: its ring, the move to a larger ring, waking subscribers |
//! | `subscriber` | the subscriber: a reading end that can sleep |
//! | `futex_stage` | how long a subscriber sleeps in the futex |
//! | `claims` | the words that protect a viewed slot |
//! | `slots`, `viewers` | the publisher's slots, and each subscriber's views |
//! | `views` | a subscriber's views and copies of slots |
//! | `published_tx` | the sending half: ring, slots, and their readers |
//! | `driver` | both sides as the traits of `transport::broadcast` |
//!
//! The publisher writes the ring's header page, a subscriber its own page. So a SIGKILL leaves nothing to repair.

mod claims;
mod driver;
mod futex_stage;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod published_tx;
mod publisher;
mod ring_reader;
pub(super) mod ring_writer;
mod slots;
#[cfg(test)]
#[cfg(loom)]
mod slots_loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod slots_tests;
mod subscriber;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod viewers;
mod views;

pub(super) use driver::RingDriver;
pub use published_tx::PublishedTx;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(super) use publisher::{Broadcast, Subscription};
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(super) use ring_reader::RingReader;
pub use slots::PublishedSlots;
pub use subscriber::BroadcastReader;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub(super) use subscriber::SubscriberPage;
pub use views::ViewCount;

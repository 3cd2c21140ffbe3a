//! Publishing through shared memory: one ring that only the publisher writes and that every
//! subscriber maps read-only.
//!
//! The publisher never waits for a subscriber: it overwrites the oldest records. A subscriber
//! copies a record and then checks whether the publisher began to overwrite it meanwhile; a
//! subscriber that was overtaken gets `Lagged` with the exact number of messages that it missed.
//! The newest record also answers `latest()`. A message above half of the ring moves
//! the publisher to a larger file.
//!
//! | what | defined in |
//! |---|---|
//! | the writing end of the ring | `ring_writer` |
//! | the reading end: copy, then validate | `ring_reader` |
//! | the publisher: its ring, the move to a larger one, waking subscribers | `publisher` |
//! | the subscriber: a reading end that can sleep | `subscriber` |
//! | how long it sleeps in the futex before it sleeps in poll | `futex_stage` |
//! | the words that keep a viewed slot from being written | `claims` |
//! | the publisher's slots, and what each subscriber views | `slots`, `viewers` |
//! | what of a publisher's slots a subscriber views, and what it copies | `views` |
//! | the sending half: ring, slots, and their readers | `published_tx` |
//! | both sides behind the traits of `transport::broadcast` | `driver` |
//!
//! Every word of the ring's header page has one writer, the publisher; every word of a subscriber's
//! page has one writer, that subscriber. So nothing needs repair after a SIGKILL of any of them.

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

//! Shared memory: each side owns one sealed memory file that only it writes, and reads the other's.
//!
//! | what | lives in |
//! |---|---|
//! | the memory that rings live in, and its double for tests | `memory` |
//! | the layout of a side's file, and what is checked of the peer's | `segment` |
//! | the record header | `record` |
//! | the two ends of a ring | `writer`, `reader` |
//! | looking, sleeping, waking | `spin`, `park`, `signals` |
//! | whether the peer lives | `peer` |
//! | how far each program has come with the other's messages | `account` |
//! | the two halves of a connected pair, as the contract wants them | `link` |
//! | a publisher's ring and its readers | `broadcast/` |

mod account;
mod broadcast;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzz;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzz_segment;
mod link;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod memory;
mod park;
mod peer;
mod reader;
mod record;
#[cfg(test)]
#[cfg(not(loom))]
mod ring_tests;
mod segment;
mod signals;
mod spin;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod writer;

pub(crate) use broadcast::{
    Broadcast, BroadcastReader, Received, RingReader, Start, SubscriberPage, Subscription,
};
pub(crate) use link::{Account, Ends, ShmRx, ShmTx, link};
pub(crate) use segment::{DEFAULT_RING, PeerSegment, Segment};

//! Shared memory: each side owns one sealed memory file that only it writes, and maps the other's
//! read-only.
//!
//! A connection has two rings, one in each side's file, and a Unix socket beside them: it carries
//! the hello with the descriptors, then only bytes that wake a sleeper and files of slots, and its
//! hang-up shows the peer's end. Every shared word has one writer, so there are no locks between
//! processes and nothing is left to repair, or to remove, after a SIGKILL. Whatever a hostile peer
//! writes into its own file is at most an error that ends the link; it cannot make this side block,
//! allocate beyond its limits or read outside of a mapping.
//!
//! A publisher has one ring that all its subscribers map ([`broadcast`]); long arrays are in slots,
//! memory files of their own, which the receiver reads in place ([`slots`], [`views`]).
//!
//! | what | defined in |
//! |---|---|
//! | the memory of rings, and its double for tests | `memory` |
//! | the layout of a side's file, and what is checked of the peer's | `segment` |
//! | the record header | `record` |
//! | the writing end and the reading end of a ring | `writer`, `reader` |
//! | slots for long arrays, and views of the peer's | `slots`, `views` |
//! | spinning, parking, waking | `spin`, `park`, `signals` |
//! | whether the peer lives | `liveness` |
//! | acknowledgement by a word in each side's page | `ack_words` |
//! | the two halves of a link, as the transport contract describes them | `link` |
//! | a publisher's ring and its readers | `broadcast/` |
//! | the traits of a transport | `driver` |
//!
//! `unsafe` code is in `reader` and `broadcast::ring_reader` (initialising buffers) and in
//! `sys::memory`. The loom models are `loom_tests` here and in `broadcast`; fuzz targets are `fuzz`
//! and `fuzz_segment`.

mod ack_words;
mod broadcast;
mod driver;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzz;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzz_segment;
mod link;
mod liveness;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod memory;
mod park;
mod reader;
mod record;
#[cfg(test)]
#[cfg(not(loom))]
mod ring_tests;
mod segment;
mod signals;
mod slot_file;
mod slots;
#[cfg(test)]
#[cfg(not(loom))]
mod slots_tests;
mod spin;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod views;
mod writer;

pub(crate) use broadcast::{BroadcastReader, BroadcastSlots, PlainRecord};
pub use driver::Shm;
pub(crate) use link::{AckWords, LinkParts, ShmRx, ShmTx, link};
pub(crate) use segment::{DEFAULT_RING, PeerSegment, SLOTS, Segment};
pub(crate) use slot_file::WritableSlot;
pub(crate) use slots::Slots;

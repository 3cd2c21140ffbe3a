//! How frames get from one process to another, as the crates of the core above it use it: the contract that every
//! transport keeps, and the transports that exist.
//!
//! This crate is for `linkspan`, `linkspan-engine` and `linkspan-service` alone and changes without notice: programs
//! use `linkspan`. Whatever is public here is so for those crates; `linkspan` passes on `frame` and `keys` to programs.
//!
//! It promises that a frame arrives whole, in order and once on each link, or the link ends with an error; that what a
//! dead or hostile peer leaves is an error and nothing else; that memory which a peer may change is copied before it is
//! examined. It knows nothing of sessions, channels, requests and services.
//!
//! # The contract
//!
//! A transport moves opaque frames ([`frame::Outgoing`], [`frame::Incoming`]). It never looks into a body and
//! never calls a layer above. A connected pair of ends is a *link*. A link has two halves that two
//! threads may use at once: a sending half and a receiving half. Each half is used by one thread at
//! a time.
//!
//! **Sending.** `try_send(frame)` returns [`Sent::Whole`] when the transport has the frame,
//! [`Sent::Blocked`] when it has not one byte of it (the frame is still the caller's, who may drop
//! it), and [`Sent::Started`] when some of it is on its way: the frame counts as sent, and the half owns
//! the rest. `flush()`, with which every later `try_send` begins, writes that; the next user of the half calls it.
//! So a stream never stays in the middle of a frame, and a deadline never leaves a message both
//! refused and sent. `wait_room` sleeps until another try may succeed.
//!
//! **Receiving.** `try_recv()` returns the next frame, in memory that this process owns, or `None`.
//! Frames are whole, in the order of sending, and each is returned once per link. `consumed()` says
//! that the caller has finished with the last frame; a transport that can do so informs the sender.
//! To sleep, the caller calls `park()`: true means that a frame has arrived in the meantime. Otherwise every
//! descriptor of `descriptors()` wakes an epoll set when `try_recv` should be called again
//! (level-triggered). After the sleep it calls `unpark()`. Before `park()` come `spin()`, which
//! polls for a few microseconds without a system call, and `sleep_briefly()` or `read_briefly()`, which
//! sleep for a short time without any descriptor, where that is cheaper: in a word of shared memory, or in
//! the read itself.
//!
//! **Death of the peer.** When the peer's process ends, however it ends, the receiving half first
//! returns every frame that was whole, then `Disconnected`, at this and every later call. The
//! sending half returns `Disconnected` at the next call, and out of `wait_room`. Whatever a dead or
//! hostile peer leaves behind (half a frame, wrong lengths, invalid contents of its own memory
//! file) causes an error and nothing else: `Malformed` ends the link for both halves. Dropping both
//! halves closes the link; a living peer still receives what the kernel or the ring already holds.
//!
//! **Waiting.** No half polls a clock. `EINTR` returns to the caller, who runs its tick.
//!
//! **Without a hello.** Where a name is a place and not a connection (`connectionless`), one link
//! leads to all others: the extension of each incoming frame names its sender, and a reply is
//! routed by the number of its request.
//!
//! # A transport is one folder and one line
//!
//! A folder implements the traits of `driver`, and those of `broadcast` and `store` where it has them; `table` has a
//! line for it. The layers above read the capabilities and call the traits. They cannot name a transport, since the
//! folders are private, but for types of `shm` that the crate passes on: slots, views and pages of acknowledgements.
//! `linkspan` adds a ninth one in its tests, written against what is public here.
//!
//! | what | defined in |
//! |---|---|
//! | the header, extension and body that move | `frame` |
//! | the name of a transport and what it can do | `kind`, `capability` |
//! | what a folder implements | `driver`; without a hello `connectionless`; for publishers `broadcast` and `store` |
//! | the list of transports | `table` |
//! | names, patterns of them, and their places in a directory; the owner of a name | `endpoint`, `name_pattern`, `place`; `bind` |
//! | removal of stale files at a place | `sweep` |
//! | files that a layer above keeps in the directory of a spool or a journal | `attached` |
//! | the owner of a name at which no process answers; the machine that a journal comes from | `owner`; `origin` |
//! | new connections: the thread that answers them, the first frame, the bound of those that wait | `acceptor`, `hello`, `admission` |
//! | the proof that a new connection has to give; keys of trusted machines | `authentication`; `keys` |
//! | the two halves of a link, of any transport; of a folder's own kind | `link`, `half` |
//! | the rest of a frame that was begun | `tail` |
//! | ends without a hello, and the sender of a frame there | `connectionless`, `extension` |
//! | bytes in order, and links over them | `stream`, `byte_stream`, `socket` |
//! | large messages of which a part has arrived | `partial` |
//! | links to programs without Linkspan | `plain` |
//! | listening and connecting at a Unix socket in a directory | `local` |
//! | shared memory; bytes over Unix sockets, over TCP, through named pipes | `shm`, `unix`, `tcp`, `fifo` |
//! | many writers and one reader, best effort | `dgram` |
//! | a directory of files; the newest value in one file; a log on a disk | `spool`, `file`, `journal` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(unsafe_code)]

pub mod acceptor;
mod admission;
pub mod attached;
pub mod authentication;
mod bind;
pub mod broadcast;
mod byte_stream;
pub mod capability;
pub mod connectionless;
mod dgram;
#[cfg(test)]
#[path = "../../engine/src/documents.rs"]
#[allow(dead_code, reason = "most blocks of the documents are those of `linkspan-engine`")]
mod documents;
pub mod driver;
pub mod endpoint;
pub mod extension;
mod fifo;
mod file;
pub mod frame;
#[cfg(all(any(test, fuzzing), not(loom)))]
pub mod fuzzing;
mod half;
pub mod hello;
#[cfg(test)]
#[path = "../../engine/src/histories.rs"]
#[allow(dead_code, reason = "most random histories are those of `linkspan-engine`")]
mod histories;
mod journal;
#[cfg(feature = "tls")]
pub mod keys;
pub mod kind;
mod link;
mod local;
pub mod name_pattern;
pub mod origin;
pub mod owner;
mod partial;
pub mod place;
pub mod plain;
#[allow(
    unsafe_code,
    reason = "memory that other programs map, and buffers that are written before they are read"
)]
mod shm;
pub mod socket;
mod spool;
pub mod store;
pub mod stream;
pub mod sweep;
pub mod table;
mod tail;
mod tcp;
mod unix;

use linkspan_os as sys;
use linkspan_os::deadline;
use linkspan_value::{body, buffers, codec, error, value};

use frame::{Incoming, Outgoing};
pub use link::{Offer, Polled, Rx, Tx};
pub use shm::{AckWords, BodyViews, PublishedSlots, Slots, WritableSlot};

/// Counts of what was lost on a transport that sends nothing again: a mailslot, or a spool's
/// reader.
///
/// A receiving half adds to it; `take_losses` returns it and starts again from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Messages that are missing in their senders' sequence numbers.
    pub missed: u64,
    /// Datagrams or files that arrived and were no valid message.
    pub refused: u64,
}

/// How a short wait of a receiving half ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something is ready, or a signal came.
    Ready,
    /// Nothing has come in its time.
    Passed,
    /// There was none.
    Omitted,
}

/// How many bodies of 64 KiB and more were sent, in one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongBodies {
    /// In slots.
    pub in_slots: u64,
    /// In pieces, because there was no slot for them.
    pub without_slot: u64,
}

/// The outcome of one attempt to send a frame; the caller decides what to do with the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The transport has all of it; the caller may forget the frame.
    Whole,
    /// Some of it is on its way, and the half owns the rest: the caller may forget the frame.
    Started,
    /// The transport has none of it, because there is no room now.
    Blocked,
}

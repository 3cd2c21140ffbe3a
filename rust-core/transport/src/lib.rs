//! The transports, and the contract that each keeps: how frames get from one process to another.
//!
//! This crate changes without notice. Only `linkspan`, `linkspan-engine` and `linkspan-service` use its
//! public items; `linkspan` passes on `frame` and `keys` to programs. A dead or hostile peer can only cause
//! an error. Memory that a peer may change is copied before the check.
//!
//! # The contract
//!
//! A transport moves opaque frames ([`frame::Outgoing`], [`frame::Incoming`]). It never looks into a body and
//! never calls a layer above. A *link* is a connected pair of ends. It has a sending and a receiving half.
//! Two threads may use the two halves at once, and one thread at a time uses each half.
//!
//! **Sending.** `try_send(frame)` has three results:
//!
//! - [`Sent::Whole`]: the transport has the frame.
//! - [`Sent::Blocked`]: the transport has no byte; the caller still owns the frame and may drop it.
//! - [`Sent::Started`]: the frame counts as sent, and the half owns the rest. `flush()` writes the rest;
//!   every `try_send` begins with it.
//!
//! A deadline therefore never leaves a message both refused and sent. `wait_room` sleeps until another try
//! may succeed.
//!
//! **Receiving.** `try_recv()` returns the next frame, in memory of this process, or `None`. Frames are
//! whole, in the order of sending, and returned once per link. `consumed()` tells that the caller has
//! finished with the last frame; a transport informs the sender if it can.
//!
//! To sleep, the caller calls `park()`. True means that a frame has arrived. Otherwise every descriptor of
//! `descriptors()` wakes an epoll set (level-triggered) when `try_recv` should be called again. After the
//! sleep the caller calls `unpark()`. Before `park()`, three calls may avoid the long sleep: `spin()` polls
//! for a few microseconds without a system call. `sleep_briefly()` sleeps on a word of shared memory, and
//! `read_briefly()` inside a read.
//!
//! **Death of the peer.** When the peer's process ends, the receiving half first returns every whole frame,
//! then `Disconnected` at every call. The sending half returns `Disconnected` from the next call, and from
//! `wait_room`. A half frame, wrong lengths, or invalid contents of the peer's memory file cause `Malformed`,
//! which ends the link for both halves. Dropping both halves closes the link; a living peer still receives
//! the contents of the kernel or ring.
//!
//! **Waiting.** No half polls a clock. `EINTR` returns to the caller, which runs its tick.
//!
//! **Without a hello.** If a name is a place and not a connection (`connectionless`), one link leads to all
//! other programs. The extension of each incoming frame names its sender, and the request's number routes the
//! reply.
//!
//! # A transport is one folder and one line
//!
//! A folder implements the traits of `driver`, and of `broadcast` and `store` if it offers those; `table` has
//! a line for it. The folders are private, so the layers above cannot name a transport. The tests of
//! `linkspan` add a ninth transport, written against the public items.
//!
//! | topic | module |
//! |---|---|
//! | header, extension and body of a frame | `frame` |
//! | name and abilities of a transport | `kind`, `capability` |
//! | traits of a folder | `driver`; without a hello `connectionless`; for publishers `broadcast` and `store` |
//! | list of transports | `table` |
//! | names, their patterns and places; the owner of a name | `endpoint`, `name_pattern`, `place`; `bind` |
//! | removal of stale files at a place | `sweep` |
//! | files that a layer above keeps in the directory of a spool or a journal | `attached` |
//! | owner of a name without an answering process; machine of a journal | `owner`; `origin` |
//! | new connections: answering thread, first frame, bound on waiting ones | `acceptor`, `hello`, `admission` |
//! | proof of a new connection; keys of trusted machines | `authentication`; `keys` |
//! | halves of a link of any transport; of one folder's kind | `link`, `half` |
//! | unwritten rest of a frame | `tail` |
//! | ends without a hello, and the sender of a frame there | `connectionless`, `extension` |
//! | bytes in order, and links over them | `stream`, `byte_stream`, `socket` |
//! | large messages that have arrived in part | `partial` |
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

/// Counts of losses on a transport that sends nothing again: a mailslot, or a spool's reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Gaps in the senders' sequence numbers, in messages.
    pub missed: u64,
    /// Datagrams or files that were not a valid message.
    pub refused: u64,
}

/// How a short wait of a receiving half ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something is ready, or a signal came.
    Ready,
    /// Nothing came in time.
    Passed,
    /// The half has no such wait.
    Omitted,
}

/// How many bodies of at least 64 KiB were sent in one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongBodies {
    /// In slots.
    pub in_slots: u64,
    /// In pieces, because no slot was free.
    pub without_slot: u64,
}

/// The outcome of one attempt to send a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The transport has the whole frame. The caller may drop it.
    Whole,
    /// The half owns the rest of the frame, which may be all of an acknowledgement. The caller may drop the frame.
    Started,
    /// There is no room; the transport has no byte.
    Blocked,
}

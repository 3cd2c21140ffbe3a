//! How frames get from one process to another: the contract that every transport keeps, and the kinds there are.
//!
//! # The contract
//!
//! A transport moves opaque frames ([`Outgoing`], [`Incoming`]); it never looks into a body and never calls up. A
//! connected pair of ends is a *link*, made of two halves that two threads may use at once: a sending half and a
//! receiving half. Each half belongs to one thread at a time.
//!
//! **Sending.** `try_send(frame)` gives [`Sent::Whole`] when the frame is with the transport, [`Sent::Blocked`] when
//! not one byte of it is (the frame is still the caller's, who may drop it), and [`Sent::Part`] when some of it is. After
//! `Part` the caller calls `try_send` again with the *same* frame, or `adopt(frame)`, which keeps a copy of the rest: then
//! the frame counts as sent, and `flush()`, which every later `try_send` begins with, brings the rest away; `see_off()` has
//! that done where the program may never send again. So a stream never holds half a frame for good, and a deadline never
//! leaves a message both refused and sent. `wait_room` sleeps until trying again may help.
//!
//! **Receiving.** `try_recv()` gives the next frame in memory of our own, or none now. Frames come whole, in the order of
//! sending, each once per link. `consumed()` says that the frame given last has been dealt with; a transport that can
//! tells the sender. To sleep, call `park()`: true means that a frame is there after all; otherwise every descriptor of
//! `descriptors()` wakes an epoll set when `try_recv` should be called again (level-triggered). After the sleep, `unpark()`.
//! `spin()` looks for a frame for a few microseconds without the kernel, and `sleep_briefly()` sleeps for a moment without any
//! descriptor, where that is worth it; both come before `park()`.
//!
//! **Death.** When the peer's process ends, however it ends, the receiving half first gives every frame that was
//! whole, then `Disconnected`, and keeps saying so; the sending half says `Disconnected` at the next call, also out of
//! `wait_room`. Nothing that a dead or hostile peer leaves behind (half a frame, wrong lengths, garbage in its own memory
//! file) is more than an error: `Malformed` ends the link for both halves. Dropping both halves closes the link; what the
//! kernel or the ring already holds is still delivered to a living peer.
//!
//! **Waiting.** No half polls a clock. `EINTR` returns to the caller's tick.
//!
//! **Without a hello.** Where the name is a place and not a conversation (`connectionless`), one link leads to all others: each
//! incoming frame says in its extension who sent it, and an answer finds its way back by the number of its request.
//!
//! | what | lives in |
//! |---|---|
//! | names, and their places in a directory | `endpoint`, `place` |
//! | what each can do | `capability` |
//! | what a layer above keeps in the directory of a spool or a journal | `attached` |
//! | who holds a name that nobody can be asked at | `owner` |
//! | newcomers: who answers them, what is said first, how many may wait | `acceptor`, `hello`, `admission` |
//! | the two halves of a link, whichever the transport | `link` |
//! | ends without a hello, and who sent a frame there | `connectionless`, `extension` |
//! | bytes in order, and links over them | `stream`, `socket` |
//! | large messages that have come in part | `partial` |
//! | links to programs that know nothing of Linkspan | `plain` |
//! | shared memory; a directory of files | `shm`; `spool` |
//! | what is kept on a disk | `journal` |
//! | the newest value in one file | `file` |
//! | named pipes | `fifo` |
//! | many writers and one reader, best effort | `dgram` |

pub(crate) mod acceptor;
pub(crate) mod admission;
pub(crate) mod attached;
pub(crate) mod capability;
pub(crate) mod connectionless;
pub(crate) mod dgram;
pub(crate) mod endpoint;
pub(crate) mod extension;
pub(crate) mod fifo;
pub(crate) mod file;
pub(crate) mod hello;
pub(crate) mod journal;
mod link;
pub(crate) mod owner;
mod partial;
pub(crate) mod place;
pub(crate) mod plain;
pub(crate) mod shm;
pub(crate) mod socket;
pub(crate) mod spool;
pub(crate) mod stream;
pub(crate) mod tcp;

pub use crate::frame::{Incoming, Outgoing};
pub use link::{Offer, Rx, Tx};
pub(crate) use shm::Account;

/// What did not come through where nothing is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Messages that are missing in their senders' numbers.
    pub missed: u64,
    /// What came and was no message.
    pub refused: u64,
}

/// What became of a frame that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The transport has all of it.
    Whole,
    /// The transport has some of it: try again with the same frame, or let it be adopted.
    Part,
    /// The transport has none of it.
    Blocked,
}

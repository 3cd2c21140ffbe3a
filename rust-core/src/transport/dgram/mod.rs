//! `dgram:`, the mailslot: a Unix datagram socket, into which many write and from which one reads.
//!
//! There is no hello and no way back. A message is one datagram: header, extension with the sender's name and session, body.
//! It arrives whole or not at all, in each sender's order; nothing is sent again. What the kernel holds (at most
//! `net.unix.max_dgram_qlen` messages) dies with the reader. A reader counts what is missing in each sender's numbers.
//!
//! The reader holds the name by its lock, as a listener does. A writer whose reader has gone is told so by its next
//! message, which is still its own: it waits for the name and sends it there.
//!
//! | what | lives in |
//! |---|---|
//! | the name, and who holds it | `mailslot` |
//! | writing | `send` |
//! | reading, and counting what is missing | `receive` |

mod mailslot;
mod receive;
mod send;

pub use mailslot::{connect, listen};
pub use receive::DgramRx;
pub use send::DgramTx;

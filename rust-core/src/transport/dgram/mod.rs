//! `dgram:`, the mailslot: a Unix datagram socket, which many processes write and one reads.
//!
//! There is no hello and no way back. A message is one datagram: header, extension with the
//! sender's name and session, body. It arrives whole or not at all, in the order of each sender,
//! and nothing is sent again. What the kernel holds (at most `net.unix.max_dgram_qlen` messages) is
//! lost when the reader ends. A reader counts the numbers that are missing from each sender.
//!
//! The reader owns the name by its lock, as a listener does. A writer whose reader has ended gets
//! `Disconnected` at its next message, which was not sent: it waits for the name and sends the
//! message there.
//!
//! | what | defined in |
//! |---|---|
//! | the name and its owner | `mailslot` |
//! | writing | `send` |
//! | reading, and counting what is missing | `receive` |
//! | the traits of a transport | `driver` |

mod driver;
mod mailslot;
mod receive;
mod send;

pub use driver::Dgram;

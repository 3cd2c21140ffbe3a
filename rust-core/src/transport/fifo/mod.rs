//! Named pipes: `NAME` carries what the client sends, `NAME.reply` what the server sends; one
//! client at a time.
//!
//! A pipe keeps the bytes of writers that have died, and does not identify its ends. So no pipe
//! is used twice: a *pair* of pipes serves one hello. The server makes the next pair before it
//! answers, and renames it over the names after its answer; bytes that dead writers left stay in
//! pipes that have no name any more. A hello has a random number and the answer repeats it: a
//! client that reads the answer to another hello connects again.
//!
//! Locks show who lives (`sys::lock`): the server holds the byte of the name, the client that of
//! the name and `#client`, and each side of a link one whose name contains the hello's number. The
//! end of a pipe shows the same sooner, where no other process keeps it open.
//!
//! | what | defined in |
//! |---|---|
//! | two unused pipes, and how they get their names | `pair` |
//! | finding a hello among other bytes in a pipe | `hello` |
//! | the server's name | `claim` |
//! | the client's connection | `call` |
//! | two pipes as a stream of bytes | `pipes` |
//! | the liveness of the peer | `liveness` |
//! | pipes for programs without Linkspan | `plain` |
//! | the traits of a transport | `driver` |

mod call;
mod claim;
mod driver;
mod hello;
mod liveness;
mod pair;
mod pipes;
mod plain;

#[cfg(test)]
mod tests;

pub use driver::Fifo;

//! Named pipes: `NAME` carries what the client says, `NAME.reply` what the server answers; one of each at a time.
//!
//! A pipe keeps the bytes of writers who have died, and tells nobody who its ends are. So no pipe is used twice: a *pair*
//! of pipes serves one hello. The server makes the next pair before it answers, and renames it over the names behind
//! its answer; whatever dead writers left stays in pipes that have no name any more, with whoever was to read it. A
//! hello carries a number drawn by chance, the answer names it: who reads an answer to somebody else dials again.
//!
//! Who lives is said by locks (`sys::lock`): the server holds the byte of the name, the client that of the name and
//! `#client`, and each side of a link one that the hello's number makes. The end of a pipe says the same sooner, wherever
//! nobody else keeps it open.
//!
//! | what | lives in |
//! |---|---|
//! | two pipes that nobody has used, and how they get their names | `pair` |
//! | a hello among whatever lies in a pipe | `hello` |
//! | the server's name | `claim` |
//! | the client's way in | `call` |
//! | two pipes as a stream of bytes | `pipes` |
//! | whether the other side lives | `life` |
//! | pipes for programs that know nothing of Linkspan | `plain` |

mod call;
mod claim;
mod hello;
mod life;
mod pair;
mod pipes;
mod plain;

#[cfg(test)]
mod tests;

pub use call::call;
pub use claim::Claim;
pub use life::has_client;
pub use pair::{of_reply, sweep};
pub use pipes::Pipes;
pub use plain::{open_plain, reach};

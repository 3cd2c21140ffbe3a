//! TCP: the same frames as over a Unix socket; other users are kept out by a token, other machines by keys.
//!
//! | what | lives in |
//! |---|---|
//! | where an endpoint is, and on which side of the machine's edge | `address` |
//! | the token of one user, and how two sides show that they know it | `token`, `proof` |
//! | listening, and what a newcomer has to show | `listen`, `entry` |
//! | calling, and the pauses between two calls | `call`, `backoff` |

pub mod address;
mod backoff;
mod call;
mod entry;
mod listen;
mod proof;
pub mod token;

pub use address::Address;
pub use backoff::Backoff;
pub use call::{call, reach};
pub use entry::{Entry, Gate};
pub use listen::{can_listen, listen};

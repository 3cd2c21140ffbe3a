//! TCP: the same frames as over a Unix socket; other users are kept out by a token, other machines by keys.
//!
//! | what | lives in |
//! |---|---|
//! | where an endpoint is, and on which side of the machine's edge | `address` |
//! | the token of one user, and how two sides show that they know it | `token`, `proof` |
//! | listening, and what a newcomer has to show | `listen`, `entry` |
//! | calling | `call` |
//! | other machines: keys, and TLS between them | `remote`, `tls` |

pub mod address;
mod call;
mod entry;
mod listen;
mod proof;
mod remote;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;

pub use address::Address;
pub use call::{call, reach};
pub use entry::{Entry, Gate};
pub use listen::{can_listen, listen};

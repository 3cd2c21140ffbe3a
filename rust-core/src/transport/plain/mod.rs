//! Plain framing, for programs without Linkspan: one JSON text per line, or raw bytes.
//!
//! There is no header, no hello and no session. A [`Dialect`], which the layer above provides,
//! translates between lines and frames, so that the layers above see the same frames as on every
//! other link, and this module never parses a line.
//!
//! | what | defined in |
//! |---|---|
//! | the meaning of a line, and the division into lines | `dialect` |
//! | bytes into lines | `lines` |
//! | the two halves of a link | `send`, `receive` |

mod dialect;
mod lines;
mod receive;
mod send;

use super::stream::Stream;

pub use dialect::{Dialect, Division};
pub use receive::PlainRx;
pub use send::PlainTx;

/// Makes the two halves of a plain link over a stream, for messages of at most `limit` bytes. One
/// that this side `dialled` ends once the peer has stopped writing; at one that was accepted the
/// peer may still read.
pub fn link(stream: Stream, division: Division, limit: u64, dialled: bool) -> (PlainTx, PlainRx) {
    (PlainTx::new(stream.clone(), division.clone(), dialled), PlainRx::new(stream, division, limit))
}

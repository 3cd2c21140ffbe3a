//! Plain framing, for programs that know nothing of Linkspan: one JSON text a line, or bytes as they come.
//!
//! No header, no hello, no session. What a line means is a [`Dialect`], which whoever makes the link brings along: so the
//! layers above see frames as on every other link, and this one never looks into a line.
//!
//! | what | lives in |
//! |---|---|
//! | bytes into lines | `lines` |
//! | the two halves of a link | `send`, `receive` |

mod lines;
mod receive;
mod send;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::stream::Stream;
use crate::error::Result;
use crate::frame::{Incoming, Outgoing};

pub use receive::PlainRx;
pub use send::PlainTx;

/// What lines mean: between the lines of a link and the frames that the layers above deal in.
pub trait Dialect: Send + Sync {
    /// Adds the frames that a line stands for: one, several, or none. An error is about this line alone. A line that
    /// could not be read is given as its error.
    fn hear(&self, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()>;

    /// The line that says a frame, without its end; none where nothing is to be said, or not yet. May be asked again
    /// about the same frame, until it has gone.
    fn say(&self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>>;

    /// The frame has gone, or there was nothing to say.
    fn said(&self, frame: &Outgoing<'_>);

    /// What a program is told that greets in Linkspan's own framing.
    fn refuse_greeting(&self) -> Vec<u8>;
}

/// How the bytes of a plain link are divided.
#[derive(Clone)]
pub enum Division {
    /// Into lines.
    Lines(Arc<dyn Dialect>),
    /// Not at all.
    Raw,
}

/// The two halves of a plain link over a stream, for messages of at most `limit` bytes. One that was `dialled` is given up
/// once the other side has stopped writing; one that was accepted may still have a reader there.
pub fn link(stream: Stream, division: Division, limit: u64, dialled: bool) -> (PlainTx, PlainRx) {
    (PlainTx::new(stream.clone(), division.clone(), dialled), PlainRx::new(stream, division, limit))
}

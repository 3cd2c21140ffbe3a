//! The meaning of the bytes of a plain link: the trait that the layer above implements, and the
//! division of the bytes.
//!
//! This file is below both halves, so that neither of them uses the module that joins them.
//! JSON-RPC 2.0 and JSON lines are the dialects that exist (`channel/jsonrpc`).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::frame::{Incoming, Outgoing};

/// Translates between the lines of a link and the frames of the layers above. Both halves share it,
/// so it guards its own state.
pub trait Dialect: Send + Sync {
    /// Appends the frames of a line: none, one or several. `line` is an error where the line could
    /// not be read.
    ///
    /// # Errors
    /// Those of this line alone; the link continues.
    fn decode_line(&self, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()>;

    /// Returns the line of a frame, without its end; `None` where there is nothing to send, or not
    /// yet. May be called again with the same frame until it is sent.
    fn encode_frame(&self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>>;

    /// Notes that the frame was sent, or that there was nothing to send for it.
    fn frame_sent(&self, frame: &Outgoing<'_>);

    /// Returns the answer to a peer that begins in Linkspan's own framing.
    fn refuse_hello(&self) -> Vec<u8>;
}

/// The division of the bytes of a plain link.
#[derive(Clone)]
pub enum Division {
    /// Into lines, which this dialect translates.
    Lines(Arc<dyn Dialect>),
    /// Not at all: each read is a message.
    Raw,
}

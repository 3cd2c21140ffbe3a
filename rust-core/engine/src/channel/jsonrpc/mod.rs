//! JSON-RPC 2.0 over lines.
//!
//! A **channel** delivers each line unchanged. A call goes out as a request, and the answer with its id is the reply.
//! `reply` answers a received request. A **server** delivers `method` and `params` of each request and notification.
//! It answers faulty lines itself, splits batches, and joins their answers. To both, a line without a JSON-RPC object
//! is a plain message.
//!
//! | subject | module |
//! |---|---|
//! | received lines, to frames | `decode` |
//! | sent frames, to lines | `encode` |
//! | error objects | `error` |
//! | requests without an answer | `pending` |
//!
//! The transport calls this through [`Dialect`], cuts the stream into lines, and joins the lines of `encode_frame`.
//! Nothing here waits or does I/O.

mod decode;
mod encode;
mod error;
mod pending;

use std::collections::VecDeque;

use bytes::Bytes;

pub use pending::JsonRpc;

use super::handshake;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::transport::plain::Dialect;

impl Dialect for JsonRpc {
    fn decode_line(&self, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()> {
        decode::decode_line(self, line, into)
    }

    fn encode_frame(&self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>> {
        encode::encode_frame(self, frame)
    }

    fn frame_sent(&self, frame: &Outgoing<'_>) {
        encode::frame_sent(self, frame);
    }

    fn refuse_hello(&self) -> Vec<u8> {
        let text = "this name has framing=\"lines\", one JSON text a line without Linkspan's header; connect with the same option";
        handshake::refusal(&Error::new(ErrorKind::InvalidState, text))
    }
}

#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
/// Decodes lines as a server and as a client, answers each request, and encodes each frame again.
pub fn fuzz(bytes: &[u8]) {
    use crate::codec::Encoding;
    use crate::frame::{Header, Kind};
    use crate::value::Limits;
    use std::sync::Arc;
    let limits = Limits::for_message(1 << 16);
    for serves in [true, false] {
        let rpc = JsonRpc::new(serves, limits, Arc::default());
        for line in bytes.split(|b| *b == b'\n') {
            let mut frames = VecDeque::new();
            if rpc.decode_line(Ok(Bytes::copy_from_slice(line)), &mut frames).is_err() {
                continue;
            }
            for frame in frames {
                let header = match frame.header.kind {
                    Kind::Request => Header::new(Kind::Reply, Encoding::Json),
                    _ => Header { body: 0, ..frame.header },
                };
                let header = Header { correlation: frame.header.sequence, ..header };
                let body: &[u8] = if frame.header.kind == Kind::Request { b"1" } else { frame.body.whole() };
                let frame = Outgoing::new(header, body);
                if let Ok(Some(line)) = rpc.encode_frame(&frame) {
                    let text = std::str::from_utf8(&line);
                    assert!(text.is_ok(), "{text:?}");
                }
                rpc.frame_sent(&frame);
            }
        }
    }
}

//! Decodes received lines into frames with new numbers.
//!
//! A line is checked as JSON once, within the link's limits, and then cut into slices. A channel receives a slice
//! without a copy.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::error::{self, INVALID_REQUEST, PARSE_ERROR};
use super::pending::{JsonRpc, Pending};
use crate::codec::{self, Encoding, Unread};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::failure;
use crate::value::Timestamp;

/// The most requests in one batch, because each short item becomes a message or an error reply.
const MAX_BATCH: usize = 4_096;

/// Bytes of the longest id, which is kept until its request is answered.
const MAX_ID: usize = 1_024;

/// The members of an object, with each value's text.
type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Decodes one line, and appends no frame, one frame, or one for each item of a batch.
///
/// `line` is an error if the transport could not take the line, for instance because it is too long.
///
/// # Errors
/// On a channel, that error, or the error of a line that is not JSON. A server instead appends the error reply of
/// JSON-RPC, as a frame that it sends back.
pub fn decode_line(rpc: &JsonRpc, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()> {
    let checked = line.and_then(|line| {
        codec::decode_into(&line, Encoding::Json, &rpc.limits, Unread)?;
        Ok(line)
    });
    let mut decoder = Decoder { pending: rpc.pending(), numbers: &rpc.numbers };
    let line = match checked {
        Ok(line) => line,
        // The sender may wait for an answer, and without an id no other answer is possible.
        Err(error) if rpc.serves => {
            into.push_back(decoder.error_reply(PARSE_ERROR, &error, "null", None)?);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(&line)
        .map_err(|_| Error::new(ErrorKind::Internal, "a line that was checked is not UTF-8"))?;
    if rpc.serves {
        return decoder.server_line(&line, text, into);
    }
    let frame = match codec::members(text) {
        Some(members) => decoder.channel_line(&line, &members)?,
        None => decoder.frame(Kind::Data, Encoding::Json, line),
    };
    into.push_back(frame);
    Ok(())
}

fn member<'a>(members: &Members<'a>, name: &str) -> Option<&'a str> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
}

fn is_text(value: &str) -> bool {
    value.starts_with('"')
}

fn is_rpc(members: &Members<'_>) -> bool {
    member(members, "jsonrpc") == Some("\"2.0\"")
}

fn is_id(value: &str) -> bool {
    value.len() <= MAX_ID && !matches!(value.as_bytes().first(), Some(b'{' | b'[' | b't' | b'f'))
}

fn violation(members: &Members<'_>) -> Option<Error> {
    let wrong = |path: &str, text: &str| {
        Some(Error::new(ErrorKind::Malformed, format!("a request of JSON-RPC 2.0 {text}")).with_path(path))
    };
    if !is_rpc(members) {
        return wrong("jsonrpc", "has the member jsonrpc with the text 2.0");
    }
    if !member(members, "method").is_some_and(is_text) {
        return wrong("method", "has a text as its method");
    }
    if member(members, "params").is_some_and(|params| !params.starts_with(['{', '['])) {
        return wrong("params", "has an array or an object as its params");
    }
    if member(members, "id").is_some_and(|id| !is_id(id)) {
        return wrong("id", "has text, a number or null as its id, of at most 1,024 bytes");
    }
    None
}

struct Decoder<'a> {
    pending: MutexGuard<'a, Pending>,
    numbers: &'a AtomicU64,
}

impl Decoder<'_> {
    /// Returns a frame with the next number. The time of arrival replaces the missing time of sending.
    fn frame(&mut self, kind: Kind, encoding: Encoding, body: Bytes) -> Incoming {
        let header = Header {
            sequence: self.numbers.fetch_add(1, Ordering::Relaxed) + 1,
            // An upper bound of the unknown time of sending.
            sent: Timestamp::now().0,
            body: body.len() as u64,
            ..Header::new(kind, encoding)
        };
        Incoming { header, extension: Bytes::new(), body: body.into() }
    }

    fn channel_line(&mut self, line: &Bytes, members: &Members<'_>) -> Result<Incoming> {
        let (method, id) = (member(members, "method"), member(members, "id"));
        if let (None, Some(id)) = (method, id)
            && let Some(call) = self.answered_call(id)
        {
            return self.reply(call, line, members);
        }
        let kind = if id.is_some() && violation(members).is_none() { Kind::Request } else { Kind::Data };
        let frame = self.frame(kind, Encoding::Json, line.clone());
        if let (Kind::Request, Some(id)) = (kind, id) {
            self.pending.add_request(frame.header.sequence, id, None);
        }
        Ok(frame)
    }

    /// Removes and returns the call that this id answers.
    fn answered_call(&mut self, id: &str) -> Option<u64> {
        let number = match id.parse() {
            Ok(number) => number,
            // Some implementations write every number as a float.
            Err(_) => {
                id.parse::<f64>().ok().filter(|id| id.fract() == 0.0 && (1.0..9e15).contains(id))? as u64
            }
        };
        let at = self.pending.calls.iter().position(|call| *call == number)?;
        self.pending.calls.remove(at)
    }

    /// Returns the reply frame of an answer: the unchanged `result`, or the error object as a failure.
    ///
    /// An answer with neither is also a failure.
    fn reply(&mut self, call: u64, line: &Bytes, members: &Members<'_>) -> Result<Incoming> {
        let error = member(members, "error").filter(|error| *error != "null");
        let mut frame = match (error, member(members, "result")) {
            (None, Some(result)) => {
                self.frame(Kind::Reply, Encoding::Json, line.slice_ref(result.as_bytes()))
            }
            (error, _) => {
                let payload = failure::to_payload(&error::read(error.unwrap_or("null"))?)?;
                self.frame(Kind::Error, payload.encoding(), payload.body().clone())
            }
        };
        frame.header.correlation = call;
        Ok(frame)
    }

    fn server_line(&mut self, line: &Bytes, text: &str, into: &mut VecDeque<Incoming>) -> Result<()> {
        if let Some(items) = codec::items(text) {
            return self.server_batch(&items, into);
        }
        match codec::members(text) {
            // An object with an id and a method expects an answer even without the member jsonrpc.
            Some(members)
                if member(&members, "jsonrpc").is_some()
                    || member(&members, "method").is_some() && member(&members, "id").is_some() =>
            {
                self.server_request(&members, None, into)
            }
            _ => {
                into.push_back(self.frame(Kind::Data, Encoding::Json, line.clone()));
                Ok(())
            }
        }
    }

    /// Decodes a batch. An empty or too long one gets a single error reply, as the specification requires.
    fn server_batch(&mut self, items: &[&str], into: &mut VecDeque<Incoming>) -> Result<()> {
        if items.is_empty() {
            let error = Error::new(ErrorKind::Malformed, "a batch holds at least one request");
            into.push_back(self.error_reply(INVALID_REQUEST, &error, "null", None)?);
            return Ok(());
        }
        if items.len() > MAX_BATCH {
            let text = format!(
                "a batch holds at most {MAX_BATCH} requests, and this one {}; send several",
                items.len()
            );
            let error = Error::new(ErrorKind::TooLarge, text);
            into.push_back(self.error_reply(INVALID_REQUEST, &error, "null", None)?);
            return Ok(());
        }
        // The number of its first frame identifies the batch.
        let batch = self.numbers.load(Ordering::Relaxed) + 1;
        for item in items {
            match codec::members(item) {
                Some(members) => self.server_request(&members, Some(batch), into)?,
                None => {
                    let error = Error::new(ErrorKind::Malformed, "a batch holds requests, which are objects");
                    into.push_back(self.error_reply(INVALID_REQUEST, &error, "null", Some(batch))?);
                }
            }
        }
        Ok(())
    }

    fn server_request(
        &mut self,
        members: &Members<'_>,
        batch: Option<u64>,
        into: &mut VecDeque<Incoming>,
    ) -> Result<()> {
        let id = member(members, "id");
        if let Some(error) = violation(members) {
            let is_answer = member(members, "result").is_some() || member(members, "error").is_some();
            if is_answer && member(members, "method").is_none() {
                // An unmatched answer: two servers could otherwise answer each other's error replies without end.
                return Ok(());
            }
            let id = id.filter(|id| is_id(id)).unwrap_or("null");
            into.push_back(self.error_reply(INVALID_REQUEST, &error, id, batch)?);
            return Ok(());
        }
        let kind = if id.is_some() { Kind::Request } else { Kind::Data };
        let method = member(members, "method").unwrap_or("null");
        let body = match member(members, "params") {
            Some(params) => format!("{{\"method\":{method},\"params\":{params}}}"),
            None => format!("{{\"method\":{method}}}"),
        };
        let frame = self.frame(kind, Encoding::Json, body.into());
        if let Some(id) = id {
            self.pending.add_request(frame.header.sequence, id, batch);
        }
        into.push_back(frame);
        Ok(())
    }

    /// Returns an error reply as a frame that the server receives and sends back unchanged.
    fn error_reply(&mut self, code: i64, error: &Error, id: &str, batch: Option<u64>) -> Result<Incoming> {
        let payload = failure::to_payload(&error::describe(code, error))?;
        let frame = self.frame(Kind::Error, payload.encoding(), payload.body().clone());
        self.pending.add_request(frame.header.sequence, id, batch);
        Ok(frame)
    }
}

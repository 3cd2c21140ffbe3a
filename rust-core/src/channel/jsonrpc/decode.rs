//! What a line that comes means.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::error::{self, INVALID_REQUEST, PARSE_ERROR};
use super::{JsonRpc, Open};
use crate::codec::{self, Encoding, Unread};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::failure;
use crate::value::Timestamp;

/// Requests in one batch, at most: each becomes a message, and every item that is none an answer, however short it was.
const LONGEST_BATCH: usize = 4_096;

/// The longest id, as it is written: it is kept until its request is answered.
const LONGEST_ID: usize = 1_024;

/// The members of an object, each value as it is written.
type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

pub fn hear(rpc: &JsonRpc, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()> {
    let checked = line.and_then(|line| {
        codec::decode_into(&line, Encoding::Json, &rpc.limits, Unread)?;
        Ok(line)
    });
    let mut decode = Decoder { open: rpc.open(), numbers: &rpc.numbers };
    let line = match checked {
        Ok(line) => line,
        // Whoever sent it may wait for an answer, and this is the one that there is.
        Err(error) if rpc.serves => {
            into.push_back(decode.objection(PARSE_ERROR, &error, "null", None)?);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(&line)
        .map_err(|_| Error::new(ErrorKind::Internal, "a line that was checked is not UTF-8"))?;
    if rpc.serves {
        return decode.serve(&line, text, into);
    }
    let frame = match codec::members(text) {
        Some(members) => decode.take(&line, &members)?,
        None => decode.frame(Kind::Data, Encoding::Json, line),
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

/// Whether an object says that it is JSON-RPC 2.0.
fn is_rpc(members: &Members<'_>) -> bool {
    member(members, "jsonrpc") == Some("\"2.0\"")
}

/// Text, a number or null, of a length that can be kept.
fn is_id(value: &str) -> bool {
    value.len() <= LONGEST_ID && !matches!(value.as_bytes().first(), Some(b'{' | b'[' | b't' | b'f'))
}

/// Why an object that is meant as a request or a notification is none.
fn fault(members: &Members<'_>) -> Option<Error> {
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

/// A line that is being heard.
struct Decoder<'a> {
    open: MutexGuard<'a, Open>,
    numbers: &'a AtomicU64,
}

impl Decoder<'_> {
    fn frame(&mut self, kind: Kind, encoding: Encoding, body: Bytes) -> Incoming {
        let header = Header {
            sequence: self.numbers.fetch_add(1, Ordering::Relaxed) + 1,
            // When it was sent is not said; it cannot have been later.
            sent: Timestamp::now().0,
            body: body.len() as u64,
            ..Header::new(kind, encoding)
        };
        Incoming { header, extension: Bytes::new(), body }
    }

    /// A line that came to a channel.
    fn take(&mut self, line: &Bytes, members: &Members<'_>) -> Result<Incoming> {
        let (method, id) = (member(members, "method"), member(members, "id"));
        if let (None, Some(id)) = (method, id)
            && let Some(asked) = self.answered(id)
        {
            return self.answer(asked, line, members);
        }
        let kind = if id.is_some() && fault(members).is_none() { Kind::Request } else { Kind::Data };
        let frame = self.frame(kind, Encoding::Json, line.clone());
        if let (Kind::Request, Some(id)) = (kind, id) {
            self.open.owe(frame.header.sequence, id, None);
        }
        Ok(frame)
    }

    /// Which of our requests an answer with this id is for.
    fn answered(&mut self, id: &str) -> Option<u64> {
        let number = match id.parse() {
            Ok(number) => number,
            // Some write every number as a float.
            Err(_) => {
                id.parse::<f64>().ok().filter(|id| id.fract() == 0.0 && (1.0..9e15).contains(id))? as u64
            }
        };
        let at = self.open.asked.iter().position(|asked| *asked == number)?;
        self.open.asked.remove(at)
    }

    fn answer(&mut self, asked: u64, line: &Bytes, members: &Members<'_>) -> Result<Incoming> {
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
        frame.header.correlation = asked;
        Ok(frame)
    }

    /// A line that came to a server.
    fn serve(&mut self, line: &Bytes, text: &str, into: &mut VecDeque<Incoming>) -> Result<()> {
        if let Some(items) = codec::items(text) {
            return self.serve_batch(line, &items, into);
        }
        match codec::members(text) {
            // Whoever gives an id and a method waits for an answer, even if it forgot to say what it speaks.
            Some(members)
                if member(&members, "jsonrpc").is_some()
                    || member(&members, "method").is_some() && member(&members, "id").is_some() =>
            {
                self.serve_one(line, &members, None, into)
            }
            _ => {
                into.push_back(self.frame(Kind::Data, Encoding::Json, line.clone()));
                Ok(())
            }
        }
    }

    fn serve_batch(&mut self, line: &Bytes, items: &[&str], into: &mut VecDeque<Incoming>) -> Result<()> {
        if items.is_empty() {
            let error = Error::new(ErrorKind::Malformed, "a batch holds at least one request");
            into.push_back(self.objection(INVALID_REQUEST, &error, "null", None)?);
            return Ok(());
        }
        if items.len() > LONGEST_BATCH {
            let text = format!(
                "a batch holds at most {LONGEST_BATCH} requests, and this one {}; send several",
                items.len()
            );
            let error = Error::new(ErrorKind::TooLarge, text);
            into.push_back(self.objection(INVALID_REQUEST, &error, "null", None)?);
            return Ok(());
        }
        // Nothing else has the number of its first frame.
        let batch = self.numbers.load(Ordering::Relaxed) + 1;
        for item in items {
            match codec::members(item) {
                Some(members) => self.serve_one(line, &members, Some(batch), into)?,
                None => {
                    let error = Error::new(ErrorKind::Malformed, "a batch holds requests, which are objects");
                    into.push_back(self.objection(INVALID_REQUEST, &error, "null", Some(batch))?);
                }
            }
        }
        Ok(())
    }

    fn serve_one(
        &mut self,
        line: &Bytes,
        members: &Members<'_>,
        batch: Option<u64>,
        into: &mut VecDeque<Incoming>,
    ) -> Result<()> {
        let id = member(members, "id");
        if let Some(error) = fault(members) {
            let is_answer = member(members, "result").is_some() || member(members, "error").is_some();
            if is_answer && member(members, "method").is_none() {
                // An answer to a question that nobody asked: to object to it could go on for ever between two servers.
                return Ok(());
            }
            let id = id.filter(|id| is_id(id)).unwrap_or("null");
            into.push_back(self.objection(INVALID_REQUEST, &error, id, batch)?);
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
            self.owe_in(frame.header.sequence, id, batch);
        }
        let _ = line;
        into.push_back(frame);
        Ok(())
    }

    fn owe_in(&mut self, number: u64, id: &str, batch: Option<u64>) {
        if let Some(of) = batch {
            self.open.batches.entry(of).or_default().left += 1;
        }
        self.open.owe(number, id, batch);
    }

    /// A frame that the server sends back as the answer to itself.
    fn objection(&mut self, code: i64, error: &Error, id: &str, batch: Option<u64>) -> Result<Incoming> {
        let payload = failure::to_payload(&error::objection(code, error))?;
        let frame = self.frame(Kind::Error, payload.encoding(), payload.body().clone());
        self.owe_in(frame.header.sequence, id, batch);
        Ok(frame)
    }
}

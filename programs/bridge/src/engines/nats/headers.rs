//! The headers of a message. Its payload is only the encoded value.
//!
//! | header | content |
//! |---|---|
//! | `Content-Type` | the value's encoding: `application/json`, `application/cbor` |
//! | `Linkspan-Incarnation`, `Linkspan-Sequence`, `Linkspan-Sent` | the message's origin, and nanoseconds since 1970 |
//! | `Linkspan-Kept` | the oldest message that the publisher's bridge can send again |
//! | `Linkspan-Request` | a request's deadline and its id: a map in JSON |
//! | `Linkspan-Ended` | a program withdraws its messages of the subject |
//! | `Nats-Service-Error-Code`, `Nats-Service-Error` | a failure, as in NATS services; its payload is CBOR |

use async_nats::{HeaderMap, HeaderValue, Message};
use linkspan::{Encoding, RemoteFailure};

use crate::engine::{Body, Call, Origin, Sample, encoding_of, failure, failure_bytes, failure_from, mime};

const CONTENT: &str = "Content-Type";
const INCARNATION: &str = "Linkspan-Incarnation";
const SEQUENCE: &str = "Linkspan-Sequence";
const SENT: &str = "Linkspan-Sent";
const KEPT: &str = "Linkspan-Kept";
const REQUEST: &str = "Linkspan-Request";
const ENDED: &str = "Linkspan-Ended";
const ERROR_CODE: &str = "Nats-Service-Error-Code";
const ERROR: &str = "Nats-Service-Error";

const NOTHING: &str = "404";
/// The most characters of a failure's text in a header; the payload has the whole text.
const TEXT: usize = 500;

pub fn of_body(encoding: Encoding) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT, mime(encoding));
    headers
}

pub fn of_call(call: &Call) -> HeaderMap {
    let mut headers = of_body(call.body.encoding);
    if let Some(text) = call.attachment(Encoding::Json).and_then(|json| String::from_utf8(json).ok()) {
        headers.insert(REQUEST, text);
    }
    headers
}

pub fn call(message: &Message) -> Call {
    Call::of(body(message), text(message, REQUEST).map(str::as_bytes), Encoding::Json)
}

pub fn of_sample(sample: &Sample) -> HeaderMap {
    let mut headers = of_body(sample.body.encoding);
    if let Some(origin) = &sample.origin {
        headers.insert(INCARNATION, origin.incarnation.to_string());
        headers.insert(SEQUENCE, origin.sequence.to_string());
        headers.insert(SENT, origin.sent.to_string());
        if let Some(kept) = origin.kept {
            headers.insert(KEPT, kept.to_string());
        }
    }
    headers
}

pub fn of_question(incarnation: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(INCARNATION, incarnation.to_string());
    headers
}

pub fn of_nothing() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ERROR_CODE, NOTHING);
    headers.insert(ERROR, "nothing has been published yet");
    headers
}

/// Returns the headers (for programs without Linkspan) and the payload (for bridges) of a failure.
pub fn of_failure(failure: &RemoteFailure) -> (HeaderMap, Vec<u8>) {
    let mut headers = of_body(Encoding::Cbor);
    headers.insert(ERROR_CODE, failure.code.to_string());
    // A header is one line of printable characters.
    let text = failure.text.chars().map(|c| if (' '..='~').contains(&c) { c } else { ' ' });
    headers.insert(ERROR, text.take(TEXT).collect::<String>());
    (headers, failure_bytes(failure))
}

fn text<'a>(message: &'a Message, key: &str) -> Option<&'a str> {
    message.headers.as_ref()?.get(key).map(HeaderValue::as_str)
}

/// Returns the number in a header; `None` if it is missing or not a number.
fn number<T: std::str::FromStr>(message: &Message, key: &str) -> Option<T> {
    text(message, key)?.parse().ok()
}

/// Returns the incarnation of a query; `None` for any.
pub fn incarnation(message: &Message) -> Option<u64> {
    number(message, INCARNATION)
}

pub fn body(message: &Message) -> Body {
    Body { encoding: encoding_of(text(message, CONTENT)), bytes: message.payload.clone() }
}

/// Returns the published message. Its origin is `None` if a header is missing or invalid.
pub fn sample(name: String, message: &Message) -> Sample {
    let origin = || {
        let (incarnation, sequence) = (number(message, INCARNATION)?, number(message, SEQUENCE)?);
        let (sent, kept) = (number(message, SENT)?, number(message, KEPT));
        (incarnation != 0 && sequence != 0).then_some(Origin { incarnation, sequence, sent, kept })
    };
    Sample { name, origin: origin(), body: body(message) }
}

pub fn is_end(message: &Message) -> bool {
    text(message, ENDED).is_some()
}

/// Returns whether it is the answer "nothing has been published yet".
pub fn is_nothing(message: &Message) -> bool {
    text(message, ERROR_CODE) == Some(NOTHING)
}

/// Returns a request's outcome. A failure without Linkspan has the kind `nats.error` and its headers' code and text.
pub fn reply(message: &Message) -> Result<Body, RemoteFailure> {
    if text(message, ERROR_CODE).is_none() {
        return Ok(body(message));
    }
    Err(failure_from(&message.payload).unwrap_or_else(|| {
        let mut foreign = failure("nats.error", text(message, ERROR).unwrap_or("the service has failed"));
        foreign.code = number(message, ERROR_CODE).unwrap_or(foreign.code);
        foreign
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: HeaderMap, payload: impl Into<bytes::Bytes>) -> Message {
        let (payload, subject) = (payload.into(), "x".into());
        let length = payload.len();
        Message {
            subject,
            reply: None,
            payload,
            headers: Some(headers),
            status: None,
            description: None,
            length,
        }
    }

    #[test]
    fn samples_are_read_as_they_are_written() {
        let origin = Origin { incarnation: u64::MAX, sequence: 7, sent: -5, kept: Some(3) };
        let body = Body { encoding: Encoding::Json, bytes: "[1]".into() };
        let written = Sample { name: "a".into(), origin: Some(origin), body };
        let read = sample("a".into(), &message(of_sample(&written), "[1]"));
        assert_eq!(read, written);
        let none = Sample { origin: Some(Origin { sequence: 0, ..origin }), ..written };
        assert_eq!(sample("a".into(), &message(of_sample(&none), "[1]")).origin, None);
        let foreign = message(HeaderMap::new(), "x");
        assert_eq!(sample("a".into(), &foreign).body.encoding, Encoding::Raw);
        assert!(!is_end(&foreign) && !is_nothing(&foreign) && is_nothing(&message(of_nothing(), "")));
    }

    #[test]
    fn failures_are_read_as_they_are_written() {
        let failed =
            RemoteFailure { code: -7, kind: "a.b".into(), text: "no\nmore ü".into(), data: vec![1, 2] };
        let (headers, payload) = of_failure(&failed);
        assert_eq!(headers.get(ERROR).unwrap().as_str(), "no more  ");
        assert_eq!(reply(&message(headers, payload)), Err(failed));
        let mut headers = HeaderMap::new();
        headers.insert(ERROR_CODE, "500");
        headers.insert(ERROR, "division by zero");
        let foreign = reply(&message(headers, "")).unwrap_err();
        assert_eq!((foreign.code, &*foreign.kind, &*foreign.text), (500, "nats.error", "division by zero"));
    }
}

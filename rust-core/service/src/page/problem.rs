//! Errors as problem details of HTTP (RFC 9457): status, headers, and a body with code, name and text.

use super::MAX_BODY;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::service::Answer;
use crate::value::{Map, Value};

/// An error as an HTTP response.
#[derive(Debug, Clone)]
pub struct Problem(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: u16,
    kind: ErrorKind,
    /// The kind's code, or the code of a service's or server's own error.
    code: i64,
    /// The kind's name, or the name of a service's or server's own error.
    name: String,
    detail: String,
    answer: Option<Value>,
    allow: Option<String>,
}

/// Returns the HTTP status of errors of this kind. Kinds of later versions are 500.
pub fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Malformed | ErrorKind::OutOfRange | ErrorKind::WrongType | ErrorKind::InvalidEndpoint => {
            400
        }
        ErrorKind::PermissionDenied => 403,
        ErrorKind::NotFound | ErrorKind::Missing | ErrorKind::Empty => 404,
        ErrorKind::InvalidState | ErrorKind::AddressInUse | ErrorKind::Cancelled => 409,
        ErrorKind::TooLarge => 413,
        ErrorKind::Unsupported | ErrorKind::SchemaMismatch => 422,
        ErrorKind::Remote | ErrorKind::VersionMismatch => 502,
        ErrorKind::Disconnected
        | ErrorKind::TransportUnavailable
        | ErrorKind::OutOfMemory
        | ErrorKind::Full
        | ErrorKind::Interrupted
        | ErrorKind::Lagged => 503,
        ErrorKind::Timeout | ErrorKind::Stalled => 504,
        ErrorKind::NoSpace => 507,
        _ => 500,
    }
}

impl Problem {
    /// Returns a problem with a status other than its kind's.
    pub fn new(status: u16, kind: ErrorKind, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Details {
            status,
            kind,
            code: i64::from(kind.code()),
            name: kind.name().to_owned(),
            detail: detail.into(),
            answer: None,
            allow: None,
        }))
    }

    /// Returns the error of another program: its code, name and text, with the status of this kind.
    pub fn remote(kind: ErrorKind, failure: &RemoteFailure) -> Problem {
        let mut problem = Problem::new(status(kind), kind, failure.text.clone());
        problem.0.code = failure.code;
        problem.0.name.clone_from(&failure.kind);
        problem
    }

    /// Returns the problem of an unreachable controller: always 503, because a later request may succeed.
    pub fn unreachable(error: &Error) -> Problem {
        Problem::new(503, error.kind(), error.text())
    }

    /// Returns the problem of a body above [`MAX_BODY`](super::MAX_BODY) bytes, which is not read.
    pub fn body_too_long() -> Problem {
        Problem::new(413, ErrorKind::TooLarge, format!("the body of a request has at most {MAX_BODY} bytes"))
    }

    /// Returns the problem of a refused method; `allow` lists the accepted methods, separated by commas.
    pub fn method(allow: &str) -> Problem {
        let detail = format!("this address accepts only the method {allow}");
        let mut problem = Problem::new(405, ErrorKind::Unsupported, detail);
        problem.0.allow = Some(allow.to_owned());
        problem
    }

    /// Returns the problem of an answer Failed or Rejected, with the answer in its body; `None` for others.
    pub fn of_answer(answer: &Answer) -> Option<Problem> {
        let error = answer.clone().into_result().err()?;
        let mut problem = Problem::from(&error);
        problem.0.answer = Some(answer.to_value());
        Some(problem)
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the text of the error.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the headers of this response besides [`super::SECURITY_HEADERS`].
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![("content-type", "application/problem+json")];
        if let Some(allow) = &self.0.allow {
            headers.push(("allow", allow));
        }
        match self.0.status {
            401 => headers.push(("www-authenticate", "Bearer realm=\"linkspan\"")),
            503 => headers.push(("retry-after", "1")),
            _ => {}
        }
        headers
    }

    /// Returns the members of RFC 9457, the error's code and name, and a service's `answer`.
    pub fn to_value(&self) -> Value {
        let details = &*self.0;
        let mut map = Map::new();
        map.insert("type".into(), format!("urn:linkspan:error:{}", details.kind.name()).into());
        map.insert("title".into(), details.kind.meaning().into());
        map.insert("status".into(), u64::from(details.status).into());
        map.insert("detail".into(), details.detail.as_str().into());
        map.insert("code".into(), details.code.into());
        map.insert("kind".into(), details.name.as_str().into());
        if let Some(answer) = &details.answer {
            map.insert("answer".into(), answer.clone());
        }
        Value::Map(map)
    }

    /// Returns the body, in JSON.
    ///
    /// # Errors
    ///
    /// Those of [`codec::encode`].
    pub fn body(&self) -> Result<Vec<u8>> {
        codec::encode(&self.to_value(), Encoding::Json)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Problem {
        match error.remote_failure() {
            Some(failure) => Problem::remote(error.kind(), failure),
            None => Problem::new(status(error.kind()), error.kind(), error.text()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::from(&error)
    }
}

//! Errors as RFC 9457 tells them: a status for HTTP, and in the body our own number, name and text.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use linkspan::{Answer, Encoding, Error, ErrorKind, Map, Value, codec};

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub struct Problem(Box<Told>);

/// What is told of it.
#[derive(Debug)]
struct Told {
    status: StatusCode,
    kind: ErrorKind,
    /// Where the other side's own error is none of ours.
    code: i64,
    name: String,
    detail: String,
    answer: Option<Value>,
    allow: Option<&'static str>,
}

/// The status of an error.
pub fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Malformed | ErrorKind::OutOfRange | ErrorKind::WrongType | ErrorKind::InvalidEndpoint => {
            StatusCode::BAD_REQUEST
        }
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound | ErrorKind::Missing | ErrorKind::Empty => StatusCode::NOT_FOUND,
        ErrorKind::InvalidState | ErrorKind::AddressInUse | ErrorKind::Cancelled => StatusCode::CONFLICT,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unsupported | ErrorKind::SchemaMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Remote | ErrorKind::VersionMismatch => StatusCode::BAD_GATEWAY,
        ErrorKind::Disconnected
        | ErrorKind::TransportUnavailable
        | ErrorKind::OutOfMemory
        | ErrorKind::Full
        | ErrorKind::Interrupted
        | ErrorKind::Lagged => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout | ErrorKind::Stalled => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        // Corrupt and Internal; one that a later version adds is not the asker's fault either.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// A problem with a status of HTTP's own.
    pub fn new(status: StatusCode, kind: ErrorKind, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Told {
            status,
            kind,
            code: i64::from(kind.code()),
            name: kind.name().to_owned(),
            detail: detail.into(),
            answer: None,
            allow: None,
        }))
    }

    /// The controller cannot be asked: whatever the reason, the page's server is not to blame, and later it may go.
    pub fn controller_is_away(error: &Error) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.kind(), error.text())
    }

    /// Another method would do.
    pub fn method(allow: &'static str) -> Problem {
        let detail = format!("this address takes {allow} alone");
        let mut problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::Unsupported, detail);
        problem.0.allow = Some(allow);
        problem
    }

    /// What a service refused or could not do; the answer goes with it. None where it was done.
    pub fn of_answer(answer: &Answer) -> Option<Problem> {
        let error = answer.clone().into_result().err()?;
        let mut problem = Problem::from(error);
        problem.0.answer = Some(answer.to_value());
        Some(problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let mut problem = Problem::new(status(error.kind()), error.kind(), error.text());
        if let Some(failure) = error.remote_failure() {
            problem.0.code = failure.code;
            problem.0.name = failure.kind.clone();
            problem.0.detail = failure.text.clone();
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let told = *self.0;
        let mut map = Map::new();
        map.insert("type".into(), format!("urn:linkspan:error:{}", told.kind.name()).into());
        map.insert("title".into(), told.kind.meaning().into());
        map.insert("status".into(), u64::from(told.status.as_u16()).into());
        map.insert("detail".into(), told.detail.into());
        map.insert("code".into(), told.code.into());
        map.insert("kind".into(), told.name.into());
        if let Some(answer) = told.answer {
            map.insert("answer".into(), answer);
        }
        let mut response = json(told.status, &Value::Map(map));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = told.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if told.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"linkspan\""));
        }
        if told.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A value as the body of an answer.
pub fn json(status: StatusCode, value: &Value) -> Response {
    match codec::encode(value, Encoding::Json) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], Body::from(text)).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use linkspan::RemoteFailure;

    use super::*;

    #[test]
    fn every_kind_is_an_error_of_http() {
        for kind in ErrorKind::ALL {
            let status = status(*kind);
            assert!(status.is_client_error() || status.is_server_error(), "{kind}: {status}");
        }
    }

    #[test]
    fn a_services_own_error_keeps_its_number_and_name() {
        let failure =
            RemoteFailure { code: 7, kind: "MeterError".into(), text: "no meter".into(), data: Vec::new() };
        let Problem(problem) = Problem::from(Error::remote(failure));
        assert_eq!((problem.status, problem.code), (StatusCode::BAD_GATEWAY, 7));
        assert_eq!((problem.name.as_str(), problem.detail.as_str()), ("MeterError", "no meter"));
    }
}

//! The page's errors and values as responses of axum; the core decides the HTTP status of an error.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use linkspan::{Encoding, Error, ErrorKind, Value, codec, page};

#[derive(Debug)]
pub struct Problem(page::Problem);

impl Problem {
    /// Returns a problem with a different status than its kind usually has.
    pub fn new(status: StatusCode, kind: ErrorKind, detail: impl Into<String>) -> Problem {
        Problem(page::Problem::new(status.as_u16(), kind, detail))
    }

    pub fn unreachable(error: &Error) -> Problem {
        Problem(page::Problem::unreachable(error))
    }

    pub fn method(allow: &'static str) -> Problem {
        Problem(page::Problem::method(allow))
    }
}

impl<E: Into<page::Problem>> From<E> for Problem {
    fn from(error: E) -> Problem {
        Problem(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = match self.0.body() {
            Ok(body) => body,
            // A service's answer that is longer than a message may be: the problem is sent without it.
            Err(error) => return Problem::from(error).into_response(),
        };
        let mut response = (status(self.0.status()), Body::from(body)).into_response();
        for (name, value) in self.0.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

pub fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub fn json(status: StatusCode, value: &Value) -> Response {
    match codec::encode(value, Encoding::Json) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], Body::from(text)).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

//! Access to the page: the core's rules, applied to axum's requests of every path.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{self, AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use linkspan::ErrorKind;
use linkspan::page::{Origin, RequestHead, SECURITY_HEADERS, Token, bearer, wrong_token};

use super::connections::Connection;
use super::problem::Problem;
use super::rights::Rights;

pub struct Access {
    pub origin: Origin,
    pub token: Token,
    pub reading: Option<Token>,
}

impl Access {
    fn check_origin(&self, request: &Request) -> Result<(), Problem> {
        let header = |name: HeaderName| single_header(request.headers(), &name);
        let head = RequestHead {
            method: request.method().as_str(),
            path: request.uri().path(),
            authority: request.uri().authority().map(|authority| authority.as_str()),
            is_https: false,
            // The listener accepts only loopback addresses by default.
            peer: None,
            host: header(HOST)?,
            origin: header(ORIGIN)?,
            fetch_site: header(HeaderName::from_static("sec-fetch-site"))?,
            fetch_mode: header(HeaderName::from_static("sec-fetch-mode"))?,
            fetch_dest: header(HeaderName::from_static("sec-fetch-dest"))?,
        };
        Ok(self.origin.check(&head)?)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<Rights, Problem> {
        let shown = bearer(single_header(headers, &AUTHORIZATION)?.map(str::as_bytes))?;
        // Both are compared, so the time is independent of the result.
        let reads = self.reading.as_ref().is_some_and(|reading| reading.is(shown));
        match (self.token.is(shown), reads) {
            (true, _) => Ok(Rights::Command),
            (false, true) => Ok(Rights::Read),
            (false, false) => Err(wrong_token().into()),
        }
    }
}

/// A header, once at most and as text.
fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(name).iter();
    let malformed = || {
        let text = format!("the header {name} has to come once, in ASCII");
        Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, text)
    };
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}

/// Admits the operator's own browser or program, and adds headers to the response.
pub async fn require_own_page(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let mut response = match access.check_origin(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Admits requests with the token. The connection then counts as the owner's.
pub async fn require_token(
    State(access): State<Arc<Access>>,
    connection: Option<Extension<Arc<Connection>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = access.check_token(request.headers()).and_then(|rights| {
        if rights == Rights::Read && !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(reads_only());
        }
        if let Some(Extension(connection)) = connection {
            connection.authorise(rights)?;
        }
        Ok(rights)
    });
    match admitted {
        Ok(rights) => {
            request.extensions_mut().insert(rights);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Admits requests with the token for commands. A request without known rights is refused.
pub async fn require_command(request: Request, next: Next) -> Response {
    match request.extensions().get::<Rights>() {
        Some(Rights::Command) => next.run(request).await,
        Some(Rights::Read) | None => reads_only().into_response(),
    }
}

fn reads_only() -> Problem {
    let text = "this token only reads: send commands with the token of `linkspan service page`";
    Problem::new(StatusCode::FORBIDDEN, ErrorKind::PermissionDenied, text)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn header_that_comes_twice_is_refused() {
        let origin = Origin { port: 8017, ..Origin::default() };
        let access = Access { origin, token: Token::draw().unwrap(), reading: None };
        let checked = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().method("POST").uri("/api/services/power/commands");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).unwrap();
            access.check_origin(&request).map_err(|problem| problem.into_response().status())
        };
        let host = ("host", "127.0.0.1:8017");
        assert_eq!(checked(&[host]), Ok(()));
        assert_eq!(checked(&[host, ("host", "evil.example")]), Err(StatusCode::BAD_REQUEST));
        assert_eq!(checked(&[host, ("origin", "http://evil.example")]), Err(StatusCode::FORBIDDEN));
        assert_eq!(checked(&[("host", "evil.example:8017")]), Err(StatusCode::MISDIRECTED_REQUEST));
    }
}

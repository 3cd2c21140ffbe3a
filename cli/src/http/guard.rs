//! Who is let in, and what every answer says to the browser about itself. Neither check reads the address of what is asked for
//! to find out whether it applies: the router puts the one before all routes, the other before all but the page's files.
//!
//! A page of somebody else's that runs in the operator's browser reaches loopback too. It cannot read our token, but it could
//! send requests (cross-site), or have its own name resolve to this machine (DNS rebinding) and then read what comes back. And
//! every other user of this machine reaches loopback. So: the name that the browser thinks it talks to has to be ours, a request
//! that another page made is refused, and what is asked for needs the token, reading as well as commands.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{
    self, AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use linkspan::ErrorKind;

use super::connections::Connection;
use super::problem::Problem;
use super::rights::Rights;
use super::token::Token;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// What is known of those who may come in.
pub struct Access {
    /// The port that we listen at.
    pub port: u16,
    /// Whether other machines may come, by this machine's numbers.
    pub remote: bool,
    /// What a request to the interface has to carry.
    pub token: Token,
    /// What it may carry instead, to read and to command nothing.
    pub reading: Option<Token>,
}

impl Access {
    /// Whether a browser that uses this authority means us. A number cannot be made to resolve to something else; of the
    /// names only `localhost` is never asked of anybody's name server.
    fn is_ours(&self, authority: &str) -> bool {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (host, port.parse().ok())
            }
            _ => (authority, Some(80)),
        };
        if port != Some(self.port) {
            return false;
        }
        let number = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner.parse().ok().map(IpAddr::V6),
            None => host.parse().ok().map(IpAddr::V4),
        };
        match number {
            Some(number) => self.remote || number.is_loopback(),
            None => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Refuses what is not meant for us, or was made by somebody else's page.
    fn check_origin(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        let host = the_only(headers, &HOST)?.ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, "the request has no Host header")
        })?;
        let target = request.uri().authority().map_or(host, |authority| authority.as_str());
        if !self.is_ours(host) || !self.is_ours(target) {
            let text = format!(
                "{host:?} is no name of this page: open it by the address that `linkspan controller --http` printed"
            );
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, ErrorKind::PermissionDenied, text));
        }
        if let Some(origin) = the_only(headers, &ORIGIN)? {
            let ours = origin.strip_prefix("http://").is_some_and(|it| it.eq_ignore_ascii_case(host));
            if !ours {
                return Err(foreign(&format!("it comes from a page of {origin}")));
            }
        }
        let fetched = |name| the_only(headers, &HeaderName::from_static(name));
        match fetched("sec-fetch-site")? {
            None | Some("same-origin" | "none") => Ok(()),
            // A link on another page may lead here: the page itself holds nothing and does nothing by being opened.
            Some(_)
                if request.method() == Method::GET
                    && request.uri().path() == "/"
                    && fetched("sec-fetch-mode")? == Some("navigate")
                    && fetched("sec-fetch-dest")? == Some("document") =>
            {
                Ok(())
            }
            Some(site) => Err(foreign(&format!("the browser calls it {site}"))),
        }
    }

    /// What the token of a request opens; refuses who knows none.
    fn check_token(&self, headers: &HeaderMap) -> Result<Rights, Problem> {
        let said = the_only(headers, &AUTHORIZATION)?.map(str::as_bytes);
        let token = said.and_then(|said| said.strip_prefix(b"Bearer "));
        if let Some(token) = token {
            // Both are compared: how long it takes tells nothing.
            let reads = self.reading.as_ref().is_some_and(|reading| reading.is(token));
            if self.token.is(token) {
                return Ok(Rights::Command);
            }
            if reads {
                return Ok(Rights::Read);
            }
        }
        let text = match token {
            None => {
                "the request has no token: send Authorization: Bearer, with what follows #token= in the address"
            }
            Some(_) => {
                "the token is not the one of this start of the controller, which has a new one each time unless --http-token keeps it"
            }
        };
        let text = format!("{text}; `linkspan controller --http` prints the address when it starts");
        Err(Problem::new(StatusCode::UNAUTHORIZED, ErrorKind::PermissionDenied, text))
    }
}

fn foreign(why: &str) -> Problem {
    let text = format!("another page's requests are not answered: {why}");
    Problem::new(StatusCode::FORBIDDEN, ErrorKind::PermissionDenied, text)
}

/// A header that may come once at most, and as text.
fn the_only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(name).iter();
    let wrong = || {
        let text = format!("the header {name} has to come once, in ASCII");
        Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, text)
    };
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong()),
        (Some(_), Some(_)) => Err(wrong()),
    }
}

/// Lets through what the operator's own browser or program asks for, and marks the answer.
pub async fn require_own_page(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let mut response = match access.check_origin(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets through what comes with the token. Its connection is one of the owner's from then on.
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

/// Lets through what comes with the token that commands. Who is not known to have it, has it not.
pub async fn require_command(request: Request, next: Next) -> Response {
    match request.extensions().get::<Rights>() {
        Some(Rights::Command) => next.run(request).await,
        Some(Rights::Read) | None => reads_only().into_response(),
    }
}

fn reads_only() -> Problem {
    let text = "this token reads, and commands nothing: ask with the token of `linkspan service page`";
    Problem::new(StatusCode::FORBIDDEN, ErrorKind::PermissionDenied, text)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn access(remote: bool) -> Access {
        Access { port: 8017, remote, token: Token::draw().unwrap(), reading: None }
    }

    fn asked(headers: &[(&str, &str)]) -> Result<(), StatusCode> {
        let mut request = Request::builder().method("POST").uri("/api/services/power/commands");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        access(false).check_origin(&request).map_err(|problem| problem.into_response().status())
    }

    #[test]
    fn only_names_that_nobody_can_redirect_are_ours() {
        for ours in ["127.0.0.1:8017", "localhost:8017", "LocalHost:8017", "[::1]:8017", "127.0.0.2:8017"] {
            assert!(access(false).is_ours(ours), "{ours}");
        }
        for foreign in [
            "",
            ":8017",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:",
            "evil.example:8017",
            "localhost.evil.example:8017",
            "127.0.0.1.nip.io:8017",
            "192.168.1.7:8017",
            "[::1]",
            "::1:8017",
            "0.0.0.0:8017",
            "localhost:80171",
            "2130706433:8017",
            "user@127.0.0.1:8017",
            "127.1:8017",
            "localhost:8017:8017",
        ] {
            assert!(!access(false).is_ours(foreign), "{foreign}");
        }
        assert!(access(true).is_ours("192.168.1.7:8017") && !access(true).is_ours("evil.example:8017"));
    }

    #[test]
    fn requests_of_other_pages_are_refused() {
        let host = ("host", "127.0.0.1:8017");
        assert_eq!(asked(&[host]), Ok(()));
        assert_eq!(
            asked(&[host, ("origin", "http://127.0.0.1:8017"), ("sec-fetch-site", "same-origin")]),
            Ok(())
        );
        let denied = |status| Err::<(), _>(status);
        for origin in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:8017",
            "http://127.0.0.1:3000",
            "http://localhost:8017",
        ] {
            assert_eq!(asked(&[host, ("origin", origin)]), denied(StatusCode::FORBIDDEN), "{origin}");
        }
        for site in ["cross-site", "same-site", "whatever"] {
            assert_eq!(asked(&[host, ("sec-fetch-site", site)]), denied(StatusCode::FORBIDDEN), "{site}");
        }
        assert_eq!(asked(&[("host", "evil.example:8017")]), denied(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(asked(&[]), denied(StatusCode::BAD_REQUEST));
        assert_eq!(asked(&[host, ("host", "evil.example")]), denied(StatusCode::BAD_REQUEST));
    }
}

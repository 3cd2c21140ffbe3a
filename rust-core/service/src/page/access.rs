//! Access to the page: the origin of a request, its token, and the headers that restrict the page.
//!
//! Another site's page in the operator's browser can send requests to a server at loopback (cross-site request
//! forgery). It can also let its own name resolve to this machine and read the responses (DNS rebinding). Every user of
//! the machine can connect. Requests must therefore use the server's own name, requests of other pages are refused, and
//! every request of data needs the token.

use std::net::IpAddr;

use super::problem::Problem;
use crate::error::{ErrorKind, quoted};

/// The headers of every response.
///
/// The page loads nothing from elsewhere, runs nothing inline, and is in no frame. `cache-control` is separate:
/// responses are `no-store`, but the page's files are `no-cache` with an entity tag.
pub const SECURITY_HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// The part of a request that a web server has before it reads the body.
///
/// A missing header is `None`. A web server refuses a repeated header itself.
#[derive(Debug, Default, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// The path without the query, as it was sent.
    pub path: &'a str,
    /// The authority of a target in absolute form; it is checked along with `Host`.
    pub authority: Option<&'a str>,
    /// Whether the browser uses TLS with the server.
    pub is_https: bool,
    /// The address of the other end, if the listener accepts more than loopback.
    pub peer: Option<IpAddr>,
    /// `Host`
    pub host: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`
    pub fetch_site: Option<&'a str>,
    /// `Sec-Fetch-Mode`
    pub fetch_mode: Option<&'a str>,
    /// `Sec-Fetch-Dest`
    pub fetch_dest: Option<&'a str>,
}

/// The names of the page.
#[derive(Debug, Default, Clone)]
pub struct Origin {
    /// The port of the listener.
    pub port: u16,
    /// Whether other machines may connect, by an IP address of this machine.
    pub remote: bool,
    /// Authorities that the operator names, such as `lab.example` or `lab.example:8443`.
    ///
    /// If any is named, requests may come from anywhere, through a proxy.
    pub hosts: Vec<String>,
}

impl Origin {
    /// Returns whether the page has this authority.
    ///
    /// An IP address cannot resolve to another address, and browsers query no name server for `localhost`.
    pub fn has(&self, authority: &str) -> bool {
        if self.hosts.iter().any(|host| !host.is_empty() && host.eq_ignore_ascii_case(authority)) {
            return true;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (host, port.parse().ok())
            }
            _ => (authority, Some(80)),
        };
        if port != Some(self.port) {
            return false;
        }
        let address = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner.parse().ok().map(IpAddr::V6),
            None => host.parse().ok().map(IpAddr::V4),
        };
        match address {
            Some(address) => self.remote || address.is_loopback(),
            None => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Refuses a request for another name, or by another site's page.
    ///
    /// # Errors
    ///
    /// 400 without `Host`, 421 for a foreign name, 403 for a request of another page or another machine.
    pub fn check(&self, request: &RequestHead) -> Result<(), Problem> {
        let Some(host) = request.host.filter(|host| !host.is_empty()) else {
            return Err(Problem::new(400, ErrorKind::Malformed, "the request has no Host header"));
        };
        if !self.has(host) || !request.authority.is_none_or(|authority| self.has(authority)) {
            let text = format!(
                "{} is not a valid name of this page: open it by the address that its server printed when it started",
                quoted(host)
            );
            return Err(Problem::new(421, ErrorKind::PermissionDenied, text));
        }
        if !self.remote && self.hosts.is_empty() && request.peer.is_some_and(|peer| !peer.is_loopback()) {
            let text = "this page is for this machine only; from another machine use ssh -L, or have the operator name the host";
            return Err(Problem::new(403, ErrorKind::PermissionDenied, text));
        }
        let scheme = if request.is_https { "https://" } else { "http://" };
        if let Some(origin) = request.origin
            && !origin.strip_prefix(scheme).is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        {
            return Err(cross_site(&format!("its Origin is {}", quoted(origin))));
        }
        match request.fetch_site {
            None | Some("same-origin" | "none") => Ok(()),
            // A link on another page may lead here: the page itself contains no data, and opening it changes nothing.
            Some(_)
                if request.method == "GET"
                    && request.path == "/"
                    && request.fetch_mode == Some("navigate")
                    && request.fetch_dest == Some("document") =>
            {
                Ok(())
            }
            Some(site) => Err(cross_site(&format!("its Sec-Fetch-Site is {}", quoted(site)))),
        }
    }
}

fn cross_site(why: &str) -> Problem {
    let text = format!("requests of another site's page are refused: {why}");
    Problem::new(403, ErrorKind::PermissionDenied, text)
}

/// Returns the token in an `Authorization` header.
///
/// # Errors
///
/// 401 without a token.
pub fn bearer(authorization: Option<&[u8]>) -> Result<&[u8], Problem> {
    // The name of a scheme is case-insensitive (RFC 9110).
    let scheme = b"Bearer ";
    let split = authorization.and_then(|header| header.split_at_checked(scheme.len()));
    split.filter(|(named, _)| named.eq_ignore_ascii_case(scheme)).map(|(_, token)| token).ok_or_else(|| {
        let text = "the request has no token: send it as `Authorization: Bearer TOKEN`; TOKEN follows #token= in the address that the \
                    page's server printed when it started";
        Problem::new(401, ErrorKind::PermissionDenied, text)
    })
}

/// Returns the problem of a request with a wrong token.
pub fn wrong_token() -> Problem {
    let text = "the token is not the one of this start of the page's server; the server draws a new one at each start, unless it keeps \
                one in a file, and prints the address with it";
    Problem::new(401, ErrorKind::PermissionDenied, text)
}

/// Checks that a body is JSON. Another site's page can send text and forms, but never this type.
///
/// # Errors
///
/// 415 for another type, and for a compressed body.
pub fn check_content(content_type: &str, is_encoded: bool) -> Result<(), Problem> {
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") && !is_encoded {
        return Ok(());
    }
    let text = format!(
        "a command is sent as application/json and not compressed; the type of this one is {}{}",
        quoted(content_type),
        if is_encoded { ", compressed" } else { "" }
    );
    Err(Problem::new(415, ErrorKind::Unsupported, text))
}

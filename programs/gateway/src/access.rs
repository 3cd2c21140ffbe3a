//! Access checks of a request: its host name, the origin of its page, and its token.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use linkspan::page::{self, Origin, Peer, RequestHead, bearer};
use linkspan::{Encoding, Error, ErrorKind, Value, codec, quoted};
use percent_encoding::percent_decode_str;
use tokio::sync::watch;

use crate::catalogue::Catalogue;
use crate::clients::Clients;
use crate::feed::Feeds;
use crate::names::Name;
use crate::opening::Opening;
use crate::part::Part;
use crate::places::{Place, Places, Shares};
use crate::requests::{HttpPublishers, Listing};
use crate::rights::{Right, Rights};
use crate::room::Room;
use crate::shown::without_paths;
use crate::status::{Counters, add};
use crate::tokens::Tokens;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The most messages per second of one name in a subscription to newest messages.
    pub name_rate: f64,
    pub max_message_size: usize,
    pub ping: std::time::Duration,
    pub origins: Vec<String>,
    /// Whether a proxy forwards the connections and reports the client's address.
    pub behind_proxy: bool,
    pub is_tls: bool,
}

pub struct Gateway {
    pub settings: Settings,
    pub origin: Origin,
    pub tokens: Tokens,
    pub places: Arc<Places>,
    pub feeds: Arc<Feeds>,
    pub listing: Arc<Listing>,
    pub http_publishers: HttpPublishers,
    pub counters: Arc<Counters>,
    pub paused: watch::Receiver<bool>,
    pub stop: watch::Receiver<bool>,
    /// Concurrent calls and look-ups of all clients.
    pub waiting: Arc<Shares>,
    pub room: Arc<Room>,
    /// Names that clients publish and serve. Each served name has a thread.
    pub publishing: Arc<Shares>,
    pub serving: Arc<Shares>,
    /// Connections over WebSocket, and event streams.
    pub sessions: AtomicUsize,
    pub machine: String,
    pub viewers: Arc<Catalogue>,
    pub recording: Vec<Part>,
    pub opening: Opening,
    pub clients: Arc<Clients>,
    /// The origin of the last refused page, until it is logged.
    pub refused_origin: Mutex<Option<String>>,
}

#[derive(Debug)]
pub struct Problem(page::Problem);

impl<E: Into<page::Problem>> From<E> for Problem {
    fn from(error: E) -> Problem {
        let problem = error.into();
        let text = without_paths(problem.detail());
        match text == problem.detail() {
            true => Problem(problem),
            false => Problem(page::Problem::new(problem.status(), problem.kind(), text)),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Body::from(self.0.body().unwrap_or_default())).into_response();
        let headers = response.headers_mut();
        for (name, value) in self.0.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(HeaderName::from_static("retry-after"), HeaderValue::from_static("60"));
        }
        response
    }
}

pub fn json(value: &Value) -> Response {
    match codec::encode(value, Encoding::Json) {
        Ok(text) => ([("content-type", "application/json")], Body::from(text)).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Returns a header as text, and refuses a repeated one.
fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(name).iter();
    let malformed = || {
        let text = format!("the header {name} has to come once, in ASCII");
        Problem::from(page::Problem::new(400, ErrorKind::Malformed, text))
    };
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}

/// Returns a query parameter, decoded.
///
/// # Errors
/// `Malformed` if it is not UTF-8 or is repeated.
pub fn parameter(uri: &Uri, name: &str) -> Result<Option<String>, Error> {
    let mut pairs =
        uri.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let Some((_, value)) = pairs.find(|(key, _)| *key == name) else { return Ok(None) };
    if pairs.any(|(key, _)| key == name) {
        // A proxy might use the other one.
        let text = format!("the parameter {name} of the address comes once");
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    let decoded = percent_decode_str(&value.replace('+', " ")).decode_utf8().map(|text| text.into_owned());
    decoded.map(Some).map_err(|_| {
        Error::new(ErrorKind::Malformed, format!("the parameter {name} of the address is no text in UTF-8"))
    })
}

/// Returns a query parameter as a number.
///
/// # Errors
/// `Malformed` if it is not a finite number.
pub fn number(uri: &Uri, name: &str) -> Result<Option<f64>, Error> {
    let Some(text) = parameter(uri, name)? else { return Ok(None) };
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(Some).ok_or_else(|| {
        let text = format!("the parameter {name} of the address is {}, which is no number", quoted(&text));
        Error::new(ErrorKind::Malformed, text)
    })
}

pub struct Admitted(pub Arc<Rights>);

impl FromRequestParts<Arc<Gateway>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Admitted, Problem> {
        let place = parts.extensions.get::<Arc<Place>>().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the request came over a connection that has no place")
        })?;
        gateway.admit_request(parts, place).map(Admitted)
    }
}

impl Gateway {
    /// Refuses a request for another host or from a page of another origin.
    ///
    /// # Errors
    /// 400, 403 and 421, as the controller's page returns.
    pub fn check_origin<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let headers = request.headers();
        let header = |name: HeaderName| single_header(headers, &name);
        let origin = header(ORIGIN)?;
        // `--origin` allows this page. Its Host is still checked, as for every request.
        let is_named = origin.is_some_and(|origin| self.is_named(origin.as_bytes()));
        // For a host from `--origin`, the page's whole origin must match, including the scheme. The proxy may have
        // the certificate while the gateway has none.
        if let (Some(origin), Some(host), false) = (origin, header(HOST)?, is_named)
            && self.origin.hosts.iter().any(|named| named.eq_ignore_ascii_case(host))
        {
            self.note_refused(Some(origin));
            let text = format!(
                "requests of another site's page are refused: its Origin is {}, and --origin names {}",
                quoted(origin),
                self.settings.origins.join(", ")
            );
            return Err(page::Problem::new(403, ErrorKind::PermissionDenied, text).into());
        }
        let fetched = |name| if is_named { Ok(None) } else { header(HeaderName::from_static(name)) };
        let head = RequestHead {
            method: request.method().as_str(),
            path: request.uri().path(),
            authority: request.uri().authority().map(|authority| authority.as_str()),
            is_https: self.settings.is_tls,
            // The listener checked its own address at the start.
            peer: None,
            host: header(HOST)?,
            origin: origin.filter(|_| !is_named),
            fetch_site: fetched("sec-fetch-site")?,
            fetch_mode: fetched("sec-fetch-mode")?,
            fetch_dest: fetched("sec-fetch-dest")?,
        };
        self.origin.check(&head).map_err(|problem| {
            self.note_refused(origin.filter(|_| !is_named));
            Problem::from(problem)
        })
    }

    pub fn is_named(&self, origin: &[u8]) -> bool {
        self.settings.origins.iter().any(|named| named.as_bytes().eq_ignore_ascii_case(origin))
    }

    fn note_refused(&self, origin: Option<&str>) {
        add(&self.counters.other_origins, 1);
        let origin = origin.map(|origin| quoted(&origin.chars().take(256).collect::<String>()).to_string());
        if origin.is_some() {
            *self.refused_origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
        }
    }

    /// Returns the peer of a connection: with a proxy, the address that the proxy reports.
    pub fn peer(&self, place: &Place, headers: &HeaderMap) -> Peer {
        let seen = HeaderName::from_static("x-forwarded-for");
        let last = headers.get_all(seen).iter().next_back().and_then(|value| value.to_str().ok());
        let address: Option<IpAddr> = last.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
        match address.filter(|_| self.settings.behind_proxy) {
            Some(address) => Peer::at(address),
            None => place.peer,
        }
    }

    /// Returns the rights of a token and marks its connection as authorized.
    ///
    /// # Errors
    /// 401 for a wrong token, 429 after many wrong tokens, 503 if too many connections are open.
    pub fn admit(&self, shown: &[u8], place: &Place, peer: Peer) -> Result<Arc<Rights>, page::Problem> {
        self.places.check_attempts(peer)?;
        let found = self.tokens.rights(shown).or_else(|| {
            // Reads the file again for a token that was just added; another request may have done so. The main
            // thread reports an unreadable file.
            let _ = self.tokens.read_again(false);
            self.tokens.rights(shown)
        });
        let Some(rights) = found else {
            self.places.wrong_token(peer);
            add(&self.counters.wrong_tokens, 1);
            let text = "the token is none that the gateway knows, or it has expired; `linkspan gateway token add NAME --read PATTERN` makes one, and the gateway prints another one when it starts";
            return Err(page::Problem::new(401, ErrorKind::PermissionDenied, text));
        };
        place.authorise(&rights.name)?;
        Ok(rights)
    }

    /// Returns the rights of a request over HTTP, from its header or its address.
    ///
    /// # Errors
    /// As [`Gateway::admit`].
    pub fn admit_request(&self, request: &Parts, place: &Place) -> Result<Arc<Rights>, Problem> {
        let peer = self.peer(place, &request.headers);
        if let Some(header) = single_header(&request.headers, &AUTHORIZATION)? {
            return Ok(self.admit(bearer(Some(header.as_bytes()))?, place, peer)?);
        }
        match parameter(&request.uri, "token")? {
            // Addresses appear in logs and histories, so a token in an address only allows reading.
            Some(token) => {
                let rights = self.admit(token.as_bytes(), place, peer)?.reading();
                if request.method == Method::POST {
                    add(&self.counters.refused, 1);
                    let text = "a token in an address only reads, whatever else it allows: to call and to publish, send it as the header `Authorization: Bearer TOKEN`";
                    return Err(page::Problem::new(403, ErrorKind::PermissionDenied, text).into());
                }
                rights.check_reads().inspect_err(|_| add(&self.counters.refused, 1))?;
                Ok(Arc::new(rights))
            }
            None => {
                let text = "the request has no token: send it as `Authorization: Bearer TOKEN`, or, to read alone, as ?token=TOKEN";
                Err(page::Problem::new(401, ErrorKind::PermissionDenied, text).into())
            }
        }
    }

    /// Reads a name and checks that the token allows it and that the gateway runs.
    ///
    /// # Errors
    /// `InvalidEndpoint`, `PermissionDenied`, `InvalidState`.
    pub fn check(&self, rights: &Rights, right: Right, text: &str) -> linkspan::Result<Name> {
        let name = Name::parse(text, false)?;
        rights.check(right, &name).inspect_err(|_| add(&self.counters.refused, 1))?;
        if *self.paused.borrow() {
            let text =
                format!("the gateway is paused, so {} is not reached; try again when it runs", quoted(text));
            return Err(Error::new(ErrorKind::InvalidState, text).with_retryable(true));
        }
        Ok(name)
    }

    pub fn numbers(&self) -> Vec<(&'static str, &'static str, u64)> {
        let (feeds, names, held) = self.feeds.count();
        let (tokens, expired) = self.tokens.count();
        let of = |counter: &AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        vec![
            ("feeds", "Names and patterns that are followed for clients", feeds as u64),
            ("names", "Names that are received from for clients", names as u64),
            ("held_bytes", "Bytes of messages that are held for clients", held),
            ("room_bytes", "Bytes that clients make the gateway hold", self.room.count()),
            ("received", "Messages that were received for clients", of(&self.feeds.received)),
            ("dropped", "Messages that are held no more", of(&self.feeds.dropped)),
            ("tokens", "Tokens", tokens as u64),
            ("tokens_expired", "Tokens that have expired", expired as u64),
            ("http_publishers", "Publishers of requests over HTTP", self.http_publishers.count()),
        ]
    }
}

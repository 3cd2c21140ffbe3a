//! Routes: the page, the WebSocket, and JSON for curl, PHP and LabVIEW.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, FromRequestParts, Path, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH,
    CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, ORIGIN, UPGRADE, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body_util::BodyExt;
use linkspan::page::{self, SECURITY_HEADERS, check_content};
use linkspan::{Encoding, Error, ErrorKind, Value, codec};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::access::{Admitted, Gateway, Problem, json, number, parameter};
use crate::events;
use crate::feed::Key;
use crate::frames::{Format, Written};
use crate::names::Name;
use crate::opening;
use crate::places::{AUTHORISED, Place};
use crate::reading::read;
use crate::recording;
use crate::requests::{self, Withdrawn, call, latest};
use crate::rights::{Right, Rights};
use crate::room::{Holder, Taken};
use crate::session;
use crate::status::{Counted, add};
use crate::subscription::{Choice, Subscription};
use crate::tokens;
use crate::viewers;

/// At the end of the gateway: how long a request may still wait for a program.
const ENDING: Duration = Duration::from_millis(500);
const BODY: Duration = Duration::from_secs(60);
/// The longest part of a response that a connection takes at once, in bytes.
const PART: usize = 64 << 10;
const STREAMS: usize = 1_024;

/// The file that admitted pages of other origins may import. It contains no data.
const CLIENT: &str = "/client.js";
/// The files of the page. They contain no data.
const FILES: [(&str, &str, &str); 14] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    (CLIENT, "text/javascript; charset=utf-8", include_str!("../page/client.js")),
    ("/json.js", "text/javascript; charset=utf-8", include_str!("../page/json.js")),
    ("/names.js", "text/javascript; charset=utf-8", include_str!("../page/names.js")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("../page/page.js")),
    ("/picture.js", "text/javascript; charset=utf-8", include_str!("../page/picture.js")),
    ("/plot.js", "text/javascript; charset=utf-8", include_str!("../page/plot.js")),
    ("/recording.js", "text/javascript; charset=utf-8", include_str!("../page/recording.js")),
    ("/saving.js", "text/javascript; charset=utf-8", include_str!("../page/saving.js")),
    ("/series.js", "text/javascript; charset=utf-8", include_str!("../page/series.js")),
    ("/spectrum.js", "text/javascript; charset=utf-8", include_str!("../page/spectrum.js")),
    ("/values.js", "text/javascript; charset=utf-8", include_str!("../page/values.js")),
    ("/views.js", "text/javascript; charset=utf-8", include_str!("../page/views.js")),
    ("/page.css", "text/css; charset=utf-8", include_str!("../page/page.css")),
];

/// Returns the routes. Every request first passes the origin check.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/linkspan", any(socket))
        .route("/foxglove", any(viewer))
        .route("/api/names", get(names))
        .route("/api/latest/{*name}", get(newest))
        .route("/api/events", get(follow))
        .route("/api/call/{*name}", post(call_name))
        .route("/api/publish/{*name}", post(publish_name))
        .route("/api/recording", get(recording::list))
        .route("/api/recording/{number}", get(recording::file))
        .route("/metrics", get(metrics))
        .route(opening::PATH, get(open));
    for (path, kind, text) in FILES {
        let file = ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text);
        router = match path {
            // Some viewers connect only to "/". Their subprotocol identifies them.
            "/" => router.route(
                path,
                get(async move |State(gateway), Extension(place), request: Request| {
                    if request.headers().contains_key(UPGRADE) {
                        viewer(State(gateway), Extension(place), request).await
                    } else {
                        file.into_response()
                    }
                }),
            ),
            _ => router.route(path, get(async move || file)),
        };
    }
    router
        .fallback(async || {
            Problem::from(page::Problem::new(404, ErrorKind::NotFound, "there is nothing at this address"))
        })
        .method_not_allowed_fallback(async || {
            let text = "this address takes another method; docs/gateway-protocol.md has the addresses";
            Problem::from(page::Problem::new(405, ErrorKind::Unsupported, text))
        })
        .layer(middleware::from_fn_with_state(gateway.clone(), own_origin))
        .with_state(gateway)
}

/// Admits requests of programs, of the page and of `--origin` pages, and adds response headers.
async fn own_origin(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    join_lines(request.headers_mut(), &CONNECTION);
    let origin = request.headers().get(ORIGIN).cloned();
    // With a token, `--origin` pages may use the API. Every admitted page may import the client.
    let is_api = request.uri().path().starts_with("/api/");
    let is_named = is_api && origin.as_ref().is_some_and(|origin| gateway.is_named(origin.as_bytes()));
    let may_read = is_named || request.uri().path() == CLIENT;
    let mut response = match gateway.check_origin(&request) {
        Ok(()) => {
            let is_preflight = is_named
                && request.method() == Method::OPTIONS
                && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
            let mut response =
                if is_preflight { preflight().into_response() } else { next.run(request).await };
            if may_read {
                let allowed = origin.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin));
                let vary = (VARY, HeaderValue::from_static("origin"));
                response.headers_mut().extend(allowed.into_iter().chain([vary]));
            }
            response
        }
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Joins repeated lines of a list header, which RFC 9110 allows.
fn join_lines(headers: &mut HeaderMap, name: &HeaderName) {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b", "[..])) {
        headers.insert(name, joined);
    }
}

fn preflight() -> impl IntoResponse {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, last-event-id"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

async fn socket(
    State(gateway): State<Arc<Gateway>>,
    Extension(place): Extension<Arc<Place>>,
    request: Request,
) -> Response {
    let peer = gateway.peer(&place, request.headers());
    if let Err(problem) = gateway.places.check_attempts(peer) {
        return Problem::from(problem).into_response();
    }
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &gateway).await {
        Ok(upgrade) => upgrade.protocols(Format::ALL.map(|(name, _)| name)),
        Err(_) => {
            let text = "this address takes WebSocket connections; docs/gateway-protocol.md has the protocol";
            return Problem::from(page::Problem::new(426, ErrorKind::Unsupported, text)).into_response();
        }
    };
    let chosen = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    let Some((_, format)) = Format::ALL.into_iter().find(|(name, _)| Some(*name) == chosen) else {
        let text = "the connection asks for none of the subprotocols linkspan.v1.cbor and linkspan.v1.json";
        return Problem::from(page::Problem::new(400, ErrorKind::VersionMismatch, text)).into_response();
    };
    let most = gateway.settings.max_message_size;
    let upgrade =
        upgrade.max_message_size(most).max_frame_size(most).read_buffer_size(4_096).write_buffer_size(4_096);
    upgrade.on_upgrade(move |socket| session::serve(socket, gateway, place, peer, format))
}

/// Serves a viewer, which passes its token in the address.
async fn viewer(
    State(gateway): State<Arc<Gateway>>,
    Extension(place): Extension<Arc<Place>>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    // Without a token, the response reveals nothing about the protocol.
    let rights = match gateway.admit_request(&parts, &place) {
        Ok(rights) => rights,
        Err(problem) => return problem.into_response(),
    };
    if let Err(error) = rights.check_reads() {
        add(&gateway.counters.refused, 1);
        return Problem::from(error).into_response();
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &gateway).await else {
        let text = "this address takes WebSocket connections of viewers: ws://HOST:PORT/?token=TOKEN";
        return Problem::from(page::Problem::new(426, ErrorKind::Unsupported, text)).into_response();
    };
    let upgrade = upgrade.protocols(viewers::SUBPROTOCOLS);
    if upgrade.selected_protocol().is_none() {
        let text =
            "the connection asks for none of the subprotocols foxglove.sdk.v1 and foxglove.websocket.v1";
        return Problem::from(page::Problem::new(400, ErrorKind::VersionMismatch, text)).into_response();
    }
    let upgrade = upgrade
        .max_message_size(viewers::MAX_FRAME)
        .max_frame_size(viewers::MAX_FRAME)
        .read_buffer_size(4_096)
        .write_buffer_size(4_096);
    upgrade.on_upgrade(move |socket| viewers::serve(socket, gateway, rights, place))
}

/// Redirects the browser that this user's gateway started to the page.
async fn open(
    State(gateway): State<Arc<Gateway>>,
    Extension(place): Extension<Arc<Place>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let peer = place.peer;
    gateway.places.check_attempts(peer)?;
    let code = parameter(&uri, "code")?.unwrap_or_default();
    let Some(page) = gateway.opening.page(code.as_bytes(), peer) else {
        gateway.places.wrong_token(peer);
        add(&gateway.counters.wrong_tokens, 1);
        let text = "this address leads to the page once, within two minutes of the start, and only for the user who started the program; open the address that it printed";
        return Err(page::Problem::new(401, ErrorKind::PermissionDenied, text).into());
    };
    Ok((StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response())
}

async fn token_ended(gateway: &Gateway, rights: &Rights) -> Problem {
    gateway.tokens.ended(rights).await;
    let error = tokens::ended();
    page::Problem::new(401, error.kind(), error.text()).into()
}

/// Runs blocking work on a thread, until the token ends.
async fn look_up<T: Send + 'static>(
    gateway: &Arc<Gateway>,
    rights: &Rights,
    what: impl FnOnce(&Gateway) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let place = gateway.waiting.take(&rights.name)?;
    let shared = gateway.clone();
    let mut working = spawn_blocking(move || {
        let _place = place;
        what(&shared)
    });
    let mut stop = gateway.stop.clone();
    let done = tokio::select! {
        done = &mut working => Some(done),
        problem = token_ended(gateway, rights) => return Err(problem),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let done = match done {
        None => timeout(ENDING, working).await.ok(),
        done => done,
    };
    let Some(done) = done else {
        let text =
            "the gateway ends, and waits no longer for the program that was asked: try again when it runs";
        return Err(Error::new(ErrorKind::Disconnected, text).into());
    };
    match done {
        Ok(done) => Ok(done?),
        Err(error) => {
            Err(Error::new(ErrorKind::Internal, format!("a request ended in a defect: {error}")).into())
        }
    }
}

struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Named(name)).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the name in the address is no text in UTF-8").into()
        })
    }
}

async fn names(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    uri: Uri,
) -> Result<Response, Problem> {
    let pattern = Name::parse(&parameter(&uri, "name")?.unwrap_or_else(|| "*".to_owned()), true)?;
    rights.check_listing(&pattern).inspect_err(|_| add(&gateway.counters.refused, 1))?;
    let shown = rights.clone();
    let names = look_up(&gateway, &rights, move |gateway| {
        let changes = gateway.listing.changes(&pattern, &shown, None)?;
        codec::encode(&Value::Array(changes.names), Encoding::Json)
    });
    with_value(&gateway, &rights, &[], "names", &names.await?)
}

/// Returns a JSON object that contains an encoded value.
///
/// The client takes it in parts; its memory stays counted until then.
fn with_value(
    gateway: &Gateway,
    rights: &Rights,
    fields: &[(&str, Value)],
    key: &str,
    value: &[u8],
) -> Result<Response, Problem> {
    let taken = gateway.room.account(&rights.name).take(Holder::Response, value.len() as u64)?;
    let mut text = b"{".to_vec();
    for (key, field) in fields {
        text.extend_from_slice(&codec::encode(&Value::from(*key), Encoding::Json)?);
        text.push(b':');
        text.extend_from_slice(&codec::encode(field, Encoding::Json)?);
        text.push(b',');
    }
    text.extend_from_slice(&codec::encode(&Value::from(key), Encoding::Json)?);
    text.push(b':');
    text.extend_from_slice(value);
    text.push(b'}');
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_LENGTH, text.len().to_string())];
    let parts = unfold((Bytes::from(text), taken), async |(mut rest, taken)| {
        let part = rest.split_to(rest.len().min(PART));
        (!part.is_empty()).then_some((Ok::<_, Infallible>(part), (rest, taken)))
    });
    Ok((headers, Body::from_stream(parts)).into_response())
}

async fn newest(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    Named(name): Named,
) -> Result<Response, Problem> {
    let name = gateway.check(&rights, Right::Read, &name)?;
    let longest = gateway.feeds.longest;
    let withdrawn = Arc::new(Withdrawn::default());
    let _given_up = OnDrop(withdrawn.clone());
    let (fields, value) = look_up(&gateway, &rights, move |_| {
        let (number, sent, value) = latest(&name, longest, Format::Json, &withdrawn)?;
        Ok(([("name", name.text().into()), ("number", number.into()), ("time", sent.into())], value))
    })
    .await?;
    with_value(&gateway, &rights, &fields, "value", &value)
}

/// Reads a request's JSON body and counts its memory. Refuses content types that another page could send as a form.
async fn body(gateway: &Gateway, rights: &Rights, request: Request) -> Result<(Written, Taken), Problem> {
    let (parts, mut body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    check_content(kind.unwrap_or(""), parts.headers.contains_key("content-encoding"))?;
    let most = gateway.settings.max_message_size;
    let too_long = || {
        let text = format!("the body of a request has at most {most} bytes");
        Problem::from(page::Problem::new(413, ErrorKind::TooLarge, text))
    };
    let said = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if said.is_some_and(|said: u64| said > most as u64) {
        return Err(too_long());
    }
    // The declared length must have room before any byte is read.
    let mut taken = gateway.room.account(&rights.name).take(Holder::Body, said.unwrap_or(0))?;
    let arrives = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let failed = |error| Error::new(ErrorKind::Disconnected, format!("reading the body: {error}"));
            let Ok(part) = frame.map_err(failed)?.into_data() else { continue };
            let length = bytes.len().saturating_add(part.len());
            if length > most {
                return Err(too_long());
            }
            if said.is_none() {
                taken.change(length as u64)?;
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    };
    let bytes = tokio::select! {
        arrived = timeout(BODY, arrives) => arrived.unwrap_or_else(|_| {
            let text = format!("the body of a request comes within {} s", BODY.as_secs());
            Err(page::Problem::new(408, ErrorKind::Timeout, text).into())
        })?,
        problem = token_ended(gateway, rights) => return Err(problem),
    };
    let written = read(bytes, |bytes| Written::new(&codec::decode(bytes, Encoding::Json)?)).await?;
    taken.change(written.bytes())?;
    Ok((written, taken))
}

async fn call_name(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let name = gateway.check(&rights, Right::Call, &name)?;
    let seconds = number(request.uri(), "timeout")?;
    let within = requests::timeout(seconds.map(Value::from).as_ref())?;
    let (value, held) = body(&gateway, &rights, request).await?;
    // A client that disconnects withdraws its call.
    let withdrawn = Arc::new(Withdrawn::default());
    let given_up = OnDrop(withdrawn.clone());
    let counted = Counted::new(&gateway.counters, |counters| &counters.calls);
    let answer = look_up(&gateway, &rights, move |gateway| {
        let (_counted, _held) = (counted, held);
        add(&gateway.counters.called, 1);
        call(&name, &value, within, &withdrawn, Format::Json)
    })
    .await?;
    drop(given_up);
    with_value(&gateway, &rights, &[], "value", &answer)
}

struct OnDrop(Arc<Withdrawn>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

async fn publish_name(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let name = gateway.check(&rights, Right::Write, &name)?;
    let (value, held) = body(&gateway, &rights, request).await?;
    let token = rights.name.clone();
    let number = look_up(&gateway, &rights, move |gateway| {
        let _held = held;
        gateway.http_publishers.publish(&name, &value, &token)
    })
    .await?;
    add(&gateway.counters.published, 1);
    Ok(json(&Value::map([("number", Value::from(number))])))
}

async fn follow(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let text = parameter(&uri, "name")?
        .ok_or_else(|| Error::new(ErrorKind::Missing, "say which names: /api/events?name=lab/*"))?;
    let name = Name::parse(&text, true)?;
    rights.check_followed(&name).inspect_err(|_| add(&gateway.counters.refused, 1))?;
    let rate = number(&uri, "rate")?;
    let choice = Choice::of(rate.is_some(), rate, None, gateway.settings.name_rate)?;
    if gateway.sessions.load(Ordering::Acquire) >= STREAMS + AUTHORISED {
        return Err(Error::new(ErrorKind::Full, "too many streams of events are open; close some").into());
    }
    let is_single = !name.is_pattern();
    let mut resumes = HashMap::new();
    if let Some(resume) = events::last(&headers, is_single)? {
        resumes.insert(name.text(), resume);
    }
    let wake = Arc::new(Notify::new());
    let from = resumes.get(&name.text()).filter(|_| name.is_journal());
    let key = Key { from: from.map(|resume| resume.number.saturating_add(1)), name };
    let joined = gateway.feeds.join(vec![key], &rights, &wake)?;
    let lagged = gateway.counters.lagged.clone();
    let account = gateway.room.account(&rights.name);
    let subscription = Subscription::new(joined, choice, resumes, &account, lagged)?;
    let body = Body::from_stream(events::body(&gateway, rights, subscription, wake, is_single));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

async fn metrics(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
) -> Result<Response, Problem> {
    rights.check_reads().inspect_err(|_| add(&gateway.counters.refused, 1))?;
    let text = gateway.counters.metrics(&gateway.numbers());
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

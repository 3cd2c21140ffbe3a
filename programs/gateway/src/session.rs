//! A client over WebSocket: one task reads its frames, and one writes frames to it.
//!
//! Reading pauses while the client does not take its answers.

mod asked;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use linkspan::page::Peer;
use linkspan::value::NdArrayRef;
use linkspan::{BigInt, Error, ErrorKind, Limits, Result, Timestamp, Value, quoted};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{sleep_until, timeout};

use crate::access::Gateway;
use crate::asker::Asker;
use crate::clients::Connection;
use crate::clock::after;
use crate::ending;
use crate::frames::{Format, Frame, Received, VERSION, error_frame};
use crate::places::{Place, Share};
use crate::publishers::Work;
use crate::reading::read;
use crate::requests::Withdrawn;
use crate::rights::Rights;
use crate::room::{Account, Holder, Taken};
use crate::status::{Counted, add};
use crate::subscription::{Given, Subscription};
use crate::tokens;

/// Time and size limits of the first frame.
const HELLO: Duration = Duration::from_secs(5);
const HELLO_BYTES: usize = 1_024;
/// Bytes that WebSocket adds to a frame, and a ping.
const AROUND: u64 = 256;
/// Limits of one client: subscriptions, names in each, publishers, served names, concurrent requests.
pub const SUBSCRIPTIONS: usize = 256;
pub const NAMES: usize = 64;
pub const PUBLISHERS: usize = 64;
pub const SERVERS: usize = 16;
pub const REQUESTS: usize = 64;
/// Bytes of untaken answers above which the gateway stops reading from the client.
const ANSWERS: u64 = 4 << 20;
/// Bytes of memory that an answer takes in addition to its content.
const BESIDE: u64 = 128;
/// Unsent pongs above which the gateway stops reading from the client.
const PINGS: u32 = 64;
/// How long the rest of a frame may take.
const FRAME: Duration = Duration::from_secs(60);
const TOGETHER: usize = 64;
/// How often a followed list of names is checked.
const FOLLOW: Duration = Duration::from_secs(1);
/// Unanswered pings after which the client counts as gone. Unsent pings do not count.
const UNANSWERED: u32 = 2;

#[derive(Default)]
struct State {
    subscriptions: BTreeMap<u64, (Subscription, Counted)>,
    calls: HashMap<u64, Arc<Withdrawn>>,
    publishers: HashMap<u64, (Counted, Share)>,
    servers: HashMap<u64, (Counted, Share)>,
    follows: HashMap<u64, AbortHandle>,
    publishing: Option<mpsc::Sender<Work>>,
    /// The id of the subscription that sent last.
    turn: u64,
}

#[derive(Default)]
struct Answers {
    frames: VecDeque<(Bytes, Taken)>,
    bytes: u64,
    close: Option<(u16, &'static str)>,
}

pub struct Session {
    gateway: Arc<Gateway>,
    rights: Arc<Rights>,
    format: Format,
    state: Mutex<State>,
    answers: Mutex<Answers>,
    wake: Arc<Notify>,
    room: Notify,
    requests: Arc<Semaphore>,
    /// Work for the publishing thread from the last frame.
    later: Mutex<Option<Work>>,
    /// Pings since the client last sent anything.
    unanswered: AtomicU32,
    gone: Arc<Withdrawn>,
    pings: AtomicU32,
    account: Arc<Account>,
    place: Arc<Place>,
    /// Kept here because threads of the connection share the session: it must live as long as they do.
    client: Option<Connection>,
}

pub async fn serve(socket: WebSocket, gateway: Arc<Gateway>, place: Arc<Place>, peer: Peer, format: Format) {
    gateway.sessions.fetch_add(1, Ordering::AcqRel);
    let mut stop = gateway.stop.clone();
    tokio::select! {
        () = talk(socket, &gateway, &place, peer, format) => {}
        // Before a token is shown, a new connection may take the place.
        () = place.evicted() => {}
        () = async { let _ = stop.wait_for(|stop| *stop).await; tokio::time::sleep(FOLLOW).await } => {}
    }
    gateway.sessions.fetch_sub(1, Ordering::AcqRel);
}

async fn talk(socket: WebSocket, gateway: &Arc<Gateway>, place: &Arc<Place>, peer: Peer, format: Format) {
    let (mut writer, mut reader) = socket.split();
    place.budget.set(Some((HELLO_BYTES as u64).saturating_add(AROUND)));
    let refusal = |error: Error| Some((error, ending::REFUSED, "no hello with a token"));
    let hello = tokio::select! {
        // A hello that has arrived counts, even if the connection ended after it.
        biased;
        first = timeout(HELLO, first(&mut reader)) => match first {
            Ok(Some(Ok(message))) => {
                greet(&message, gateway, place, peer, format).map_err(|error| match error.kind() {
                    ErrorKind::TooLarge => Some((error, ending::TOO_LONG, "a hello that is too long")),
                    _ => refusal(error),
                })
            }
            Ok(Some(Err(error))) => Err(ending::of_socket(error, HELLO_BYTES)),
            Ok(None) => Err(None),
            Err(_) => Err(refusal(Error::new(ErrorKind::Timeout, "the first frame is hello, within 5 s"))),
        },
        () = place.budget.spent() => Err(Some((too_long(), ending::TOO_LONG, "a hello that is too long"))),
    };
    let joined = match hello {
        Ok((rights, None)) => Ok((rights, None)),
        Ok((rights, Some(client))) => {
            let joined = gateway.clients.join(&rights.name, &client).await;
            joined.map(|client| (rights, Some(client))).map_err(refusal)
        }
        Err(refusal) => Err(refusal),
    };
    let (rights, client) = match joined {
        Ok(joined) => joined,
        Err(None) => return,
        Err(Some((error, code, reason))) => {
            place.linger();
            if let Ok(frame) = error_frame(None, &error).encode(format) {
                let _ = writer.send(message(frame, format)).await;
            }
            let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
            let _ = writer.send(Message::Close(Some(close))).await;
            return;
        }
    };
    place.budget.set(None);
    let account = gateway.room.account(&rights.name);
    place.arriving.begin(&account);
    let session = Arc::new(Session {
        account,
        place: place.clone(),
        gone: Arc::default(),
        pings: AtomicU32::new(0),
        gateway: gateway.clone(),
        rights,
        format,
        state: Mutex::default(),
        answers: Mutex::default(),
        wake: Arc::new(Notify::new()),
        room: Notify::new(),
        requests: Arc::new(Semaphore::new(REQUESTS)),
        later: Mutex::default(),
        unanswered: AtomicU32::new(0),
        client,
    });
    let _clients = Counted::new(&gateway.counters, |counters| &counters.clients);
    add(&gateway.counters.clients_ever, 1);
    session.answer(&session.welcome());
    let session = EndsWithTask(session);
    tokio::select! {
        () = session.0.read(reader) => {}
        () = session.0.write(&mut writer) => {}
        () = session.0.replaced() => {}
        // The sleep bounds the wait for a client that takes nothing.
        () = async { gateway.tokens.ended(&session.0.rights).await; tokio::time::sleep(FOLLOW).await } => {}
    }
    if session.0.answers().close.is_some() {
        place.linger();
    }
    drop(session);
    // Answers a close frame, if the client takes the answer.
    let _ = timeout(FOLLOW, writer.close()).await;
}

struct EndsWithTask(Arc<Session>);

impl Drop for EndsWithTask {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn too_long() -> Error {
    let text = format!("the first frame is hello, and has at most {HELLO_BYTES} bytes");
    Error::new(ErrorKind::TooLarge, text)
}

/// Returns the first frame that is not a ping or pong.
async fn first(reader: &mut SplitStream<WebSocket>) -> Option<std::result::Result<Message, axum::Error>> {
    loop {
        match reader.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) => return None,
            frame => return frame,
        }
    }
}

fn greet(
    message: &Message,
    gateway: &Gateway,
    place: &Place,
    peer: Peer,
    format: Format,
) -> Result<(Arc<Rights>, Option<String>)> {
    let bytes = bytes_of(message, format)?;
    if bytes.len() > HELLO_BYTES {
        return Err(too_long());
    }
    let frame = Received::decode(&bytes, format)?;
    if frame.kind()? != "hello" {
        let text = format!("the first frame is hello, and not {}", quoted(frame.kind()?));
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    let version = frame.required("version")?.as_u64()?;
    if version != VERSION {
        let text =
            format!("the gateway speaks version {VERSION} of the protocol, and the client version {version}");
        return Err(Error::new(ErrorKind::VersionMismatch, text));
    }
    let token = frame.required("token")?.as_text()?;
    let client = frame.field("client").map(|client| client.as_text().map(str::to_owned)).transpose()?;
    let rights = gateway
        .admit(token.as_bytes(), place, peer)
        .map_err(|problem| Error::new(problem.kind(), problem.detail()))?;
    Ok((rights, client))
}

/// Returns a frame's bytes if it has the connection's format.
fn bytes_of(message: &Message, format: Format) -> Result<Bytes> {
    match (message, format) {
        (Message::Binary(bytes), Format::Cbor) => Ok(bytes.clone()),
        (Message::Text(text), Format::Json) => Ok(text.clone().into()),
        _ => {
            let text = "linkspan.v1.cbor has binary frames, and linkspan.v1.json has text frames";
            Err(Error::new(ErrorKind::Malformed, text))
        }
    }
}

fn message(bytes: Bytes, format: Format) -> Message {
    match format {
        Format::Cbor => Message::Binary(bytes),
        // The codec writes UTF-8.
        Format::Json => Message::Text(Utf8Bytes::try_from(bytes).unwrap_or_default()),
    }
}

impl Asker for Session {
    fn answer(&self, frame: &Frame) {
        let bytes = frame.encode(self.format).or_else(|error| error_frame(None, &error).encode(self.format));
        let Ok(bytes) = bytes else { return };
        let taken = self.account.take_in_any_case(Holder::Answer, size(&bytes));
        self.push(bytes, taken);
    }

    fn fail(&self, id: Option<u64>, error: &Error) {
        self.answer(&error_frame(id, error));
    }

    fn forget(&self, id: u64) {
        let mut state = self.state();
        state.publishers.remove(&id);
        state.servers.remove(&id);
    }

    fn is_held(&self) -> bool {
        *self.gateway.paused.borrow() || self.is_behind()
    }

    fn account(&self) -> &Arc<Account> {
        &self.account
    }

    fn published(&self) {
        add(&self.gateway.counters.published, 1);
    }
}

fn size(answer: &Bytes) -> u64 {
    (answer.len() as u64).saturating_add(BESIDE)
}

impl Session {
    fn push(&self, bytes: Bytes, taken: Taken) {
        let mut answers = self.answers();
        answers.bytes = answers.bytes.saturating_add(size(&bytes));
        answers.frames.push_back((bytes, taken));
        drop(answers);
        self.wake.notify_one();
    }

    /// Sends an answer of any length, if the account has room for it.
    fn answer_with_room(&self, frame: &Frame) -> Result<()> {
        let bytes = frame.encode(self.format)?;
        let taken = self.account.take(Holder::Answer, size(&bytes))?;
        self.push(bytes, taken);
        Ok(())
    }

    /// Whether the client must take answers before it gets more.
    fn is_behind(&self) -> bool {
        let bytes = self.answers().bytes;
        bytes > ANSWERS || (bytes > 0 && self.account.is_full())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn welcome(&self) -> Frame {
        let count = |number: usize| Value::from(number as u64);
        let of_values = Limits::default();
        let settings = &self.gateway.settings;
        Frame::new("welcome")
            .with("version", VERSION)
            .with("server", concat!("linkspan-gateway ", env!("CARGO_PKG_VERSION")))
            .with("machine", &*self.gateway.machine)
            .with("rights", self.rights.to_value())
            .with(
                "limits",
                Value::map([
                    ("message", count(settings.max_message_size)),
                    ("values", of_values.nodes.into()),
                    ("levels", u64::from(of_values.depth).into()),
                    ("key", count(of_values.key)),
                    ("integer", count(BigInt::LIMIT)),
                    ("dimensions", count(NdArrayRef::MAX_RANK)),
                    ("subscriptions", count(SUBSCRIPTIONS)),
                    ("names", count(NAMES)),
                    ("publishers", count(PUBLISHERS)),
                    ("servers", count(SERVERS)),
                    ("requests", count(REQUESTS)),
                    ("rate", settings.name_rate.into()),
                    ("ping", settings.ping.as_secs_f64().into()),
                ]),
            )
    }

    fn close(&self, code: u16, reason: &'static str) {
        self.answers().close.get_or_insert((code, reason));
        self.wake.notify_one();
    }

    /// Ends all operations of the client: withdraws its calls and ends its publishers.
    fn end(&self) {
        self.gone.set();
        let state = std::mem::take(&mut *self.state());
        for withdrawn in state.calls.values() {
            withdrawn.set();
        }
        for follow in state.follows.values() {
            follow.abort();
        }
    }

    async fn replaced(&self) {
        match &self.client {
            Some(client) => client.replaced().await,
            None => std::future::pending().await,
        }
    }

    async fn read(self: &Arc<Session>, mut reader: SplitStream<WebSocket>) {
        loop {
            let late = async {
                match self.place.arriving.since() {
                    Some(since) => sleep_until(since.checked_add(FRAME).unwrap_or(since).into()).await,
                    // The loop computes the time again when the first byte arrives.
                    None => self.place.arriving.begun().await,
                }
            };
            let message = tokio::select! {
                message = reader.next() => message,
                () = late => {
                    if self.place.arriving.since().is_none_or(|since| since.elapsed() < FRAME) {
                        continue;
                    }
                    let text = format!("the rest of a frame comes within {} s", FRAME.as_secs());
                    let error = Error::new(ErrorKind::Timeout, text);
                    return self.end_with(&error, ending::REFUSED, "a frame that takes too long").await;
                }
            };
            let Some(message) = message else { return };
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    let most = self.gateway.settings.max_message_size;
                    let Some((error, code, reason)) = ending::of_socket(error, most) else { return };
                    return self.end_with(&error, code, reason).await;
                }
            };
            self.unanswered.store(0, Ordering::Release);
            match &message {
                Message::Ping(bytes) => {
                    self.place.arriving.skip(bytes.len());
                    // Stops reading from a client that does not read its pongs.
                    self.pings.fetch_add(1, Ordering::AcqRel);
                    self.wake.notify_one();
                    while self.pings.load(Ordering::Acquire) > PINGS {
                        self.room.notified().await;
                    }
                    continue;
                }
                Message::Pong(bytes) => {
                    self.place.arriving.skip(bytes.len());
                    continue;
                }
                Message::Close(_) => return,
                Message::Binary(_) | Message::Text(_) => {}
            }
            let arrived = self.place.arriving.end();
            add(&self.gateway.counters.frames, 1);
            let format = self.format;
            let bytes = bytes_of(&message, format);
            drop(message);
            let frame = match bytes {
                Ok(bytes) => read(bytes, move |bytes| Received::decode(bytes, format)).await,
                Err(error) => Err(error),
            };
            drop(arrived);
            match frame {
                Ok(frame) => {
                    self.take(frame);
                    self.pass_on().await;
                }
                Err(error) => {
                    let (code, reason) = ending::of_frame(&error);
                    return self.end_with(&error, code, reason).await;
                }
            }
            while self.is_behind() {
                self.room.notified().await;
            }
        }
    }

    async fn end_with(&self, error: &Error, code: u16, reason: &'static str) {
        self.fail(None, error);
        self.close(code, reason);
        std::future::pending::<()>().await;
    }

    /// Passes work to the publishing thread. Reading waits until the thread has room.
    async fn pass_on(&self) {
        let work = self.later.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut work) = work else { return };
        if let Work::Data { value, held, .. } = &mut work {
            *held = Some(self.account.wait(Holder::Value, value.bytes()).await);
        }
        let publishing = self.state().publishing.clone();
        if let Some(publishing) = publishing {
            // A send fails only if the client is ending.
            let _ = publishing.send(work).await;
        }
    }

    /// Returns the next frame for the client: answers first, then subscriptions in turn.
    fn next(&self, now: Instant) -> Option<Bytes> {
        {
            let mut answers = self.answers();
            if let Some((bytes, taken)) = answers.frames.pop_front() {
                answers.bytes = answers.bytes.saturating_sub(size(&bytes));
                drop((answers, taken));
                self.room.notify_one();
                return Some(bytes);
            }
        }
        let mut state = self.state();
        let turn = state.turn;
        let ids: Vec<u64> = state
            .subscriptions
            .range((Bound::Excluded(turn), Bound::Unbounded))
            .chain(state.subscriptions.range(..=turn))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let Some((subscription, _)) = state.subscriptions.get_mut(&id) else { continue };
            let Some(given) = subscription.next(now) else { continue };
            state.turn = id;
            if matches!(given, Given::Closed(_)) {
                state.subscriptions.remove(&id);
            }
            drop(state);
            return given.frame(Some(id), self.format).encode(self.format).ok();
        }
        None
    }

    fn check_token(&self) {
        if !self.gateway.tokens.is_valid(&self.rights) {
            self.fail(None, &tokens::ended());
            self.close(ending::REFUSED, "the token counts no more");
        }
    }

    async fn write(&self, writer: &mut SplitSink<WebSocket, Message>) {
        let ping = self.gateway.settings.ping;
        let mut next_ping = after(ping);
        let left = self.rights.expires.map(|end| end.0.saturating_sub(Timestamp::now().0));
        let left = left.map(|left| Duration::from_nanos(u64::try_from(left).unwrap_or(0)));
        // An expiry beyond the range of `Instant` never comes.
        let mut end = left.and_then(|left| Instant::now().checked_add(left));
        let (mut stop, mut tokens) = (self.gateway.stop.clone(), self.gateway.tokens.changes());
        loop {
            let mut written: usize = 0;
            while written < TOGETHER {
                let Some(bytes) = self.next(Instant::now()) else { break };
                add(&self.gateway.counters.sent, 1);
                add(&self.gateway.counters.sent_bytes, bytes.len() as u64);
                if writer.feed(message(bytes, self.format)).await.is_err() {
                    return;
                }
                written = written.saturating_add(1);
            }
            if writer.flush().await.is_err() {
                return;
            }
            if self.pings.swap(0, Ordering::AcqRel) > 0 {
                self.room.notify_one();
            }
            let close = self.answers().close;
            if let Some((code, reason)) = close.filter(|_| written < TOGETHER) {
                let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
                let _ = writer.send(Message::Close(Some(close))).await;
                return;
            }
            let now = Instant::now();
            if now >= next_ping {
                next_ping = after(ping);
                if self.unanswered.fetch_add(1, Ordering::AcqRel) >= UNANSWERED {
                    self.close(ending::REFUSED, "no answer to pings");
                    continue;
                }
                if writer.send(Message::Ping(Bytes::new())).await.is_err() {
                    return;
                }
            }
            if end.is_some_and(|end| now >= end) {
                end = None;
                self.check_token();
                continue;
            }
            if written > 0 {
                continue;
            }
            let due = self.state().subscriptions.values().filter_map(|(one, _)| one.due()).min();
            let until = [due, end].into_iter().flatten().fold(next_ping, Instant::min);
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep_until(until.into()) => {}
                changed = tokens.changed() => if changed.is_ok() { self.check_token() },
                _ = stop.wait_for(|stop| *stop) => self.close(1001, "the gateway ends"),
            }
        }
    }
}

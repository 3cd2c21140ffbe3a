//! A client over WebSocket: one task reads its frames, and one writes what it has to get. What is read waits while the client takes nothing.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use linkspan::{Error, ErrorKind, Result, Timestamp, Value, quoted};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{sleep_until, timeout};

use crate::access::Gateway;
use crate::feed::Key;
use crate::frames::{Format, Frame, OF_CLIENTS, Received, VERSION, error_frame};
use crate::names::Name;
use crate::places::{Peer, Place};
use crate::publishers::{Asker, Work, work};
use crate::requests::{self, Withdrawn, call, in_format, latest, schema};
use crate::rights::{Right, Rights};
use crate::status::{Counted, add};
use crate::subscription::{Choice, Given, Subscription, resumes};

/// How long a client may take for its first frame, and what it may send until then.
const HELLO: Duration = Duration::from_secs(5);
const HELLO_BYTES: u64 = 1_024;
/// Beside the frame itself: what WebSocket adds to it.
const AROUND: u64 = 64;
/// Of one client: subscriptions, names of one subscription, publishers, requests at once.
pub const SUBSCRIPTIONS: usize = 256;
pub const NAMES: usize = 64;
pub const PUBLISHERS: usize = 64;
pub const REQUESTS: usize = 64;
/// Bytes of answers that wait for the client, above which nothing more of it is read.
const ANSWERS: usize = 4 << 20;
/// Bytes of them above which further ones are errors.
const MOST_ANSWERS: usize = 64 << 20;
/// Frames that are written before they are sent together.
const TOGETHER: usize = 64;
/// How often a list of names that is followed is looked at.
const FOLLOW: Duration = Duration::from_secs(1);
/// Pings without an answer, after which a client is gone.
const UNANSWERED: u32 = 3;

/// What a client has open.
#[derive(Default)]
struct State {
    subscriptions: BTreeMap<u64, (Subscription, Counted)>,
    calls: HashMap<u64, Arc<Withdrawn>>,
    publishers: HashMap<u64, Counted>,
    follows: HashMap<u64, AbortHandle>,
    /// The thread that publishes.
    publishing: Option<mpsc::Sender<Work>>,
    /// The subscription that has had its turn.
    turn: u64,
    heard: Option<Instant>,
}

/// What waits for the client.
#[derive(Default)]
struct Answers {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// With what the connection ends.
    close: Option<(u16, &'static str)>,
}

/// A client that has said hello.
pub struct Session {
    gateway: Arc<Gateway>,
    rights: Arc<Rights>,
    format: Format,
    state: Mutex<State>,
    answers: Mutex<Answers>,
    wake: Arc<Notify>,
    room: Notify,
    requests: Arc<Semaphore>,
    /// What the frame that was read last asks the publishing thread for.
    later: Mutex<Option<Work>>,
}

/// Serves a client until it or the gateway ends.
pub async fn serve(socket: WebSocket, gateway: Arc<Gateway>, place: Arc<Place>, peer: Peer, format: Format) {
    gateway.sessions.fetch_add(1, Ordering::AcqRel);
    let mut stop = gateway.stop.clone();
    tokio::select! {
        () = talk(socket, &gateway, &place, peer, format) => {}
        // The place goes to another one while there is no token.
        () = place.evicted() => {}
        () = async { let _ = stop.wait_for(|stop| *stop).await; tokio::time::sleep(FOLLOW).await } => {}
    }
    gateway.sessions.fetch_sub(1, Ordering::AcqRel);
}

async fn talk(socket: WebSocket, gateway: &Arc<Gateway>, place: &Place, peer: Peer, format: Format) {
    let (mut writer, mut reader) = socket.split();
    place.budget.set(Some(HELLO_BYTES + AROUND));
    let hello = match timeout(HELLO, reader.next()).await {
        Ok(Some(Ok(message))) => greet(&message, gateway, place, peer, format),
        Ok(_) => return,
        Err(_) => {
            let text = "the first frame is hello, within 5 s and 1 kB";
            Err(Error::new(ErrorKind::Timeout, text))
        }
    };
    let rights = match hello {
        Ok(rights) => rights,
        Err(error) => {
            if let Ok(frame) = error_frame(None, &error).encode(format) {
                let _ = writer.send(message(frame, format)).await;
            }
            let close = CloseFrame { code: 1008, reason: Utf8Bytes::from_static("no hello with a token") };
            let _ = writer.send(Message::Close(Some(close))).await;
            return;
        }
    };
    place.budget.set(None);
    let session = Arc::new(Session {
        gateway: gateway.clone(),
        rights,
        format,
        state: Mutex::default(),
        answers: Mutex::default(),
        wake: Arc::new(Notify::new()),
        room: Notify::new(),
        requests: Arc::new(Semaphore::new(REQUESTS)),
        later: Mutex::default(),
    });
    let _clients = Counted::new(&gateway.counters, |counters| &counters.clients);
    add(&gateway.counters.clients_ever, 1);
    session.state().heard = Some(Instant::now());
    session.answer(&session.welcome());
    let session = EndsWithTask(session);
    tokio::select! {
        () = session.0.read(reader) => {}
        () = session.0.write(&mut writer) => {}
    }
    drop(session);
    // A client that says goodbye gets an answer, if it takes one.
    let _ = timeout(FOLLOW, writer.close()).await;
}

/// Ends what a client had, however its task ends.
struct EndsWithTask(Arc<Session>);

impl Drop for EndsWithTask {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Reads the first frame of a client.
fn greet(
    message: &Message,
    gateway: &Gateway,
    place: &Place,
    peer: Peer,
    format: Format,
) -> Result<Arc<Rights>> {
    let frame = Received::decode(&bytes_of(message, format)?, format)?;
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
    gateway
        .admit(token.as_bytes(), place, peer)
        .map_err(|problem| Error::new(problem.kind(), problem.detail()))
}

/// Returns the bytes of a frame that is of the connection's format.
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
        let mut answers = self.answers();
        answers.bytes += bytes.len();
        answers.frames.push_back(bytes);
        drop(answers);
        self.wake.notify_one();
    }

    fn fail(&self, id: Option<u64>, error: &Error) {
        self.answer(&error_frame(id, error));
    }

    fn forget_publisher(&self, id: u64) {
        self.state().publishers.remove(&id);
    }

    fn published(&self) {
        add(&self.gateway.counters.published, 1);
    }
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn welcome(&self) -> Frame {
        let count = |number: usize| Value::from(number as u64);
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
                    ("subscriptions", count(SUBSCRIPTIONS)),
                    ("names", count(NAMES)),
                    ("publishers", count(PUBLISHERS)),
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

    /// Ends everything that the client had: its calls are withdrawn, and its publishers end.
    fn end(&self) {
        let state = std::mem::take(&mut *self.state());
        for withdrawn in state.calls.values() {
            withdrawn.set();
        }
        for follow in state.follows.values() {
            follow.abort();
        }
    }

    async fn read(self: &Arc<Session>, mut reader: SplitStream<WebSocket>) {
        while let Some(Ok(message)) = reader.next().await {
            self.state().heard = Some(Instant::now());
            match &message {
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Close(_) => return,
                Message::Binary(_) | Message::Text(_) => {}
            }
            add(&self.gateway.counters.frames, 1);
            let frame =
                bytes_of(&message, self.format).and_then(|bytes| Received::decode(&bytes, self.format));
            match frame {
                Ok(frame) => {
                    self.take(frame);
                    self.pass_on().await;
                }
                Err(error) => {
                    self.fail(None, &error);
                    self.close(1007, "a frame that is none");
                    // What is written ends the connection.
                    std::future::pending::<()>().await;
                }
            }
            while self.answers().bytes > ANSWERS {
                self.room.notified().await;
            }
        }
    }

    /// Takes a frame. What it asks for is answered, now or later, by a frame with its id.
    fn take(self: &Arc<Session>, frame: Received) {
        let id = frame.field("id").and_then(|id| id.as_u64().ok());
        if let Err(error) = self.try_take(frame) {
            self.fail(id, &error);
        }
    }

    fn try_take(self: &Arc<Session>, mut frame: Received) -> Result<()> {
        match frame.kind()? {
            "subscribe" => self.subscribe(&frame),
            "credit" => {
                let (id, more) = (frame.id()?, frame.required("n")?.as_u64()?);
                let mut state = self.state();
                let (subscription, _) = state.subscriptions.get_mut(&id).ok_or_else(|| unknown(id))?;
                subscription.add_credit(more);
                drop(state);
                self.wake.notify_one();
                Ok(())
            }
            "unsubscribe" => {
                let id = frame.id()?;
                let mut state = self.state();
                let was_subscribed = state.subscriptions.remove(&id).is_some();
                let follow = state.follows.remove(&id);
                drop(state);
                follow.iter().for_each(AbortHandle::abort);
                if !was_subscribed && follow.is_none() {
                    return Err(unknown(id));
                }
                self.answer(&Frame::of("closed", id));
                Ok(())
            }
            "latest" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Read)?);
                let format = self.format;
                self.look_up(id, move || {
                    let message = latest(&name)?;
                    let frame =
                        Frame::of("reply", id).with("name", name.text()).with("number", message.sequence());
                    Ok(frame.with("time", message.sent()).with_encoded("value", in_format(&message, format)?))
                })
            }
            "schema" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Read)?);
                self.look_up(id, move || {
                    Ok(Frame::of("reply", id).with("name", name.text()).with("value", schema(&name)?))
                })
            }
            "names" => self.names(&frame),
            "call" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Call)?);
                let within = requests::timeout(frame.field("timeout"))?;
                self.call(id, name, frame.take_value(), within)
            }
            "cancel" => {
                let id = frame.id()?;
                // An answer may have gone out meanwhile: then there is nothing to give up.
                if let Some(withdrawn) = self.state().calls.get(&id) {
                    withdrawn.set();
                }
                Ok(())
            }
            "publish" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Write)?);
                let schema =
                    frame.field("schema").map(|text| text.as_text().map(str::to_owned)).transpose()?;
                self.check_new(id)?;
                if self.state().publishers.len() >= PUBLISHERS {
                    return Err(full("publishers", PUBLISHERS));
                }
                self.publishing()?;
                let counted = Counted::new(&self.gateway.counters, |counters| &counters.publishers);
                self.state().publishers.insert(id, counted);
                self.publish(Work::Open { id, name, schema }).inspect_err(|_| self.forget_publisher(id))
            }
            "data" => {
                let id = self.publisher_id(&frame)?;
                if *self.gateway.paused.borrow() {
                    let text = "the gateway is paused: nothing is published";
                    return Err(Error::new(ErrorKind::InvalidState, text).with_retryable(true));
                }
                let value = frame.take_value();
                self.publish(Work::Data { id, value })
            }
            "unpublish" => {
                let id = self.publisher_id(&frame)?;
                self.publish(Work::Close { id })
            }
            "ping" => {
                self.answer(&Frame::of("pong", frame.id()?));
                Ok(())
            }
            "hello" => Err(Error::new(ErrorKind::InvalidState, "hello is the first frame, and comes once")),
            other => {
                let text =
                    format!("there is no frame {}; there are {}", quoted(other), OF_CLIENTS.join(", "));
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    fn name(&self, frame: &Received, right: Right) -> Result<Name> {
        self.gateway.check(&self.rights, right, frame.required("name")?.as_text()?)
    }

    /// Refuses an id that is in use.
    fn check_new(&self, id: u64) -> Result<()> {
        let state = self.state();
        let is_used = state.subscriptions.contains_key(&id)
            || state.calls.contains_key(&id)
            || state.publishers.contains_key(&id)
            || state.follows.contains_key(&id);
        if is_used {
            let text = format!("the id {id} is in use; each subscription, call and publisher has its own");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        Ok(())
    }

    fn subscribe(&self, frame: &Received) -> Result<()> {
        let id = frame.id()?;
        self.check_new(id)?;
        let names = frame.required("names")?;
        let texts: Vec<&str> = match names {
            Value::Array(names) => names.iter().map(Value::as_text).collect::<Result<_>>()?,
            name => vec![name.as_text()?],
        };
        if texts.is_empty() || texts.len() > NAMES {
            let text = format!("a subscription has 1 to {NAMES} names and patterns, and not {}", texts.len());
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if self.state().subscriptions.len() >= SUBSCRIPTIONS {
            return Err(full("subscriptions", SUBSCRIPTIONS));
        }
        let credit = frame.field("credit").map(Value::as_u64).transpose()?;
        let rate = frame.field("rate").map(Value::as_f64).transpose()?;
        let newest = frame.field("latest").map(Value::as_bool).transpose()?.unwrap_or(rate.is_some());
        let choice = choice(newest, rate, credit, self.gateway.settings.name_rate)?;
        let resumes = resumes(frame.field("from"))?;
        let mut seen = HashSet::new();
        let mut uses = Vec::new();
        for text in texts {
            let name = Name::parse(text, true)?;
            // A pattern gives the names that the token allows; one that allows none follows nothing.
            if !name.is_pattern() || self.rights.read.is_empty() {
                self.rights
                    .check(Right::Read, &name)
                    .inspect_err(|_| add(&self.gateway.counters.refused, 1))?;
            }
            let number = resumes.get(&name.text()).map(|resume| resume.number);
            let from = number.filter(|_| name.is_journal()).map(|number| number.saturating_add(1));
            if seen.insert(name.clone()) {
                uses.push(self.gateway.feeds.join(&Key { name, from }, &self.rights.name, &self.wake)?);
            }
        }
        let lagged = self.gateway.counters.lagged.clone();
        let subscription = Subscription::new(uses, choice, resumes, self.rights.clone(), lagged);
        let counted = Counted::new(&self.gateway.counters, |counters| &counters.subscriptions);
        self.state().subscriptions.insert(id, (subscription, counted));
        self.wake.notify_one();
        Ok(())
    }

    /// Runs what may wait on a thread for that, and answers with its result.
    fn look_up(
        self: &Arc<Session>,
        id: u64,
        what: impl FnOnce() -> Result<Frame> + Send + 'static,
    ) -> Result<()> {
        let own =
            self.requests.clone().try_acquire_owned().map_err(|_| full("requests at once", REQUESTS))?;
        let all = self.gateway.waiting.take(&self.rights.name)?;
        let session = self.clone();
        spawn_blocking(move || {
            let _places = (own, all);
            match what() {
                // One that takes no answers does not make the gateway hold many.
                Ok(_) if session.answers().bytes > MOST_ANSWERS => {
                    session.fail(Some(id), &full("bytes of answers that it has not taken", MOST_ANSWERS))
                }
                Ok(frame) => session.answer(&frame),
                Err(error) => session.fail(Some(id), &error),
            }
        });
        Ok(())
    }

    fn call(self: &Arc<Session>, id: u64, name: Name, value: Value, within: Duration) -> Result<()> {
        self.check_new(id)?;
        let withdrawn = Arc::new(Withdrawn::default());
        self.state().calls.insert(id, withdrawn.clone());
        let (session, format) = (self.clone(), self.format);
        let counted = Counted::new(&self.gateway.counters, |counters| &counters.calls);
        let begun = self.look_up(id, move || {
            add(&session.gateway.counters.called, 1);
            let answer = call(&name, &value, within, &withdrawn, format);
            drop(counted);
            session.state().calls.remove(&id);
            Ok(Frame::of("reply", id).with_encoded("value", answer?))
        });
        begun.inspect_err(|_| drop(self.state().calls.remove(&id)))
    }

    fn names(self: &Arc<Session>, frame: &Received) -> Result<()> {
        let id = frame.id()?;
        let pattern = frame.field("pattern").map(Value::as_text).transpose()?.unwrap_or("*");
        let pattern = Name::parse(pattern, true)?;
        let follows = frame.field("follow").map(Value::as_bool).transpose()?.unwrap_or(false);
        if !follows {
            let session = self.clone();
            return self.look_up(id, move || {
                let names = session.listed(&pattern)?;
                Ok(Frame::of("names", id).with("names", names.into_values().collect::<Vec<_>>()))
            });
        }
        self.check_new(id)?;
        let mut state = self.state();
        if state.follows.len() >= REQUESTS {
            return Err(full("followed lists of names", REQUESTS));
        }
        let session = self.clone();
        let task = tokio::spawn(async move { session.follow(id, pattern).await });
        state.follows.insert(id, task.abort_handle());
        Ok(())
    }

    /// Returns the names that fit and that the token allows to see in some way, by their texts.
    fn listed(&self, pattern: &Name) -> Result<BTreeMap<String, Value>> {
        let names = self.gateway.listing.names()?;
        let fitting = names.iter().filter(|listed| {
            let allowed =
                [Right::Read, Right::Call, Right::Write].map(|right| self.rights.allow(right, &listed.name));
            pattern.fits(&listed.name) && allowed.contains(&true)
        });
        Ok(fitting.map(|listed| (listed.name.text(), listed.value.clone())).collect())
    }

    /// Sends the names that fit, and then what changes.
    async fn follow(self: Arc<Session>, id: u64, pattern: Name) {
        let mut known: Option<BTreeMap<String, Value>> = None;
        loop {
            let (session, pattern) = (self.clone(), pattern.clone());
            match spawn_blocking(move || session.listed(&pattern)).await {
                Ok(Ok(now)) => {
                    let is_first = known.is_none();
                    let before = known.take().unwrap_or_default();
                    let changed: Vec<Value> = now
                        .iter()
                        .filter(|(name, value)| before.get(*name) != Some(value))
                        .map(|(_, value)| value.clone())
                        .collect();
                    let gone: Vec<&str> =
                        before.keys().filter(|name| !now.contains_key(*name)).map(String::as_str).collect();
                    if is_first || !changed.is_empty() || !gone.is_empty() {
                        self.answer(&Frame::of("names", id).with("names", changed).with("gone", gone));
                    }
                    known = Some(now);
                }
                Ok(Err(error)) => self.fail(Some(id), &error),
                Err(_) => return,
            }
            tokio::time::sleep(FOLLOW).await;
            while self.answers().bytes > ANSWERS {
                tokio::time::sleep(FOLLOW).await;
            }
        }
    }

    fn publisher_id(&self, frame: &Received) -> Result<u64> {
        let id = frame.id()?;
        if self.state().publishers.contains_key(&id) { Ok(id) } else { Err(unknown(id)) }
    }

    /// Starts the thread that publishes, with the first publisher.
    fn publishing(self: &Arc<Session>) -> Result<()> {
        let mut state = self.state();
        if state.publishing.is_none() {
            let (sender, receiver) = mpsc::channel(PUBLISHERS);
            let session = self.clone();
            let thread = std::thread::Builder::new().name("publishing".into());
            let started = thread.spawn(move || work(&*session, receiver));
            started
                .map_err(|e| Error::os("starting a thread that publishes", e.raw_os_error().unwrap_or(0)))?;
            state.publishing = Some(sender);
        }
        Ok(())
    }

    /// Passes work on to that thread; nothing more is read of the client until it has room.
    async fn pass_on(&self) {
        let Some(work) = self.later.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let publishing = self.state().publishing.clone();
        if let Some(publishing) = publishing {
            // Without its thread the client is ending.
            let _ = publishing.send(work).await;
        }
    }

    fn publish(&self, work: Work) -> Result<()> {
        *self.later.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
        Ok(())
    }

    /// Returns the next frame for the client: answers come first, and subscriptions have their turns.
    fn next(&self, now: Instant) -> Option<Bytes> {
        {
            let mut answers = self.answers();
            if let Some(bytes) = answers.frames.pop_front() {
                answers.bytes -= bytes.len();
                drop(answers);
                self.room.notify_one();
                return Some(bytes);
            }
        }
        let mut state = self.state();
        let turn = state.turn;
        let ids: Vec<u64> = state
            .subscriptions
            .range(turn + 1..)
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

    /// Ends the connection where its token counts no more.
    fn check_token(&self) {
        if !self.gateway.tokens.is_valid(&self.rights) {
            let text = "the token was removed, has expired, or has other rights now";
            self.fail(None, &Error::new(ErrorKind::PermissionDenied, text));
            self.close(1008, "the token counts no more");
        }
    }

    async fn write(&self, writer: &mut SplitSink<WebSocket, Message>) {
        let ping = self.gateway.settings.ping;
        let mut next_ping = Instant::now() + ping;
        let left = self.rights.expires.map(|end| end.0.saturating_sub(Timestamp::now().0));
        let left = left.map(|left| Duration::from_nanos(u64::try_from(left).unwrap_or(0)));
        // One that is too far away never comes.
        let mut end = left.and_then(|left| Instant::now().checked_add(left));
        let (mut stop, mut tokens) = (self.gateway.stop.clone(), self.gateway.tokens.changes());
        loop {
            let mut written = 0;
            while written < TOGETHER {
                let Some(bytes) = self.next(Instant::now()) else { break };
                add(&self.gateway.counters.sent, 1);
                add(&self.gateway.counters.sent_bytes, bytes.len() as u64);
                if writer.feed(message(bytes, self.format)).await.is_err() {
                    return;
                }
                written += 1;
            }
            if writer.flush().await.is_err() {
                return;
            }
            let close = self.answers().close;
            if let Some((code, reason)) = close.filter(|_| written < TOGETHER) {
                let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
                let _ = writer.send(Message::Close(Some(close))).await;
                return;
            }
            let now = Instant::now();
            if now >= next_ping {
                next_ping = now + ping;
                let silent = self.state().heard.map(|heard| now.duration_since(heard));
                if silent.is_some_and(|silent| silent > ping * UNANSWERED) {
                    self.close(1008, "no answer to pings");
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

/// How messages are chosen.
///
/// # Errors
/// `Malformed` for a choice that contradicts itself; `OutOfRange` for a rate that is none.
pub fn choice(newest: bool, rate: Option<f64>, credit: Option<u64>, most: f64) -> Result<Choice> {
    if newest && credit.is_some() || !newest && rate.is_some() {
        let text = "a subscription has the newest messages, with latest and perhaps rate, or each one, with credit or without";
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    if !newest {
        return Ok(Choice::All(credit));
    }
    let rate = rate.unwrap_or(most).min(most);
    if rate.is_nan() || rate < 1e-3 {
        return Err(Error::new(
            ErrorKind::OutOfRange,
            "a rate is a number of messages a second, at least 0.001",
        ));
    }
    Ok(Choice::Newest(Duration::from_secs_f64(1.0 / rate)))
}

fn unknown(id: u64) -> Error {
    Error::new(ErrorKind::InvalidState, format!("nothing of this client has the id {id} now"))
}

fn full(what: &str, most: usize) -> Error {
    Error::new(ErrorKind::Full, format!("a client has at most {most} {what}"))
}

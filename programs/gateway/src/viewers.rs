//! Laboratory viewers (Lichtblick, Foxglove, PlotJuggler) over Foxglove's WebSocket protocol.
//!
//! The subprotocols `foxglove.websocket.v1` and `foxglove.sdk.v1` are identical for a server without write access.
//! docs/gateway-protocol.md lists the served features.
//!
//! One task serves a client and stops reading from it while the client takes nothing. The newest messages wait in the
//! shared feeds. A `status` frame reports how many messages the viewer skipped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use linkspan::{Encoding, Error, ErrorKind, Result, Value, codec};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use crate::access::Gateway;
use crate::asked::{self, Asked};
use crate::catalogue::Channel;
use crate::clock::after;
use crate::ending;
use crate::feed::Key;
use crate::places::Place;
use crate::rights::Rights;
use crate::room::Account;
use crate::shown::without_paths;
use crate::status::{Counted, add};
use crate::subscription::{Choice, Given, Subscription};
use crate::tokens;

pub const SUBPROTOCOLS: [&str; 2] = ["foxglove.sdk.v1", "foxglove.websocket.v1"];
/// The longest frame of a viewer in bytes: enough for about a thousand subscriptions.
pub const MAX_FRAME: usize = 256 << 10;
const SUBSCRIPTIONS: usize = 1_024;
const MISTAKES: u32 = 64;
/// How often names are listed and skipped messages reported.
const LOOK: Duration = Duration::from_secs(1);
const TOGETHER: usize = 64;
/// After this number of unanswered pings, the client counts as gone.
const UNANSWERED: u32 = 2;
/// How long a client may take for the closing frames.
const FAREWELL: Duration = Duration::from_secs(1);
const MESSAGE_DATA: u8 = 1;

#[derive(Clone, Copy)]
enum Level {
    Info = 0,
    Warning = 1,
    Error = 2,
}

struct Subscribed {
    channel: Arc<Channel>,
    subscription: Subscription,
    /// Skipped messages, and how many the client was told about.
    passed: u64,
    said: u64,
    _counted: Counted,
}

struct Viewer {
    gateway: Arc<Gateway>,
    rights: Arc<Rights>,
    place: Arc<Place>,
    account: Arc<Account>,
    wake: Arc<Notify>,
    /// Channels by number, and the number of each name.
    channels: BTreeMap<u32, Arc<Channel>>,
    names: BTreeMap<String, u32>,
    subscriptions: BTreeMap<u32, Subscribed>,
    /// The id of the subscription that sent last.
    turn: u32,
    /// Frames to write: answers to one client frame, or the result of one look.
    waiting: VecDeque<Message>,
    mistakes: u32,
    close: Option<(u16, &'static str)>,
}

pub async fn serve(socket: WebSocket, gateway: Arc<Gateway>, rights: Arc<Rights>, place: Arc<Place>) {
    gateway.sessions.fetch_add(1, Ordering::AcqRel);
    let clients = Counted::new(&gateway.counters, |counters| &counters.clients);
    add(&gateway.counters.clients_ever, 1);
    let mut stop = gateway.stop.clone();
    let mut viewer = Viewer::new(&gateway, rights.clone(), place);
    tokio::select! {
        () = viewer.talk(socket) => {}
        () = async { gateway.tokens.ended(&rights).await; tokio::time::sleep(LOOK.saturating_add(FAREWELL)).await } => {}
        // A client that takes nothing must not delay the end of the gateway.
        () = async { let _ = stop.wait_for(|stop| *stop).await; tokio::time::sleep(FAREWELL).await } => {}
    }
    drop(clients);
    gateway.sessions.fetch_sub(1, Ordering::AcqRel);
}

impl Viewer {
    fn new(gateway: &Arc<Gateway>, rights: Arc<Rights>, place: Arc<Place>) -> Viewer {
        let account = gateway.room.account(&rights.name);
        place.arriving.begin(&account);
        Viewer {
            gateway: gateway.clone(),
            account,
            rights,
            place,
            wake: Arc::new(Notify::new()),
            channels: BTreeMap::new(),
            names: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            turn: 0,
            waiting: VecDeque::new(),
            mistakes: 0,
            close: None,
        }
    }

    async fn talk(&mut self, socket: WebSocket) {
        let (mut writer, mut reader) = socket.split();
        let ping = self.gateway.settings.ping;
        let (mut next_ping, mut next_look, mut unanswered) = (after(ping), Instant::now(), 0_u32);
        let mut stop = self.gateway.stop.clone();
        self.say(Value::map([
            ("op", Value::from("serverInfo")),
            ("name", format!("linkspan gateway on {}", self.gateway.machine).into()),
            ("capabilities", Value::Array(Vec::new())),
            ("supportedEncodings", Value::Array(Vec::new())),
            ("metadata", Value::map([("version", Value::from(env!("CARGO_PKG_VERSION")))])),
            ("sessionId", self.gateway.viewers.session.as_str().into()),
        ]));
        loop {
            let now = Instant::now();
            if now >= next_look {
                next_look = after(LOOK);
                self.look();
            }
            if now >= next_ping {
                next_ping = after(ping);
                if unanswered >= UNANSWERED {
                    self.close.get_or_insert((ending::REFUSED, "no answer to pings"));
                }
                unanswered = unanswered.saturating_add(1);
                self.waiting.push_back(Message::Ping(Bytes::new()));
            }
            let has_more = match self.write(&mut writer).await {
                Ok(has_more) => has_more,
                Err(_) => return,
            };
            if let Some((code, reason)) = self.close {
                self.place.linger();
                let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
                let _ = timeout(FAREWELL, writer.send(Message::Close(Some(close)))).await;
                return;
            }
            let due = self.subscriptions.values().filter_map(|one| one.subscription.due()).min();
            let mut until = due.into_iter().fold(next_ping.min(next_look), Instant::min);
            if has_more {
                until = now;
            }
            let frame = tokio::select! {
                // Reading from the client has priority over writing.
                biased;
                frame = reader.next() => frame,
                () = async { drop(stop.wait_for(|stop| *stop).await) } => {
                    self.close.get_or_insert((1001, "the gateway ends"));
                    continue;
                }
                () = self.wake.notified() => continue,
                () = sleep_until(until.into()) => continue,
            };
            unanswered = 0;
            match &frame {
                Some(Ok(Message::Ping(bytes) | Message::Pong(bytes))) => {
                    self.place.arriving.skip(bytes.len())
                }
                _ => drop(self.place.arriving.end()),
            }
            match frame {
                Some(Ok(Message::Text(text))) => self.take(text.as_bytes()),
                Some(Ok(Message::Binary(_))) => {
                    self.mistake(
                        "viewers read names, and publish and call none: a binary frame was passed over",
                    );
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(error)) => {
                    let Some((error, code, reason)) = ending::of_socket(error, MAX_FRAME) else { return };
                    self.status(Level::Error, None, error.text().to_owned());
                    self.close.get_or_insert((code, reason));
                }
                Some(Ok(Message::Close(_))) | None => {
                    let _ = timeout(FAREWELL, writer.close()).await;
                    return;
                }
            }
        }
    }

    /// Writes waiting frames and one message per subscription; returns whether there may be more.
    async fn write(
        &mut self,
        writer: &mut SplitSink<WebSocket, Message>,
    ) -> std::result::Result<bool, axum::Error> {
        while let Some(frame) = self.waiting.pop_front() {
            self.count(&frame);
            writer.feed(frame).await?;
        }
        let mut written: usize = 0;
        while self.close.is_none() && written < TOGETHER {
            let Some(frame) = self.next(Instant::now()) else { break };
            self.count(&frame);
            writer.feed(frame).await?;
            written = written.saturating_add(1);
        }
        writer.flush().await?;
        Ok(written == TOGETHER || !self.waiting.is_empty())
    }

    fn count(&self, frame: &Message) {
        let length = match frame {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
            _ => return,
        };
        add(&self.gateway.counters.sent, 1);
        add(&self.gateway.counters.sent_bytes, length as u64);
    }

    fn say(&mut self, frame: Value) {
        // These texts, numbers and maps always have a JSON form.
        if let Ok(text) = codec::encode(&frame, Encoding::Json) {
            self.waiting.push_back(Message::Text(String::from_utf8_lossy(&text).into_owned().into()));
        }
    }

    /// Adds an entry to the viewer's list of problems. It replaces an older entry with its id.
    fn status(&mut self, level: Level, id: Option<String>, text: String) {
        let mut frame = vec![
            ("op", Value::from("status")),
            ("level", (level as u64).into()),
            ("message", without_paths(&text).into()),
        ];
        if let Some(id) = id {
            frame.push(("id", id.into()));
        }
        self.say(Value::map(frame));
    }

    fn mistake(&mut self, text: &str) {
        self.mistakes = self.mistakes.saturating_add(1);
        if self.mistakes > MISTAKES {
            self.close.get_or_insert((ending::REFUSED, "too many frames without a meaning"));
            return;
        }
        self.status(Level::Error, None, text.to_owned());
    }

    fn take(&mut self, text: &[u8]) {
        add(&self.gateway.counters.frames, 1);
        let Some(frame) = asked::object(text) else {
            self.status(Level::Error, None, "a frame of a viewer is an object in JSON".to_owned());
            self.close.get_or_insert((ending::NO_FRAME, "a frame that is none"));
            return;
        };
        match Asked::of(&frame) {
            Ok(Asked::Subscribe(all)) => {
                for (id, channel) in all {
                    // A refused subscription leaves the others open.
                    if let Err(error) = self.subscribe(id, channel) {
                        self.status(Level::Error, None, error.text().to_owned());
                    }
                }
            }
            Ok(Asked::Unsubscribe(ids)) => ids.into_iter().for_each(|id| self.unsubscribe(id)),
            Err(error) => self.mistake(error.text()),
        }
    }

    fn unsubscribe(&mut self, id: u32) {
        self.say_passed(id);
        if self.subscriptions.remove(&id).is_none() {
            // Viewers also end subscriptions whose channel has already ended; this is not a mistake.
            self.status(Level::Info, None, format!("no subscription has the id {id} now"));
        }
    }

    fn subscribe(&mut self, id: u32, channel: u32) -> Result<()> {
        let Some(channel) = self.channels.get(&channel).cloned() else {
            // The request crossed the end of the channel.
            self.status(Level::Warning, None, format!("there is no channel {channel} now"));
            return Ok(());
        };
        if self.subscriptions.contains_key(&id) {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("a subscription has the id {id} already"),
            ));
        }
        if self.subscriptions.len() >= SUBSCRIPTIONS {
            let text = format!("a viewer has at most {SUBSCRIPTIONS} subscriptions: end some");
            return Err(Error::new(ErrorKind::Full, text));
        }
        let key = Key { name: channel.name.clone(), from: None };
        let joined = self.gateway.feeds.join(vec![key], &self.rights, &self.wake)?;
        let choice = Choice::of(true, None, None, self.gateway.settings.name_rate)?;
        let lagged = self.gateway.counters.lagged.clone();
        let subscription = Subscription::new(joined, choice, Default::default(), &self.account, lagged)?;
        let counted = Counted::new(&self.gateway.counters, |counters| &counters.subscriptions);
        let one = Subscribed { channel, subscription, passed: 0, said: 0, _counted: counted };
        self.subscriptions.insert(id, one);
        Ok(())
    }

    /// Returns the next message; subscriptions take turns.
    fn next(&mut self, now: Instant) -> Option<Message> {
        let turn = self.turn;
        let after = self.subscriptions.range(turn.saturating_add(1)..).map(|(id, _)| *id);
        let ids: Vec<u32> = after.chain(self.subscriptions.range(..=turn).map(|(id, _)| *id)).collect();
        for id in ids {
            while let Some(given) = self.subscriptions.get_mut(&id).and_then(|one| one.subscription.next(now))
            {
                self.turn = id;
                if let Some(frame) = self.written(id, given) {
                    return Some(frame);
                }
            }
        }
        None
    }

    fn written(&mut self, id: u32, given: Given) -> Option<Message> {
        let one = self.subscriptions.get_mut(&id)?;
        match given {
            Given::Message { message, passed, .. } => {
                one.passed = one.passed.saturating_add(passed);
                let name = one.channel.name.text();
                let viewed = message.viewed(&one.channel.messages);
                match viewed {
                    Ok((encoder, body)) if Arc::ptr_eq(&encoder, &one.channel.encoder) => {
                        let mut frame = BytesMut::with_capacity(body.len().saturating_add(13));
                        frame.put_u8(MESSAGE_DATA);
                        frame.put_u32_le(id);
                        frame.put_u64_le(u64::try_from(message.sent.0).unwrap_or(0));
                        frame.put_slice(&body);
                        Some(Message::Binary(frame.freeze()))
                    }
                    Ok((encoder, _)) => {
                        // The viewer gets the message through the channel of the new type.
                        self.gateway.viewers.change(&name, encoder, message.incarnation);
                        self.advertise();
                        None
                    }
                    Err(error) => {
                        one.passed = one.passed.saturating_add(1);
                        let text = format!("message {} of {name} cannot be shown: {error}", message.number);
                        self.status(Level::Error, Some(format!("unreadable:{name}")), text);
                        None
                    }
                }
            }
            Given::Lagged { missed, .. } => {
                one.passed = one.passed.saturating_add(missed);
                None
            }
            // The channel stays until the name returns or `look` unadvertises it.
            Given::Joined { .. } | Given::Ended { .. } => None,
            Given::Closed(error) => {
                let name = one.channel.name.text();
                self.say_passed(id);
                self.subscriptions.remove(&id);
                self.status(Level::Error, Some(format!("closed:{name}")), format!("{name}: {error}"));
                None
            }
        }
    }

    fn say_passed(&mut self, id: u32) {
        let Some(one) = self.subscriptions.get_mut(&id).filter(|one| one.passed > one.said) else { return };
        one.said = one.passed;
        let (name, passed) = (one.channel.name.text(), one.passed);
        let text = format!(
            "{name}: {passed} messages were passed over: a viewer gets at most {} of a name in a second, and the newest where it is slow; --name-rate of the gateway says how many",
            self.gateway.settings.name_rate
        );
        self.status(Level::Info, Some(format!("passed:{name}")), text);
    }

    fn look(&mut self) {
        if !self.gateway.tokens.is_valid(&self.rights) && !self.gateway.tokens.is_valid_reading(&self.rights)
        {
            self.status(Level::Error, None, tokens::ended().text().to_owned());
            self.close.get_or_insert((ending::REFUSED, "the token counts no more"));
            return;
        }
        self.gateway.viewers.look(&self.wake);
        let ids: Vec<u32> = self.subscriptions.keys().copied().collect();
        ids.into_iter().for_each(|id| self.say_passed(id));
        self.advertise();
    }

    fn advertise(&mut self) {
        let now = self.gateway.viewers.channels(&self.rights);
        let mut gone = Vec::new();
        for (name, id) in &self.names {
            let is_used = || self.subscriptions.values().any(|one| one.channel.id == *id);
            match now.get(name) {
                Some(channel) if channel.id == *id => {}
                // A name without a program may return, so its plot stays.
                None if is_used() => {}
                _ => gone.push((name.clone(), *id)),
            }
        }
        for (name, id) in &gone {
            self.names.remove(name);
            self.channels.remove(id);
            let ended: Vec<u32> = self
                .subscriptions
                .iter()
                .filter(|(_, one)| one.channel.id == *id)
                .map(|(id, _)| *id)
                .collect();
            for id in ended {
                self.say_passed(id);
                self.subscriptions.remove(&id);
            }
        }
        if !gone.is_empty() {
            let ids: Vec<Value> = gone.iter().map(|(_, id)| Value::from(u64::from(*id))).collect();
            self.say(Value::map([("op", Value::from("unadvertise")), ("channelIds", Value::Array(ids))]));
        }
        let new: Vec<Arc<Channel>> =
            now.into_values().filter(|channel| !self.channels.contains_key(&channel.id)).collect();
        for some in new.chunks(TOGETHER) {
            let shown: Vec<Value> = some.iter().map(|channel| channel.to_value()).collect();
            self.say(Value::map([("op", Value::from("advertise")), ("channels", Value::Array(shown))]));
        }
        for channel in new {
            self.names.insert(channel.name.text(), channel.id);
            self.channels.insert(channel.id, channel);
        }
    }
}

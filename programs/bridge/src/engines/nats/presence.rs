//! Discovers other bridges and their names.
//!
//! Every second and after each change, a bridge publishes a heartbeat with two numbers: its connection to the server
//! and the version of its list. A bridge that does not know them requests the list. After a reconnect, messages may
//! be lost in both directions. Therefore all of the bridge's names are reported as if they had appeared again, and
//! newest messages are requested.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Message;
use async_nats::client::Request;
use futures_util::StreamExt;
use linkspan::{Encoding, Value, codec};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::names::{self, Version};
use super::presence_event::PresenceEvent;
use super::shared::Shared;
use crate::clocks::after;
use crate::config::is_word;
use crate::engine::{Arrival, Bridge, Presence};

const HEARTBEAT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(500);
/// Changes within this time are announced together.
const TOGETHER: Duration = Duration::from_millis(10);
/// Silence of a bridge after which the server is asked whether it is connected.
const QUIET: Duration = Duration::from_millis(2500);
/// Silence after which a bridge counts as gone.
const GONE: Duration = Duration::from_secs(7);
/// How long other bridges may take to reconnect after a reconnect of this one.
const GRACE: Duration = Duration::from_secs(3);
/// Reports of a missing subscriber after which a bridge counts as gone.
const ABSENT: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(2);
const BRIDGES: usize = 1_000;

struct Remote {
    bridge: Bridge,
    last_heartbeat: Instant,
    /// The version of its list in that heartbeat.
    announced: Version,
    /// The version of `names`; `None` to report all names again.
    known: Option<Version>,
    names: HashSet<Presence>,
    /// Whether a request for its list is pending.
    is_requested: bool,
    /// Whether to ask the server about it, regardless of its last heartbeat.
    is_doubted: bool,
    /// The server's reports of a missing subscriber since the last heartbeat.
    absent: u32,
}

/// Runs until the runtime ends.
///
/// One task owns the state, so it needs no lock. Other tasks wait for answers and send their results as events.
pub async fn run(shared: Arc<Shared>, mut presence_events: mpsc::UnboundedReceiver<PresenceEvent>) {
    let subscribed = shared.client.subscribe(shared.subjects.presence()).await;
    let Ok(mut heartbeats) = subscribed else { return };
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch {
        shared,
        remotes: HashMap::new(),
        services: HashSet::new(),
        last_sent: None,
        grace_until: after(Instant::now(), GRACE),
    };
    loop {
        tokio::select! {
            Some(event) = presence_events.recv() => watch.handle(event).await,
            Some(message) = heartbeats.next() => watch.receive(&message).await,
            () = watch.shared.changed.notified() => {
                tokio::time::sleep(TOGETHER).await;
                watch.send_heartbeat(false).await;
            }
            _ = looks.tick() => watch.check().await,
            else => return,
        }
    }
}

struct Watch {
    shared: Arc<Shared>,
    remotes: HashMap<u64, Remote>,
    services: HashSet<Presence>,
    last_sent: Option<Instant>,
    /// Until when reports of a missing subscriber are ignored.
    grace_until: Instant,
}

impl Watch {
    /// Publishes a heartbeat; `asks` makes other bridges answer with theirs at once.
    async fn send_heartbeat(&mut self, asks: bool) {
        let version = self.shared.list().version;
        self.last_sent = Some(Instant::now());
        self.shared.send_heartbeat(version, Some(("asks", asks))).await;
    }

    async fn handle(&mut self, event: PresenceEvent) {
        match event {
            PresenceEvent::Connected => {
                {
                    let version = &mut self.shared.list().version;
                    version.connection = version.connection.saturating_add(1);
                }
                self.grace_until = after(Instant::now(), GRACE);
                self.forget();
                self.send_heartbeat(true).await;
            }
            PresenceEvent::Missed => self.forget(),
            PresenceEvent::Names(id, names) => self.update(id, names),
            PresenceEvent::Absent(id) if Instant::now() > self.grace_until => {
                let Some(remote) = self.remotes.get_mut(&id) else { return };
                remote.absent = remote.absent.saturating_add(1);
                if remote.absent >= ABSENT {
                    self.remove(id);
                }
            }
            PresenceEvent::Absent(_) => {}
            PresenceEvent::Services(there) => {
                let gone: Vec<_> = self.services.difference(&there).cloned().collect();
                let new: Vec<_> = there.difference(&self.services).cloned().collect();
                self.services = there;
                self.gone(gone, Instant::now());
                self.shared.appeared(new);
            }
        }
    }

    /// Requests all lists again, and reports all names again.
    fn forget(&mut self) {
        for id in self.remotes.keys().copied().collect::<Vec<_>>() {
            if let Some(remote) = self.remotes.get_mut(&id) {
                remote.known = None;
            }
            self.request_names(id);
        }
    }

    /// Handles another bridge's heartbeat. Ignores malformed ones, and new bridges above the limit.
    async fn receive(&mut self, message: &Message) {
        let Some(heartbeat) = Heartbeat::read(&message.payload) else { return };
        let id = heartbeat.bridge.id;
        if id == self.shared.id {
            return;
        }
        if heartbeat.ends {
            return self.remove(id);
        }
        if !self.remotes.contains_key(&id) {
            if self.remotes.len() >= BRIDGES {
                return;
            }
            self.shared.inbox.push(Arrival::BridgeAppeared(heartbeat.bridge.clone()));
            // Usually the machine's previous bridge has ended, so the server is asked about it at once.
            let same = self.remotes.values_mut().filter(|it| it.bridge.machine == heartbeat.bridge.machine);
            same.for_each(|it| it.is_doubted = true);
        }
        let now = Instant::now();
        let remote = self.remotes.entry(id).or_insert_with(|| Remote {
            bridge: heartbeat.bridge,
            last_heartbeat: now,
            announced: heartbeat.version,
            known: None,
            names: HashSet::new(),
            is_requested: false,
            is_doubted: false,
            absent: 0,
        });
        (remote.last_heartbeat, remote.announced) = (now, heartbeat.version);
        (remote.is_doubted, remote.absent) = (false, 0);
        self.request_names(id);
        if heartbeat.asks {
            self.send_heartbeat(false).await;
        }
    }

    fn request_names(&mut self, id: u64) {
        let Some(remote) = self.remotes.get_mut(&id) else { return };
        if remote.known == Some(remote.announced) || remote.is_requested {
            return;
        }
        remote.is_requested = true;
        let (shared, bridge) = (self.shared.clone(), remote.bridge.clone());
        tokio::spawn(async move {
            let names = names::fetch(&shared.client, &shared.subjects, &bridge, PATIENCE).await;
            // Fails only if the engine has ended.
            let _ = shared.presence_events.send(PresenceEvent::Names(id, names));
        });
    }

    /// Takes a bridge's list and reports names that appeared or went.
    ///
    /// If the bridge has reconnected, all of its names are reported as appeared.
    fn update(&mut self, id: u64, received: Option<(Version, HashSet<Presence>)>) {
        let Some(remote) = self.remotes.get_mut(&id) else { return };
        remote.is_requested = false;
        // Without an answer, the next heartbeat requests them again.
        let Some((version, names)) = received else { return };
        let is_anew = remote.known.is_none_or(|known| known.connection != version.connection);
        let gone: Vec<_> = remote.names.difference(&names).cloned().collect();
        let new = names.iter().filter(|it| is_anew || !remote.names.contains(it)).cloned().collect();
        (remote.known, remote.names) = (Some(version), names);
        let is_behind = remote.announced.is_after(&version);
        self.gone(gone, Instant::now());
        self.shared.appeared(new);
        // The list has changed during the reading.
        if is_behind {
            self.request_names(id);
        }
    }

    /// Sends a due heartbeat, removes silent bridges, and asks the server about quiet ones.
    async fn check(&mut self) {
        if self.last_sent.is_none_or(|at| at.elapsed() >= HEARTBEAT) {
            self.send_heartbeat(false).await;
        }
        let gone = self.remotes.iter().filter(|(_, it)| it.last_heartbeat.elapsed() >= GONE);
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.remove(id);
        }
        let is_quiet = |it: &Remote| it.is_doubted || it.last_heartbeat.elapsed() >= QUIET;
        for (id, _) in self.remotes.iter().filter(|(_, it)| is_quiet(it)) {
            let (shared, id) = (self.shared.clone(), *id);
            let subject = shared.subjects.names(id);
            tokio::spawn(async move {
                let question = Request::new().payload(names::question(usize::MAX)).timeout(Some(PATIENCE));
                // A page after the last name is empty: only the existence of a subscriber matters.
                if let Err(e) = shared.client.send_request(subject, question).await
                    && e.kind() == async_nats::RequestErrorKind::NoResponders
                {
                    let _ = shared.presence_events.send(PresenceEvent::Absent(id));
                }
            });
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(remote) = self.remotes.remove(&id) else { return };
        // Later requests cannot have reached it.
        self.gone(remote.names.into_iter().collect(), after(remote.last_heartbeat, HEARTBEAT));
        self.shared.inbox.push(Arrival::BridgeGone(remote.bridge));
    }

    /// Reports names as gone and ends the requests sent to them before `by`. Names of a restarted bridge stay.
    fn gone(&self, names: Vec<Presence>, by: Instant) {
        for name in names {
            self.shared.requests.end_those_to(&name, by);
            if !self.services.contains(&name) && !self.remotes.values().any(|it| it.names.contains(&name)) {
                self.shared.inbox.push(Arrival::Gone(name));
            }
        }
    }
}

/// A heartbeat of a bridge: a map in CBOR.
struct Heartbeat {
    bridge: Bridge,
    version: Version,
    /// Whether other bridges should send their heartbeats at once.
    asks: bool,
    ends: bool,
}

impl Heartbeat {
    /// Decodes a heartbeat; `None` if it is malformed.
    fn read(bytes: &[u8]) -> Option<Heartbeat> {
        let map = codec::decode(bytes, Encoding::Cbor).ok()?;
        let is = |key: &str| map.at(key).and_then(Value::as_bool).unwrap_or(false);
        let id = map.at("bridge").and_then(Value::as_u64).ok().filter(|id| *id != 0)?;
        // Users see the name, so its characters are restricted.
        let machine = map.at("machine").and_then(Value::as_text).ok().filter(|it| is_word(it))?.to_owned();
        let bridge = Bridge { id, machine };
        Some(Heartbeat { bridge, version: Version::read(&map)?, asks: is("asks"), ends: is("ends") })
    }
}

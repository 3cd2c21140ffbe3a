//! The engine zenoh, with all uses of zenoh in this program.
//!
//! | Linkspan | zenoh |
//! |---|---|
//! | the name `lab/fft` | the key `linkspan/REALM/lab/fft` |
//! | a message's origin | an attachment, a map in CBOR: `incarnation`, `sequence`, `sent`, `kept` |
//! | the newest message; a request | a query on that key |
//! | presence of a bridge | the liveliness token `linkspan/REALM/@alive/bridge/MACHINE/ID/bridge` |
//! | presence of a name | the liveliness token `linkspan/REALM/@alive/PATTERN/MACHINE/INCARNATION/NAME` |
//! | packets between bridges | the key `linkspan/REALM/@link/TO/FROM/ID`: both machines, and the receiver's number |
//!
//! zenoh removes a token when its session ends or becomes unreachable, so presences need no heartbeat here. Callbacks
//! run on zenoh's threads and put arrivals into the inbox; they only answer queries for a newest message. Samples and
//! packets use `CongestionControl::Drop`: a slow peer loses them and does not delay the loop. A lost newest message
//! is queried: see `newest_numbers`.

use std::any::Any;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linkspan::{Encoding, Error, ErrorKind, RemoteFailure, Result, Value, codec};
use zenoh::bytes::ZBytes;
use zenoh::key_expr::KeyExpr;
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::{CongestionControl, Priority};
use zenoh::query::{ConsolidationMode, Query, QueryTarget, Queryable};
use zenoh::sample::{Locality, SampleKind};
use zenoh::{Session, Wait};

use crate::access;
use crate::config::{Config, is_word};
use crate::engine::{
    Answering, Arrival, Body, Bridge, Call, Engine, LONGEST, Newest, Origin, Outlet, Pattern, Presence,
    Reply, Respond, Sample, encoding_of, failure, failure_bytes, failure_from, mime,
};
use crate::inbox::Inbox;
use crate::tls::{AUTHORITY, CERTIFICATE, Folder, KEY};

/// The time-out of a query for a newest message. A long message takes time on a slow network.
const PATIENCE: Duration = Duration::from_secs(30);
/// The text of an error reply when no answer came in time.
const TIMEOUT: &str = "Timeout";

/// The pattern and the name in a bridge's token.
const BRIDGE: &str = "bridge";

/// A zenoh session. Dropping it ends the session and withdraws everything.
pub struct Zenoh {
    session: Session,
    realm: String,
    machine: String,
    inbox: Inbox,
    _here: LivelinessToken,
    id: u64,
    imported: Mutex<Vec<Subscriber<()>>>,
}

impl Zenoh {
    /// Opens a session with this inbox. zenoh connects to other bridges as soon as they are reachable.
    ///
    /// # Errors
    /// `TransportUnavailable` with zenoh's text; errors of reading this machine's keys and name.
    pub fn open(config: &Config, inbox: &Inbox) -> Result<Zenoh> {
        let mut ours = zenoh::Config::default();
        let list = |addresses: &[String]| Value::from(addresses.to_vec());
        let is_client = !config.zenoh.routers.is_empty();
        let connect = if is_client { &config.zenoh.routers } else { &config.zenoh.connect };
        let mut settings = vec![
            ("mode", Value::from(if is_client { "client" } else { "peer" })),
            ("listen/endpoints", list(&config.zenoh.listen)),
            ("connect/endpoints", list(connect)),
            // Connects to a missing peer when it appears.
            ("connect/timeout_ms", Value::from(-1)),
            ("connect/exit_on_failure", Value::from(false)),
            ("connect/retry", Value::map([("period_init_ms", 100), ("period_max_ms", 1000)])),
            ("scouting/multicast/enabled", Value::from(config.zenoh.scouting)),
            ("scouting/gossip/enabled", Value::from(config.zenoh.scouting)),
            // No bridge sends longer messages. zenoh drops them on arrival instead of collecting them in memory.
            ("transport/link/rx/max_message_size", Value::from(LONGEST)),
            // A link's bytes in flight fit in this queue: 16 batches of 64 KiB.
            ("transport/link/tx/queue/size/data_high", Value::from(16)),
            // A message that does not fit in its queue is dropped after at most 50 ms.
            ("transport/link/tx/queue/size/data", Value::from(16)),
        ];
        if let Some(tls) = &config.tls {
            settings.extend(encryption(config, &Folder::read(&tls.folder)?));
        }
        for (key, value) in settings {
            let json = codec::encode(&value, Encoding::Json)?;
            let json = String::from_utf8_lossy(&json);
            ours.insert_json5(key, &json).map_err(|e| failed(&format!("setting zenoh's {key}"), &e))?;
        }
        let opened = zenoh::open(ours).wait();
        let session = opened.map_err(|e| {
            let listening = refused_address(&e.to_string(), &config.zenoh.listen);
            listening.unwrap_or_else(|| failed("opening a zenoh session", &e))
        })?;
        let (realm, machine) = (&config.realm, config.machine()?);
        // A hasher's seed is random. The lowest bit is set because 0 is invalid.
        let id = RandomState::new().build_hasher().finish() | 1;
        let here = format!("linkspan/{realm}/@alive/{BRIDGE}/{machine}/{id:x}/{BRIDGE}");
        let here = session.liveliness().declare_token(here).wait();
        let zenoh = Zenoh {
            _here: here.map_err(|e| failed("telling others of this bridge", &e))?,
            session,
            realm: config.realm.clone(),
            machine,
            inbox: inbox.clone(),
            id,
            imported: Mutex::default(),
        };
        zenoh.receive_packets()?;
        zenoh.watch_presences()?;
        Ok(zenoh)
    }

    fn key(&self, name: &str) -> String {
        format!("linkspan/{}/{name}", self.realm)
    }

    /// Declares the token of a presence; dropping it withdraws the presence.
    fn token(&self, presence: &Presence) -> Result<LivelinessToken> {
        let Presence { name, pattern, machine, incarnation } = presence;
        let word = pattern.word();
        let key = format!("linkspan/{}/@alive/{word}/{machine}/{incarnation:x}/{name}", self.realm);
        let declared = self.session.liveliness().declare_token(key).wait();
        declared.map_err(|e| failed("telling others of a name", &e).on(name))
    }

    /// Receives other bridges' packets for this bridge until the session ends.
    fn receive_packets(&self) -> Result<()> {
        let inbox = self.inbox.clone();
        let prefix = format!("linkspan/{}/@link/{}/", self.realm, self.machine);
        let key = format!("{prefix}*/{:x}", self.id);
        let sent = move |sample: zenoh::sample::Sample| {
            // The access control lets a machine put only at keys with its own name here.
            let from = sample.key_expr().as_str().strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
            if let Some((machine, _)) = from {
                inbox.push(Arrival::Packet(machine.to_owned(), bytes_of(sample.payload())));
            }
        };
        let subscriber = self.session.declare_subscriber(key).allowed_origin(Locality::Remote);
        let received = subscriber.callback(sent).background().wait();
        received.map_err(|e| failed("receiving from other bridges", &e))
    }

    /// Watches all tokens of the realm, including existing ones, until the session ends.
    fn watch_presences(&self) -> Result<()> {
        let prefix = format!("linkspan/{}/@alive/", self.realm);
        let (inbox, within) = (self.inbox.clone(), prefix.clone());
        let callback = move |sample: zenoh::sample::Sample| {
            let Some(token) = sample.key_expr().as_str().strip_prefix(&within) else { return };
            if let Some(bridge) = bridge_of(token) {
                inbox.push(match sample.kind() {
                    SampleKind::Put => Arrival::BridgeAppeared(bridge),
                    SampleKind::Delete => Arrival::BridgeGone(bridge),
                });
            } else if let Some(presence) = presence_of(token) {
                inbox.push(match sample.kind() {
                    SampleKind::Put => Arrival::Appeared(presence),
                    SampleKind::Delete => Arrival::Gone(presence),
                });
            }
        };
        let liveliness = self.session.liveliness();
        let watched = liveliness
            .declare_subscriber(format!("{prefix}**"))
            .history(true)
            .callback(callback)
            .background();
        watched.wait().map_err(|e| failed("watching the names of other machines", &e))
    }
}

impl Engine for Zenoh {
    fn export_publisher(&self, presence: &Presence) -> Result<Box<dyn Outlet>> {
        let key = self.key(&presence.name);
        let error = |e: zenoh::Error| failed("exporting a publisher", &e).on(&presence.name);
        let newest: Arc<Mutex<Option<Sample>>> = Arc::default();
        let (answering, realm_key) = (newest.clone(), key.clone());
        // Without a newest message, the query ends without a reply: see `Ended`.
        let answer = move |query: Query| {
            let newest = answering.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // An error means that the querying bridge has gone.
            let _ = newest.map(|sample| {
                let reply = query.reply(&realm_key, ZBytes::from(sample.body.bytes));
                let attached = sample.origin.as_ref().map(attachment);
                reply.encoding(mime(sample.body.encoding)).attachment(attached).wait()
            });
        };
        let queryable = self.session.declare_queryable(key.clone()).callback(answer).wait().map_err(error)?;
        let publisher = self.session.declare_publisher(key).congestion_control(CongestionControl::Drop);
        let publisher = publisher.allowed_destination(Locality::Remote).wait().map_err(error)?;
        // Last, because a bridge that sees the token may query at once.
        let token = self.token(presence)?;
        Ok(Box::new(Exported { publisher, newest, _queryable: queryable, _token: token }))
    }

    fn export_server(&self, presence: &Presence) -> Result<Box<dyn Any>> {
        let (inbox, name, key) = (self.inbox.clone(), presence.name.clone(), self.key(&presence.name));
        let reply_key = key.clone();
        let on_query = move |query: Query| {
            let encoding = encoding_of(query.encoding().map(ToString::to_string).as_deref());
            let bytes = query.payload().map(bytes_of).unwrap_or_default();
            let attached = query.attachment().map(bytes_of);
            let call = Call::of(Body { encoding, bytes }, attached.as_deref(), Encoding::Cbor);
            let key = reply_key.clone();
            let respond = move |reply: Reply| {
                // An error means that the caller has gone.
                let _ = match reply {
                    Ok(body) => {
                        let reply = query.reply(&key, ZBytes::from(body.bytes));
                        reply.encoding(mime(body.encoding)).wait()
                    }
                    Err(failure) => {
                        let reply = query.reply_err(failure_bytes(&failure));
                        reply.encoding("application/cbor").wait()
                    }
                };
            };
            inbox.push(Arrival::Request(name.clone(), call, Box::new(respond)));
        };
        let declared = self.session.declare_queryable(key).callback(on_query).wait();
        let queryable = declared.map_err(|e| failed("exporting a server", &e).on(&presence.name))?;
        Ok(Box::new((queryable, self.token(presence)?)))
    }

    fn export_channel(&self, presence: &Presence) -> Result<Box<dyn Any>> {
        Ok(Box::new(self.token(presence)?))
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn send(&self, bridge: &Bridge, packet: Bytes) -> Result<()> {
        let key =
            format!("linkspan/{}/@link/{}/{}/{:x}", self.realm, bridge.machine, self.machine, bridge.id);
        // Lost packets are sent again, while a full queue would delay the loop.
        let put = self.session.put(key, ZBytes::from(packet)).congestion_control(CongestionControl::Drop);
        let put = put.priority(Priority::DataHigh).allowed_destination(Locality::Remote);
        put.wait().map_err(|e| failed("sending to another bridge", &e))
    }

    fn import(&self, pattern: &str) -> Result<()> {
        let (inbox, prefix) = (self.inbox.clone(), self.key(""));
        let callback = move |sample: zenoh::sample::Sample| {
            let Some(name) = sample.key_expr().as_str().strip_prefix(&prefix) else { return };
            inbox.push(match sample.kind() {
                SampleKind::Put => Arrival::Sample(sample_of(name, &sample)),
                SampleKind::Delete => Arrival::Ended(name.to_owned()),
            });
        };
        let error = |e| failed("importing names", &e).on(pattern);
        let key = KeyExpr::try_from(self.key(&key_pattern(pattern))).map_err(error)?;
        let mut imported = self.imported.lock().unwrap_or_else(PoisonError::into_inner);
        // Each subscriber delivers a sample once, so subscribers must not overlap. Of two keys, one includes the
        // other, or they are disjoint.
        if imported.iter().any(|wide| wide.key_expr().includes(&key)) {
            return Ok(());
        }
        imported.retain(|narrow| !key.includes(narrow.key_expr()));
        let subscriber = self.session.declare_subscriber(key);
        let subscriber = subscriber.allowed_origin(Locality::Remote).callback(callback).wait();
        imported.push(subscriber.map_err(error)?);
        Ok(())
    }

    fn newest(&self, presence: &Presence) -> Result<()> {
        let (inbox, answered) = (self.inbox.clone(), Arc::new(AtomicBool::new(false)));
        let key = self.key(&presence.name);
        let (name, presence) = (presence.name.clone(), presence.clone());
        // zenoh reports a query's end by dropping the callback, and this value with it.
        let ended = Ended(inbox.clone(), presence.clone(), answered.clone());
        let callback = move |reply: zenoh::query::Reply| {
            let _ = &ended;
            match reply.result() {
                Ok(sample) => {
                    let sample = sample_of(&presence.name, sample);
                    // Other programs may have published under this name.
                    if sample.origin.is_some_and(|origin| origin.incarnation == presence.incarnation) {
                        answered.store(true, Ordering::Relaxed);
                        inbox.push(Arrival::Newest(presence.clone(), Newest::Sample(sample)));
                    }
                }
                Err(_) => {
                    answered.store(true, Ordering::Relaxed);
                    inbox.push(Arrival::Newest(presence.clone(), Newest::Unknown));
                }
            }
        };
        let query = self.session.get(key).timeout(PATIENCE).target(QueryTarget::All);
        let query = query.consolidation(ConsolidationMode::None).allowed_destination(Locality::Remote);
        query.callback(callback).wait().map_err(|e| failed("asking for the newest message", &e).on(&name))
    }

    fn request(&self, presence: &Presence, call: Call, timeout: Duration, respond: Respond) -> Result<()> {
        let attached = call.attachment(Encoding::Cbor);
        let Call { body, .. } = call;
        let respond = Answering::new(respond);
        let callback = move |reply: zenoh::query::Reply| {
            respond.give(match reply.result() {
                Ok(sample) => Ok(body_of(sample)),
                Err(error) => Err(failure_of(&bytes_of(error.payload()))),
            });
        };
        let query = self.session.get(self.key(&presence.name)).payload(ZBytes::from(body.bytes));
        let query = query.encoding(mime(body.encoding)).timeout(timeout).attachment(attached);
        let query = query.consolidation(ConsolidationMode::None).allowed_destination(Locality::Remote);
        query.callback(callback).wait().map_err(|e| failed("sending a request", &e).on(&presence.name))
    }
}

struct Exported {
    publisher: Publisher<'static>,
    newest: Arc<Mutex<Option<Sample>>>,
    _queryable: Queryable<()>,
    _token: LivelinessToken,
}

impl Outlet for Exported {
    fn publish(&self, sample: Sample) -> Result<()> {
        let attached = sample.origin.as_ref().map(attachment);
        let (bytes, encoding) = (sample.body.bytes.clone(), mime(sample.body.encoding));
        // Before publishing, so that a later query returns this message.
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
        let put = self.publisher.put(ZBytes::from(bytes)).encoding(encoding).attachment(attached);
        put.wait().map_err(|e| failed("publishing to other machines", &e))
    }
}

/// Reports the end of a query for a newest message. Without a reply, nothing has been published.
struct Ended(Inbox, Presence, Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        if !self.2.load(Ordering::Relaxed) {
            self.0.push(Arrival::Newest(self.1.clone(), Newest::None));
        }
    }
}

/// Returns the settings for TLS with certificates on both sides, and each machine's rights.
///
/// A certificate's common name identifies the machine.
fn encryption(config: &Config, folder: &Folder) -> Vec<(&'static str, Value)> {
    let file = |name: &str| Value::from(folder.file(name));
    vec![
        ("transport/link/protocols", Value::from(vec!["tls".to_owned()])),
        ("transport/link/tls/root_ca_certificate", file(AUTHORITY)),
        ("transport/link/tls/listen_certificate", file(CERTIFICATE)),
        ("transport/link/tls/listen_private_key", file(KEY)),
        ("transport/link/tls/connect_certificate", file(CERTIFICATE)),
        ("transport/link/tls/connect_private_key", file(KEY)),
        ("transport/link/tls/enable_mtls", Value::from(true)),
        // Certificates name machines, not hosts. zenoh also trusts public authorities, whose certificates name hosts,
        // but the access control admits only our machines.
        ("transport/link/tls/verify_name_on_connect", Value::from(false)),
        ("transport/link/tls/close_link_on_expiration", Value::from(true)),
        ("access_control", access::control(config, &folder.certificate.machine, &folder.revoked)),
    ]
}

fn failed(doing: &str, error: &zenoh::Error) -> Error {
    Error::new(ErrorKind::TransportUnavailable, format!("{doing}: {error}"))
}

/// Returns the error for an address where this machine cannot listen; `None` for other errors.
///
/// zenoh's text contains the address and the system's error number.
fn refused_address(text: &str, listen: &[String]) -> Option<Error> {
    let address = listen.iter().find(|address| text.contains(*address))?;
    let number = text.split("(os error ").nth(1)?.split(')').next()?.parse::<i32>().ok()?;
    let (kind, why) = match rustix::io::Errno::from_raw_os_error(number) {
        rustix::io::Errno::ADDRINUSE => {
            let port = address.rsplit_once(':').map_or("", |(_, port)| port);
            let why = format!(
                "another program listens there, perhaps another bridge; end it (`ss -ltnp 'sport = :{port}'` shows which it is), or listen at another port"
            );
            (ErrorKind::AddressInUse, why)
        }
        rustix::io::Errno::ADDRNOTAVAIL => {
            let why = "this machine has no such address; `ip address` shows those that it has";
            (ErrorKind::TransportUnavailable, why.to_owned())
        }
        rustix::io::Errno::ACCESS => {
            let why = "this user may not listen there; ports below 1024 are for root, so give a higher one";
            (ErrorKind::PermissionDenied, why.to_owned())
        }
        _ => return None,
    };
    Some(Error::new(kind, format!("listening at {address}: {why}")))
}

/// Decodes the failure in an error reply, or wraps the text of zenoh or of a program without Linkspan.
fn failure_of(bytes: &[u8]) -> RemoteFailure {
    failure_from(bytes).unwrap_or_else(|| match String::from_utf8_lossy(bytes) {
        text if text == TIMEOUT => failure(TIMEOUT, "the server's machine gave no answer in time"),
        text => failure("zenoh.error", &text),
    })
}

/// Returns the bridge of a token's key suffix; `None` for a name's token or a malformed one.
fn bridge_of(rest: &str) -> Option<Bridge> {
    let mut parts = rest.splitn(4, '/');
    let (word, machine, id, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let id = u64::from_str_radix(id, 16).ok().filter(|id| *id != 0)?;
    let is_bridge = word == BRIDGE && name == BRIDGE && is_word(machine);
    is_bridge.then(|| Bridge { id, machine: machine.to_owned() })
}

/// Returns the presence of a token's key suffix; `None` if it is malformed.
fn presence_of(rest: &str) -> Option<Presence> {
    let mut parts = rest.splitn(4, '/');
    let (word, machine, incarnation, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let pattern = Pattern::of(word)?;
    let incarnation = u64::from_str_radix(incarnation, 16).ok().filter(|incarnation| *incarnation != 0)?;
    // Users see the machine's name, so its characters are restricted.
    if !is_word(machine) {
        return None;
    }
    Some(Presence { name: name.to_owned(), pattern, machine: machine.to_owned(), incarnation })
}

/// Returns a key expression that matches all names of the pattern, and perhaps others.
fn key_pattern(pattern: &str) -> String {
    let Some(at) = pattern.find(['*', '?']) else { return pattern.to_owned() };
    pattern[..at].rsplit_once('/').map_or_else(|| "**".to_owned(), |(before, _)| format!("{before}/**"))
}

fn attachment(origin: &Origin) -> Vec<u8> {
    let fields = [
        ("incarnation", Value::from(origin.incarnation)),
        ("sequence", origin.sequence.into()),
        ("sent", origin.sent.into()),
    ];
    let kept = origin.kept.map(|number| ("kept", Value::from(number)));
    codec::encode(&Value::map(fields.into_iter().chain(kept)), Encoding::Cbor).unwrap_or_default()
}

/// Decodes a message's origin; `None` for an attachment of a program without Linkspan.
fn origin_of(bytes: &[u8]) -> Option<Origin> {
    let map = codec::decode(bytes, Encoding::Cbor).ok()?;
    let number = |key: &str| map.at(key).and_then(Value::as_u64).ok();
    let (incarnation, sequence) = (number("incarnation")?, number("sequence")?);
    let sent = map.at("sent").and_then(Value::as_i64).ok()?;
    (incarnation != 0 && sequence != 0).then_some(Origin {
        incarnation,
        sequence,
        sent,
        kept: number("kept"),
    })
}

fn sample_of(name: &str, sample: &zenoh::sample::Sample) -> Sample {
    let origin = sample.attachment().and_then(|attached| origin_of(&attached.to_bytes()));
    Sample { name: name.to_owned(), origin, body: body_of(sample) }
}

fn body_of(sample: &zenoh::sample::Sample) -> Body {
    let encoding = encoding_of(Some(&sample.encoding().to_string()));
    Body { encoding, bytes: bytes_of(sample.payload()) }
}

/// Returns a payload in one piece; zenoh may hold several.
fn bytes_of(payload: &ZBytes) -> Bytes {
    match payload.to_bytes() {
        std::borrow::Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_expressions_cover_their_patterns() {
        let keys = ["lab/a", "lab/*", "lab/a*b", "*", "x?", "lab/*/b"].map(key_pattern);
        assert_eq!(keys, ["lab/a", "lab/**", "lab/**", "**", "**", "lab/**"]);
    }

    #[test]
    fn presences_and_origins_are_read_as_they_are_written() {
        let presence = presence_of("publish/north/ff/lab/a").unwrap();
        let expected = ("lab/a", Pattern::Publish, "north", 255);
        assert_eq!((&*presence.name, presence.pattern, &*presence.machine, presence.incarnation), expected);
        for wrong in ["publish/north/0/lab", "publish/north/x/lab", "other/north/1/lab", "publish/north/1"] {
            assert!(presence_of(wrong).is_none(), "{wrong}");
        }
        let origin = Origin { incarnation: u64::MAX, sequence: 7, sent: -5, kept: None };
        for origin in [origin, Origin { kept: Some(3), ..origin }] {
            assert_eq!(origin_of(&attachment(&origin)), Some(origin));
        }
        assert_eq!(origin_of(b"\xa0"), None);
        assert_eq!(origin_of(&attachment(&Origin { sequence: 0, ..origin })), None);
    }

    #[test]
    fn address_that_cannot_be_listened_at_is_named_with_what_to_do() {
        let listen = ["tcp/127.0.0.1:7".to_owned(), "tcp/127.0.0.1:8".to_owned()];
        let error = |number| {
            let text = format!(
                "no listener bound to tcp/127.0.0.1:8: [odd (os error {number}) at x.rs:61.] at y.rs:3."
            );
            refused_address(&text, &listen).map(|error| (error.kind(), error.text().to_owned()))
        };
        let (kind, text) = error(98).unwrap();
        assert_eq!(kind, ErrorKind::AddressInUse);
        assert!(
            text.starts_with("listening at tcp/127.0.0.1:8: another program") && text.contains(":8'"),
            "{text}"
        );
        assert_eq!(error(99).unwrap().0, ErrorKind::TransportUnavailable);
        assert_eq!(error(13).unwrap().0, ErrorKind::PermissionDenied);
        assert_eq!((error(5), refused_address("odd (os error 98)", &listen).is_none()), (None, true));
    }

    #[test]
    fn failures_are_read_as_they_are_written() {
        let failed = RemoteFailure { code: -7, kind: "a.b".into(), text: "no".into(), data: vec![1, 2] };
        assert_eq!(failure_of(&failure_bytes(&failed)), failed);
        assert_eq!(failure_of(b"Timeout").kind, "Timeout");
        assert_eq!(failure_of(b"odd \xff").kind, "zenoh.error");
    }
}

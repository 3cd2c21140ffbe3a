//! The engine's object: the connection to a server, its tasks, and this bridge's subscriptions.
//!
//! Its runtime has two threads for all tasks. Dropping the engine announces this bridge's end, if the server is
//! reachable, and ends the tasks.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use linkspan::{Error, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};

use super::announced::Announced;
use super::bucket::Bucket;
use super::outgoing::{Handler, Outgoing, Step};
use super::requests::Requests;
use super::shared::Shared;
use super::subjects::Subjects;
use super::{bucket_writer, connection, presence, sender, services};
use crate::config::Config;
use crate::engine::{Arrival, Presence};
use crate::inbox::Inbox;

pub const PATIENCE: Duration = Duration::from_secs(5);
/// The time-out of announcing this bridge's end.
const PARTING: Duration = Duration::from_millis(500);
/// The queue group of bridges: each request goes to a single bridge.
pub const GROUP: &str = "linkspan";
pub struct Nats {
    /// `None` while it ends.
    runtime: Option<Runtime>,
    pub shared: Arc<Shared>,
    /// The subjects of imported names; dropping a sender ends the subscription.
    pub imported: Mutex<Vec<(String, oneshot::Sender<()>)>>,
}

impl Nats {
    /// Starts to connect, and starts the tasks. The server need not be reachable yet.
    ///
    /// # Errors
    /// Errors of reading credentials, `TransportUnavailable` with the client's text, and errors of starting threads.
    pub fn open(config: &Config, inbox: &Inbox) -> Result<Nats> {
        let os = |e: std::io::Error| Error::os("starting NATS", e.raw_os_error().unwrap_or(0));
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).thread_name("linkspan-nats").enable_all();
        let runtime = runtime.build().map_err(os)?;
        let (presence_events, received) = mpsc::unbounded_channel();
        let client = runtime.block_on(connection::connect(&config.nats, inbox, presence_events.clone()))?;
        let shared = Arc::new(Shared {
            client,
            subjects: Subjects::new(&config.realm),
            inbox: inbox.clone(),
            machine: config.machine()?,
            // A hasher's seed is random. The lowest bit is set because 0 is invalid.
            id: RandomState::new().build_hasher().finish() | 1,
            outgoing: Outgoing::default(),
            list: Mutex::default(),
            changed: Notify::new(),
            presence_events,
            requests: Requests::default(),
            bucket: config.nats.bucket.clone().map(Bucket::new),
        });
        let nats = Nats { runtime: Some(runtime), shared, imported: Mutex::default() };
        nats.receive_packets();
        nats.serve_names();
        nats.spawn(sender::run(nats.shared.clone()));
        nats.spawn(presence::run(nats.shared.clone(), received));
        // Other programs' services matter only if names are imported.
        if !config.import.is_empty() {
            nats.spawn(services::watch(nats.shared.clone()));
        }
        if nats.shared.bucket.is_some() {
            nats.spawn(bucket_writer::fill(nats.shared.clone()));
        }
        Ok(nats)
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    /// Passes messages of a subject to the handler until the returned sender is dropped.
    pub fn subscribe(
        &self,
        subject: String,
        queue: Option<&'static str>,
        handler: Handler,
    ) -> oneshot::Sender<()> {
        let (end, ended) = oneshot::channel();
        self.shared.outgoing.step(Step::Subscribe { subject, queue, handler, ended });
        end
    }

    /// Receives other bridges' packets for this bridge, for the life of the engine.
    fn receive_packets(&self) {
        let (shared, subject) = (self.shared.clone(), self.shared.subjects.packets(self.shared.id));
        let packet = move |message: Message| {
            // The server's permissions can restrict a machine to subjects with its name.
            if let Some(machine) = shared.subjects.sender(shared.id, &message.subject) {
                shared.inbox.push(Arrival::Packet(machine, message.payload));
            }
        };
        self.keep(subject, Box::new(packet));
    }

    /// Answers other bridges' requests for this bridge's names, for the life of the engine.
    fn serve_names(&self) {
        let (shared, subject) = (self.shared.clone(), self.shared.subjects.names(self.shared.id));
        let on_request = move |message: Message| {
            let answer = shared.list().answer(&message.payload);
            shared.answer(message.reply.as_deref(), HeaderMap::new(), answer.into());
        };
        self.keep(subject, Box::new(on_request));
    }

    fn keep(&self, subject: String, handler: Handler) {
        let end = self.subscribe(subject.clone(), None, handler);
        self.imported.lock().unwrap_or_else(PoisonError::into_inner).push((subject, end));
    }

    /// Announces a name until the returned value is dropped. The server already knows earlier subscriptions by then.
    pub fn announce(&self, presence: &Presence, end: Option<oneshot::Sender<()>>) -> Announced {
        self.shared.outgoing.step(Step::AddName(presence.clone()));
        Announced { outgoing: self.shared.outgoing.clone(), presence: presence.clone(), _end: end }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let shared = &self.shared;
        let parting = async {
            let version = shared.list().version;
            shared.send_heartbeat(version, Some(("ends", true))).await;
            shared.client.flush().await
        };
        // If the server is unreachable, other bridges notice the missing heartbeat.
        let _ = runtime.block_on(async { tokio::time::timeout(PARTING, parting).await });
        runtime.shutdown_background();
    }
}

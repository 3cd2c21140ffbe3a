//! Pending connections to local publishers and servers. The loop never waits for a silent program.
//!
//! A publisher's connection is completed when its descriptor is ready. A thread connects to each server, up to a
//! limit; a silent server is tried again after a pause.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use linkspan::registry::Listed;
use linkspan::service::start_thread;
use linkspan::{Channel, Error, ErrorKind, Message, Options, Result, Subscriber};

use crate::clocks::after;
use crate::inbox::Inbox;

const PATIENCE: Duration = Duration::from_secs(1);
/// The most threads that connect to servers; further servers wait.
const THREADS: usize = 32;
/// The pause after the first unanswered attempt, which doubles, and the longest pause.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// After this silence, the status reports a publisher as silent.
const IS_SILENT: Duration = Duration::from_secs(1);

#[expect(clippy::large_enum_variant, reason = "it is moved once")]
pub enum Joined {
    Publisher { subscriber: Subscriber, descriptor: OwnedFd, first: Option<Message> },
    Server(Channel),
}

/// The outcome of a connection: the name, its listing, and the connection or error.
pub type Outcome = (String, Listed, Result<Joined>);

struct Publisher {
    listed: Listed,
    subscriber: Subscriber,
    descriptor: OwnedFd,
    since: Instant,
    is_shown: bool,
}

pub struct Joining {
    publishers: BTreeMap<String, Publisher>,
    servers: BTreeSet<String>,
    /// Silent servers: when they are tried again, and the next pause.
    silent: HashMap<String, (Instant, Duration)>,
    has_waiting: bool,
    made: Arc<Mutex<Vec<Outcome>>>,
    inbox: Inbox,
}

impl Joining {
    pub fn new(inbox: Inbox) -> Joining {
        Joining {
            publishers: BTreeMap::new(),
            servers: BTreeSet::new(),
            silent: HashMap::new(),
            has_waiting: false,
            made: Arc::default(),
            inbox,
        }
    }

    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.publishers.iter().map(|(name, it)| (name.as_str(), &it.descriptor))
    }

    /// Gives up unwanted names; returns the publishers among them.
    pub fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let given_up: Vec<_> = self.publishers.keys().filter(|name| !is_wanted(name)).cloned().collect();
        for name in &given_up {
            self.publishers.remove(name);
        }
        self.silent.retain(|name, _| is_wanted(name));
        self.has_waiting = false;
        given_up
    }

    /// Begins to connect to a publisher, unless pending. Returns an immediate outcome.
    pub fn publisher(&mut self, name: &str, listed: &Listed) -> Option<Outcome> {
        if self.publishers.get(name).is_some_and(|it| it.listed.incarnation == listed.incarnation) {
            return None;
        }
        let begun = Subscriber::begin(&listed.endpoint, &Options::default())
            .and_then(|subscriber| Ok((dup(&subscriber)?, subscriber)));
        match begun {
            Ok((descriptor, subscriber)) => {
                let since = Instant::now();
                let it = Publisher { listed: listed.clone(), subscriber, descriptor, since, is_shown: false };
                self.publishers.insert(name.to_owned(), it);
                self.go_on(name)
            }
            Err(error) => Some((name.to_owned(), listed.clone(), Err(error))),
        }
    }

    /// Continues a publisher's connection whose descriptor is ready. Returns the outcome, if any.
    pub fn go_on(&mut self, name: &str) -> Option<Outcome> {
        let it = self.publishers.get(name)?;
        let received = it.subscriber.try_recv();
        let outcome = match received {
            Ok(message) => Ok(Some(message)),
            _ if it.subscriber.is_connected() => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::Empty | ErrorKind::Timeout) => return None,
            Err(error) => Err(error),
        };
        let Publisher { listed, subscriber, descriptor, .. } = self.publishers.remove(name)?;
        let joined = outcome.map(|first| Joined::Publisher { subscriber, descriptor, first });
        Some((name.to_owned(), listed, joined))
    }

    pub fn silent_publishers(&mut self) -> impl Iterator<Item = &str> {
        let silent = self.publishers.iter_mut().filter(|(_, it)| it.since.elapsed() >= IS_SILENT);
        silent.map(|(name, it)| {
            it.is_shown = true;
            name.as_str()
        })
    }

    pub fn next_silent(&self) -> Option<Instant> {
        let waiting = self.publishers.values().filter(|it| !it.is_shown);
        waiting.map(|it| after(it.since, IS_SILENT)).min()
    }

    /// Connects to a server in a thread, unless one runs, it was silent recently, or the limit is reached.
    pub fn server(&mut self, name: &str, listed: &Listed) {
        let waits = self.silent.get(name).is_some_and(|(until, _)| *until > Instant::now());
        if waits || self.servers.contains(name) {
            return;
        }
        if self.servers.len() >= THREADS {
            self.has_waiting = true;
            return;
        }
        let (made, inbox) = (self.made.clone(), self.inbox.clone());
        let (of, listed) = (name.to_owned(), listed.clone());
        let run = move || {
            let connected = Channel::connect(&listed.endpoint, &Options::default(), PATIENCE);
            let outcome = (of, listed, connected.map(Joined::Server));
            made.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
            inbox.wake();
        };
        // Without a thread, the next listing tries again.
        if start_thread("linkspan-join", run).is_ok() {
            self.servers.insert(name.to_owned());
        }
    }

    /// Returns the threads' outcomes, and whether a server waits for a thread.
    pub fn take(&mut self) -> (Vec<Outcome>, bool) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, _, joined) in &made {
            self.servers.remove(name);
            match joined {
                Ok(_) => drop(self.silent.remove(name)),
                Err(_) => {
                    let (_, pause) = self.silent.get(name).copied().unwrap_or((Instant::now(), PAUSE));
                    let next = pause.saturating_mul(2).min(MAX_PAUSE);
                    self.silent.insert(name.clone(), (after(Instant::now(), pause), next));
                }
            }
        }
        let is_free = !made.is_empty() && std::mem::take(&mut self.has_waiting);
        (made, is_free)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.silent.values().map(|(until, _)| *until).filter(|until| *until > Instant::now()).min()
    }
}

/// Duplicates an object's descriptor once: a new duplicate in each turn would wake the loop again.
///
/// # Errors
/// System errors, if the process cannot open another descriptor.
pub fn dup(object: &impl AsFd) -> Result<OwnedFd> {
    let error = |e: std::io::Error| Error::os("duplicating a descriptor", e.raw_os_error().unwrap_or(0));
    object.as_fd().try_clone_to_owned().map_err(error)
}

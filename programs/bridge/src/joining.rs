//! Connections to publishers and servers of this machine that are under way: the loop waits for no program that does
//! not answer.
//!
//! The connection to a publisher is begun, and completed when its descriptor is ready. A server is connected to by a
//! thread of its own, up to a limit; one that did not answer is tried again after a pause.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use linkspan::registry::Listed;
use linkspan::service::start_thread;
use linkspan::{Channel, Error, ErrorKind, Message, Options, Result, Subscriber};

use crate::clocks::after;
use crate::inbox::Inbox;

/// How long a server may take to answer a hello: it was there when it was listed.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most threads that connect to servers at a time; more servers are connected to later.
const THREADS: usize = 32;
/// The pause after the first attempt that had no answer, which doubles; and the longest one.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// After this time a publisher that has not answered is shown as one.
const IS_SILENT: Duration = Duration::from_secs(1);

/// A connection that was made.
#[expect(clippy::large_enum_variant, reason = "it is moved once")]
pub enum Joined {
    /// To a publisher, with the message that came with it, if one did.
    Publisher { subscriber: Subscriber, descriptor: OwnedFd, first: Option<Message> },
    /// To a server.
    Server(Channel),
}

/// The outcome of a connection: the name, what was listed of it, and the connection or why there is none.
pub type Outcome = (String, Listed, Result<Joined>);

/// A publisher that has not answered.
struct Publisher {
    listed: Listed,
    subscriber: Subscriber,
    descriptor: OwnedFd,
    since: Instant,
    /// Whether it was shown as silent.
    is_shown: bool,
}

/// All of them, by their names.
pub struct Joining {
    publishers: BTreeMap<String, Publisher>,
    /// Servers that a thread connects to.
    servers: BTreeSet<String>,
    /// Servers that did not answer: when they are tried again, and the pause after that.
    silent: HashMap<String, (Instant, Duration)>,
    /// Whether a server waits for a thread.
    has_waiting: bool,
    /// What the threads have made.
    made: Arc<Mutex<Vec<Outcome>>>,
    inbox: Inbox,
}

impl Joining {
    /// Nothing is under way. The threads wake the loop by the inbox.
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

    /// Returns the descriptors of publishers to wait for, each with its name.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.publishers.iter().map(|(name, it)| (name.as_str(), &it.descriptor))
    }

    /// Gives up what is not wanted any more; returns the publishers of it.
    pub fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let given_up: Vec<_> = self.publishers.keys().filter(|name| !is_wanted(name)).cloned().collect();
        for name in &given_up {
            self.publishers.remove(name);
        }
        self.silent.retain(|name, _| is_wanted(name));
        self.has_waiting = false;
        given_up
    }

    /// Begins to connect to a publisher, unless that is under way. Returns the outcome if there is one at once.
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

    /// Goes on with the connection to a publisher whose descriptor is ready. Returns the outcome if there is one.
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

    /// Returns the publishers that have not answered for a while, which are shown as silent from now on.
    pub fn silent_publishers(&mut self) -> impl Iterator<Item = &str> {
        let silent = self.publishers.iter_mut().filter(|(_, it)| it.since.elapsed() >= IS_SILENT);
        silent.map(|(name, it)| {
            it.is_shown = true;
            name.as_str()
        })
    }

    /// Returns when a publisher that has not answered is to be shown as silent.
    pub fn next_silent(&self) -> Option<Instant> {
        let waiting = self.publishers.values().filter(|it| !it.is_shown);
        waiting.map(|it| after(it.since, IS_SILENT)).min()
    }

    /// Has a thread connect to a server, unless one does, the server did not answer shortly before, or there are too
    /// many threads.
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
        // Without a thread it is tried again with the next listing.
        if start_thread("linkspan-join", run).is_ok() {
            self.servers.insert(name.to_owned());
        }
    }

    /// Returns what the threads have made, and whether a server waits for one of them.
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

    /// Returns when a server that did not answer is tried again.
    pub fn deadline(&self) -> Option<Instant> {
        self.silent.values().map(|(until, _)| *until).filter(|until| *until > Instant::now()).min()
    }
}

/// Duplicates the descriptor of an object, once: a new duplicate in each turn would wake the loop again.
///
/// # Errors
/// The error of the system if the process has no more descriptors.
pub fn dup(object: &impl AsFd) -> Result<OwnedFd> {
    let error = |e: std::io::Error| Error::os("duplicating a descriptor", e.raw_os_error().unwrap_or(0));
    object.as_fd().try_clone_to_owned().map_err(error)
}

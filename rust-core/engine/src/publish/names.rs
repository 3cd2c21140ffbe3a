//! The names of a subscriber to patterns or several endpoints. Each name with a publisher has its own subscriber in the
//! common epoll set.
//!
//! inotify reports names that appear later. A name is left when its publisher ends, to release its descriptors, and its
//! last position is kept. The next publisher is then read from its beginning; a publisher that only dropped the
//! connection is read from the next number.

mod joining;
mod lives;
mod report;
mod reselect;
mod selection;
mod unanswered;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lives::{Arrivals, renamed_file};
use super::receive_state::{NAME, Patience, Tried};
use super::store;
use crate::channel::event_log::{End, Event, EventKind, EventLog, add};
use crate::channel::handshake::After;
use crate::channel::{Acknowledge, Options, Use};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::sys::inotify::{News, Watch};
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::timer::Timer;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{NameDirectory, Transport};
use crate::transport::name_pattern::NamePattern;
use crate::transport::place::Listener;
use crate::transport::{owner, place};

use self::lives::Lives;
pub use self::report::MAX_NAMES;
pub use self::report::Report;
use self::report::{Counters, Refused};
pub use self::selection::{Selection, Wanted};

/// The most descriptors of a connected name. All names together take half of the process's limit.
pub const DESCRIPTORS: u64 = 8;
/// Messages that are returned before the epoll set is checked for other names.
const BEFORE_LOOK: u32 = 64;
/// Names that one round joins, along with at most [`BEFORE_LOOK`] messages.
const NAMES_PER_ROUND: u32 = 16;
/// Events of the watched directories in one round: as many as one read returns. Another object of this process may have
/// read more.
const EVENTS_PER_ROUND: usize = 256;
const ASKED_PER_ROUND: u32 = 64;
const RETRY: u64 = 15;
const FIRST_TOKEN: u64 = 16;

pub trait Receiver: Sized {
    /// Returns a receiver that continues at `resume` and has not tried to connect. `watches`: it watches for its name.
    fn begin(endpoint: Endpoint, options: &Options, resume: Option<After>, watches: bool) -> Result<Self>;
    fn connect(&self) -> Result<()>;
    fn is_connecting(&self) -> bool;
    fn name_appeared(&self);
    fn set_watched(&self) -> Result<()>;
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// Returns a message without waiting. With `iterates`, missed messages are not errors.
    fn receive_now(&self, iterates: bool) -> Result<Option<Message>>;
    fn acknowledge(&self) -> Result<()>;
    fn take_events(&self) -> Vec<Event>;
    fn take_ends(&self) -> Vec<End>;
    fn take_missed(&self) -> u64;
    fn is_connected(&self) -> bool;
    fn tried(&self) -> Tried;
    fn was_connected_to(&self, listener: Option<Listener>);
    fn resume_point(&self) -> After;
}

fn has_sockets(transport: Transport) -> bool {
    !store::is_store(transport) && transport.names() == NameDirectory::Runtime
}

fn endpoint_of(file: &str, selection: &Selection) -> Option<Endpoint> {
    if place::of_temporary(file).is_some() || owner::file_of_record(file).is_some() {
        return None;
    }
    Endpoint::from_file_name(file).filter(|endpoint| selection.fits(endpoint))
}

pub fn fitting(selection: &Selection) -> Result<Vec<Endpoint>> {
    let mut found = Vec::new();
    for directory in selection.directories()? {
        found.extend(directory.names()?.iter().filter_map(|file| endpoint_of(file, selection)));
    }
    Ok(found)
}

pub struct SubscribedNames<R> {
    selection: Selection,
    /// The options of each name: it acknowledges when the whole subscriber does.
    options: Options,
    watch: Option<Watch>,
    taken: Vec<Arrivals>,
    lives: Lives,
    members: BTreeMap<u64, Member<R>>,
    tokens: HashMap<Arc<str>, u64>,
    next_token: u64,
    ready: VecDeque<u64>,
    delivered: Vec<u64>,
    left: BTreeMap<Arc<str>, Left>,
    since_look: u32,
    /// Matching names that are refused, with their next attempts: no directory event reports a listener that changes
    /// its mind.
    refused: BTreeMap<Arc<str>, Refused>,
    appeared: VecDeque<(Endpoint, Option<After>)>,
    /// Whether too many have appeared, so the directories must be read.
    is_search_due: bool,
    /// Names whose publishers sent a descriptor while this process had none left. Each wait would end at once, so they
    /// are asked again later.
    without_descriptor: Vec<u64>,
    timer: Timer,
    report: Arc<Report>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    after: After,
    listener: Option<Listener>,
    untold: u64,
}

struct Member<R> {
    receiver: R,
    endpoint: Endpoint,
    name: Arc<str>,
    counters: Arc<Counters>,
    /// Whether the program named it, not only a pattern.
    is_given: bool,
    is_ready: bool,
    has_delivered: bool,
    untold: u64,
    failed: Option<Error>,
    /// Whether the next publisher is read from its first message: no program listened before, or the name appeared
    /// while watched.
    is_later: bool,
    has_reappeared: bool,
    was_connected: bool,
}

impl<R: Receiver> SubscribedNames<R> {
    /// Parses endpoints and patterns. `InvalidEndpoint`; `InvalidState` for an empty list; errors of options that do
    /// not fit.
    pub fn parse(texts: &[&str], options: &Options) -> Result<(Selection, Vec<Endpoint>)> {
        if texts.is_empty() {
            let text = "there is nothing to subscribe to: give at least one name or pattern";
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let (mut patterns, mut given) = (Vec::new(), Vec::new());
        for text in texts {
            match NamePattern::parse(text)? {
                Some(pattern) => {
                    if let Some(transport) = pattern.transport() {
                        options.check(transport, Use::Subscribe).map_err(|e| e.on(text))?;
                    }
                    patterns.push(pattern);
                }
                None => {
                    let endpoint: Endpoint = text.parse()?;
                    options.check(endpoint.transport(), Use::Subscribe).map_err(|e| e.on(&endpoint))?;
                    if !given.contains(&endpoint) {
                        given.push(endpoint);
                    }
                }
            }
        }
        Ok((Selection::Patterns(patterns), given))
    }

    pub fn start(
        (selection, given): (Selection, Vec<Endpoint>),
        options: &Options,
        patience: Patience,
        epoll: &Epoll,
        log: &EventLog,
    ) -> Result<SubscribedNames<R>> {
        let mut names = SubscribedNames {
            selection,
            options: Options { ack: Acknowledge::Manual, ..options.clone() },
            watch: None,
            taken: Vec::new(),
            lives: Lives::default(),
            members: BTreeMap::new(),
            tokens: HashMap::new(),
            next_token: FIRST_TOKEN,
            ready: VecDeque::new(),
            delivered: Vec::new(),
            left: BTreeMap::new(),
            since_look: 0,
            refused: BTreeMap::new(),
            appeared: VecDeque::new(),
            is_search_due: false,
            without_descriptor: Vec::new(),
            timer: Timer::new()?,
            report: Arc::default(),
        };
        epoll.add(&names.timer, RETRY, Interest::IN)?;
        let file = |endpoint: &Endpoint| Some((renamed_file(endpoint)?, endpoint.to_string().into()));
        names.taken = Arrivals::of(given.iter().filter_map(file));
        for endpoint in given {
            names.join(&endpoint, true, None, epoll, log)?;
        }
        names.start_watching(epoll)?;
        for endpoint in fitting(&names.selection)? {
            names.join(&endpoint, false, None, epoll, log)?;
        }
        if patience == Patience::OfAnAnswer {
            names.connect_all(log)?;
        }
        // It is unknown which earlier publishers were met.
        names.take_all_news(epoll, log)?;
        names.lives.reset();
        Ok(names)
    }

    pub fn report(&self) -> Arc<Report> {
        self.report.clone()
    }

    fn start_watching(&mut self, epoll: &Epoll) -> Result<()> {
        self.stop_watching(epoll);
        for directory in self.selection.directories()? {
            match &self.watch {
                None => self.watch = Some(Watch::all_names(&directory)?),
                Some(watch) => watch.also_all_names(&directory)?,
            }
        }
        for descriptor in self.watch.iter().flat_map(Watch::descriptors) {
            epoll.add(descriptor, NAME, Interest::IN)?;
        }
        Ok(())
    }

    /// Takes the watch out of the set: the watches of the process share a descriptor that stays open.
    fn stop_watching(&mut self, epoll: &Epoll) {
        self.watch.iter().flat_map(Watch::descriptors).for_each(|descriptor| epoll.remove(descriptor));
        self.watch = None;
    }

    fn leave(&mut self, token: u64, epoll: &Epoll, log: &EventLog) {
        let Some(member) = self.members.remove(&token) else { return };
        member.pass_events(log, &mut self.lives);
        epoll.remove(member.receiver.descriptor());
        self.tokens.remove(&member.name);
        if !member.was_connected {
            return;
        }
        if self.left.len() >= MAX_NAMES {
            self.left.pop_first();
        }
        // Counted here, and also told with the next message of the name.
        let untold = member.receiver.take_missed();
        if untold > 0 {
            member.missed(untold, log);
        }
        let stopped = Left {
            after: member.receiver.resume_point(),
            listener: member.receiver.tried().connected,
            untold: member.untold.saturating_add(untold),
        };
        self.left.insert(member.name.clone(), stopped);
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns the next message of the ready names, in turn. After the error of one name, such as `Lagged`, the next
    /// call continues. With `iterates`, the name's next message tells the missed ones.
    pub fn take(&mut self, iterates: bool, epoll: &Epoll, log: &EventLog) -> Result<Option<Message>> {
        // A name that ends is followed by the next one; each round takes one ready name.
        for _ in 0..ASKED_PER_ROUND {
            let Some(token) = self.ready.pop_front() else { break };
            let Some(member) = self.members.get_mut(&token) else { continue };
            let received = member.failed.take().map_or_else(|| member.receiver.receive_now(iterates), Err);
            match received {
                Ok(Some(message)) => {
                    self.ready.push_back(token);
                    member.connected(&self.report, &mut self.refused, &mut self.lives);
                    member.counters.received.fetch_add(1, Ordering::Relaxed);
                    let mut message = message;
                    if message.missed() > 0 {
                        member.missed(message.missed(), log);
                        // An earlier publisher may have left them: its end comes before this message.
                        member.pass_events(log, &mut self.lives);
                    }
                    if iterates && member.untold > 0 {
                        let missed = message.missed().saturating_add(std::mem::take(&mut member.untold));
                        message = message.with_missed(missed);
                    }
                    if !std::mem::replace(&mut member.has_delivered, true) {
                        self.delivered.push(token);
                    }
                    self.since_look += 1;
                    return Ok(Some(message.with_name(&member.name)));
                }
                Ok(None) => member.is_ready = false,
                // There may have been no memory for a message, which then counts as missed.
                Err(e) if e.missed().is_some() => {
                    self.ready.push_back(token);
                    member.missed(e.missed().unwrap_or(0), log);
                    return Err(e.on(&member.name));
                }
                // Messages that need the descriptor count as missed; short messages need none.
                Err(e) if e.errno() == Some(libc::EMFILE) && member.receiver.is_connected() => {
                    member.connected(&self.report, &mut self.refused, &mut self.lives);
                    member.is_ready = false;
                    member.pass_events(log, &mut self.lives);
                    epoll.modify(member.receiver.descriptor(), token, Interest::empty())?;
                    self.without_descriptor.push(token);
                    self.arm();
                }
                Err(e) if member.receiver.is_connected() && !member.is_left_for(&e) => {
                    member.connected(&self.report, &mut self.refused, &mut self.lives);
                    if !matches!(e.kind(), ErrorKind::Timeout | ErrorKind::NotFound) {
                        self.ready.push_back(token);
                        // A name that fails in each call does not keep others out.
                        self.since_look += 1;
                        return Err(e.on(&member.name));
                    }
                    member.is_ready = false;
                    member.pass_events(log, &mut self.lives);
                }
                Err(e) => {
                    member.is_ready = false;
                    member.pass_events(log, &mut self.lives);
                    self.note_unconnected(token, e, epoll, log)?;
                }
            }
        }
        Ok(None)
    }

    pub fn is_look_due(&self) -> bool {
        self.since_look >= BEFORE_LOOK || self.ready.is_empty()
    }

    pub fn note(&mut self, found: &[Ready], epoll: &Epoll, log: &EventLog) -> Result<()> {
        self.since_look = 0;
        for ready in found {
            if let Some(member) = self.members.get_mut(&ready.token)
                && !std::mem::replace(&mut member.is_ready, true)
            {
                self.ready.push_back(ready.token);
            }
        }
        if found.iter().any(|ready| ready.token == RETRY) {
            self.look_for_descriptors(epoll)?;
            self.retry();
        }
        if found.iter().any(|ready| ready.token == NAME) {
            self.take_news(epoll, log)?;
        }
        self.settle_due(epoll, log)?;
        self.join_some(epoll, log)
    }

    /// Takes some events of the directories' watch. The rest keeps its descriptor readable.
    fn take_news(&mut self, epoll: &Epoll, log: &EventLog) -> Result<()> {
        let Some(news) = self.watch.as_ref().map(|watch| watch.take_some(EVENTS_PER_ROUND)) else {
            return Ok(());
        };
        self.note_news(news, epoll, log)
    }

    fn take_all_news(&mut self, epoll: &Epoll, log: &EventLog) -> Result<()> {
        for taken in &self.taken {
            match taken.take() {
                Some(names) => names.iter().for_each(|name| self.lives.arrived(name)),
                None => self.lives.lost(log),
            }
        }
        let news = self.watch.as_ref().map(Watch::take_all);
        news.map_or(Ok(()), |news| self.note_news(news, epoll, log))
    }

    fn note_news(&mut self, news: News, epoll: &Epoll, log: &EventLog) -> Result<()> {
        if news.gone {
            self.start_watching(epoll)?;
        }
        if news.gone || news.overflown {
            self.appeared.clear();
            self.is_search_due = !self.selection.is_empty();
            self.lives.lost(log);
        } else {
            self.count(&news.renamed);
        }
        for file in news.names {
            if let Some(endpoint) = endpoint_of(&file, &self.selection) {
                self.appear(endpoint);
            }
        }
        Ok(())
    }

    /// Counts the publishers that have taken matching names. `taken` counts given names.
    fn count(&mut self, files: &[String]) {
        for file in files {
            let found = Endpoint::from_file_name(file).filter(|endpoint| has_sockets(endpoint.transport()));
            let Some(endpoint) = found else { continue };
            let name = endpoint.to_string();
            let is_given = |token| self.members.get(token).is_some_and(|member| member.is_given);
            if !self.tokens.get(&*name).is_some_and(is_given) && self.selection.fits(&endpoint) {
                self.lives.arrived(&name.into());
            }
        }
    }

    /// Returns whether to work before a wait: a name may have a message, or the subscriber must join names.
    pub fn has_more_to_do(&self) -> bool {
        self.has_ready() || !self.appeared.is_empty() || self.is_search_due
    }

    pub fn close(&mut self, epoll: &Epoll) {
        for member in self.members.values() {
            epoll.remove(member.receiver.descriptor());
        }
        self.members.clear();
        self.tokens.clear();
        self.ready.clear();
        self.refused.clear();
        self.appeared.clear();
        self.is_search_due = false;
        self.arm();
        self.stop_watching(epoll);
    }

    pub fn consumed(&mut self) -> Result<()> {
        for token in self.delivered.drain(..) {
            if let Some(member) = self.members.get_mut(&token) {
                member.has_delivered = false;
                member.receiver.acknowledge()?;
            }
        }
        Ok(())
    }
}

impl<R: Receiver> Member<R> {
    /// Returns whether to leave a name of a pattern after this error and try it later: a file without a value would
    /// fail in each call.
    fn is_left_for(&self, error: &Error) -> bool {
        !self.is_given
            && self.endpoint.transport().capabilities().single_value
            && !matches!(error.kind(), ErrorKind::Timeout | ErrorKind::NotFound | ErrorKind::Lagged)
    }

    fn go_on(&mut self) -> bool {
        let failed = self.receiver.connect().err();
        if self.receiver.is_connecting() {
            return false;
        }
        self.failed = failed.filter(|error| error.kind() != ErrorKind::Timeout);
        true
    }

    /// Notes the connection, which is not a gap if the publisher's numbers tell the missed messages.
    fn connected(&mut self, report: &Report, refused: &mut BTreeMap<Arc<str>, Refused>, lives: &mut Lives) {
        if report.gaps.lasts() {
            let is_counted = self.is_later || self.was_connected;
            let connected = is_counted.then(|| self.receiver.tried().connected).flatten();
            if report.gaps.end(&self.name, connected) {
                lives.told(&self.name);
            }
        }
        self.was_connected = true;
        if report.accept(&self.name, refused) {
            lives.told(&self.name);
        }
    }

    fn missed(&self, count: u64, log: &EventLog) {
        add(&self.counters.missed, count);
        log.lagged_at(&self.name, count);
    }

    fn pass_events(&self, log: &EventLog, lives: &mut Lives) {
        for event in self.receiver.take_events() {
            if let (EventKind::Connected | EventKind::Reconnected, Some(incarnation)) =
                (event.kind, event.incarnation)
                && has_sockets(self.endpoint.transport())
            {
                lives.met(&self.name, incarnation, self.receiver.tried().connected);
            }
            log.pass_on(&self.name, event);
        }
        for end in self.receiver.take_ends() {
            log.ended(Some(end));
        }
    }
}

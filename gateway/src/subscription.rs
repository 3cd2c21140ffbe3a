//! A client's subscription: its place in the log of each of its feeds, and what it has of each name. Nothing is queued
//! for it: what it does not take in time the log drops, and the subscription says how much that was, by name.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Result, Value};

use crate::feed::{Log, ORIGIN, OfName, Place, Published, Use, What, distance};
use crate::frames::{Format, Frame, error_value};
use crate::names::Name;
use crate::rights::{Right, Rights};

/// The number after which a client goes on, and the incarnation that it is of.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    pub incarnation: Option<u64>,
    pub number: u64,
}

/// How the messages of a subscription are chosen.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// Each one, while there is credit; without a number as many as the connection takes.
    All(Option<u64>),
    /// The newest one of each name, not more often than this.
    Newest(Duration),
}

impl Choice {
    /// Returns the choice of a subscription that asks for the newest messages or for each one.
    ///
    /// # Errors
    /// `Malformed` for a choice that contradicts itself; `OutOfRange` for a rate that is none.
    pub fn of(newest: bool, rate: Option<f64>, credit: Option<u64>, most: f64) -> Result<Choice> {
        if newest && credit.is_some() || !newest && rate.is_some() {
            let text = "a subscription has the newest messages, with latest and perhaps rate, or each one, with credit or without";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if !newest {
            return Ok(Choice::All(credit));
        }
        // The lower of two takes whatever stands beside what is no number.
        if rate.is_some_and(|rate| !rate.is_finite() || rate < 1e-3) {
            let text = "a rate is a number of messages a second, at least 0.001";
            return Err(Error::new(ErrorKind::OutOfRange, text));
        }
        Ok(Choice::Newest(Duration::from_secs_f64(1.0 / rate.unwrap_or(most).min(most))))
    }
}

/// What a subscription gives next, before it is written.
pub enum Given {
    Message { name: Arc<str>, message: Arc<Published>, passed: u64 },
    Lagged { name: Arc<str>, missed: u64 },
    Joined { name: Arc<str>, incarnation: u64 },
    Ended { name: Arc<str> },
    Closed(Error),
}

impl Given {
    /// Returns its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Given::Message { .. } => "message",
            Given::Lagged { .. } => "lagged",
            Given::Joined { .. } => "joined",
            Given::Ended { .. } => "ended",
            Given::Closed(_) => "closed",
        }
    }

    /// Returns it as a frame, of the subscription with this number.
    pub fn frame(&self, id: Option<u64>, format: Format) -> Frame {
        let frame = match id {
            Some(id) => Frame::of(self.kind(), id),
            None => Frame::new(self.kind()),
        };
        match self {
            Given::Message { name, message, passed } => {
                let mut frame =
                    frame.with("name", &**name).with("number", message.number).with("time", message.sent);
                if *passed > 0 {
                    frame = frame.with("passed", *passed);
                }
                if let Some(schema) = &message.schema {
                    frame = frame.with("schema", schema.as_str());
                }
                match message.value(format) {
                    Ok(value) => frame.with_encoded("value", value),
                    Err(error) => frame.with("value", Value::Null).with("error", error_value(&error)),
                }
            }
            Given::Lagged { name, missed } => frame.with("name", &**name).with("missed", *missed),
            Given::Joined { name, incarnation } => {
                frame.with("name", &**name).with("incarnation", format!("{incarnation:016x}"))
            }
            Given::Ended { name } => frame.with("name", &**name),
            Given::Closed(error) => frame.with("error", error_value(error)),
        }
    }
}

/// What a subscription has of a name.
struct Seen {
    text: Arc<str>,
    /// Whether the subscription gives the name: the token allows it, and no part before this one has it.
    is_meant: bool,
    /// The place of the last message that was given, or counted as missed.
    place: Place,
    /// The place of the last message in the part of the log that was read.
    read: Place,
    /// Whether the client knows that the name has a publisher.
    joined: bool,
    /// Whether the numbers after which the client goes on were looked up for this name.
    is_resumed: bool,
    /// With the newest alone: whether there is a newer one, and when the last was given.
    is_due: bool,
    given: Option<Instant>,
}

impl Seen {
    fn new(of: &OfName, is_meant: bool, place: Place) -> Seen {
        Seen {
            text: of.text.clone(),
            is_meant,
            place,
            read: place,
            joined: false,
            is_resumed: false,
            is_due: false,
            given: None,
        }
    }

    /// Counts the messages up to this place that were not given as missed, and reports them.
    fn pass(&mut self, place: Place, pending: &mut VecDeque<Given>, lagged: &AtomicU64) {
        let missed = distance(self.place, place);
        if missed > 0 {
            self.place = place;
            pending.push_back(Given::Lagged { name: self.text.clone(), missed });
            lagged.fetch_add(missed, Ordering::Relaxed);
        }
    }

    /// Reports that the name has no publisher, if the client knows of one.
    fn end(&mut self, pending: &mut VecDeque<Given>) {
        if std::mem::take(&mut self.joined) {
            pending.push_back(Given::Ended { name: self.text.clone() });
        }
    }

    /// Goes on after the number that the client has, once the first message of the name is known: before it no number
    /// of the name has a place. Returns whether the client has one.
    fn resume(&mut self, of: &OfName, resumes: &mut HashMap<String, Resume>) -> bool {
        if !self.is_meant || of.newest.is_none() || std::mem::replace(&mut self.is_resumed, true) {
            return false;
        }
        let resume = if resumes.is_empty() { None } else { resumes.remove(&*of.text) };
        if let Some(resume) = resume {
            self.place = resumed(of, resume);
        }
        resume.is_some()
    }
}

/// One of the names and patterns of a subscription.
struct Part {
    used: Use,
    position: u64,
    /// By the key of the name in the log.
    seen: HashMap<u64, Seen>,
    /// The key after that of the last name that is known.
    next_key: u64,
    pending: VecDeque<Given>,
    /// Names with a newer message, with the newest alone.
    due: VecDeque<u64>,
}

impl Part {
    /// Goes on at the first entry of the log if the log has dropped the next one; returns whether it had.
    ///
    /// # Errors
    /// `Lagged` if the log no longer knows how many messages of a name the client missed.
    fn catch_up(&mut self, log: &Log) -> Result<bool> {
        if self.position >= log.first {
            return Ok(false);
        }
        self.position = log.first;
        let is_forgotten = |(key, seen): (&u64, &Seen)| seen.is_meant && !log.names.contains_key(key);
        if self.seen.iter().any(is_forgotten) {
            let text = "the client was too slow: names came and went whose missed messages the gateway no longer knows; subscribe again";
            return Err(Error::new(ErrorKind::Lagged, text));
        }
        Ok(true)
    }
}

/// A subscription.
pub struct Subscription {
    parts: Vec<Part>,
    choice: Choice,
    resume: HashMap<String, Resume>,
    rights: Arc<Rights>,
    /// The part that is asked next.
    turn: usize,
    /// Messages that were missed, of all clients.
    lagged: Arc<AtomicU64>,
}

impl Subscription {
    /// Begins with the newest message of each name, or behind the numbers that the client has.
    pub fn new(
        uses: Vec<Use>,
        choice: Choice,
        resume: HashMap<String, Resume>,
        rights: Arc<Rights>,
        lagged: Arc<AtomicU64>,
    ) -> Subscription {
        let parts = uses
            .into_iter()
            .map(|used| Part {
                position: 0,
                used,
                seen: HashMap::new(),
                next_key: 0,
                pending: VecDeque::new(),
                due: VecDeque::new(),
            })
            .collect();
        let mut subscription = Subscription { parts, choice, resume, rights, turn: 0, lagged };
        for at in 0..subscription.parts.len() {
            subscription.begin(at);
        }
        subscription
    }

    /// Adds credit.
    pub fn add_credit(&mut self, more: u64) {
        if let Choice::All(Some(credit)) = &mut self.choice {
            *credit = credit.saturating_add(more);
        }
    }

    /// Whether a part before this one has the name, or the token does not allow it.
    fn is_meant(&self, at: usize, name: &Name) -> bool {
        let earlier = &self.parts[..at];
        self.rights.allow(Right::Read, name) && !earlier.iter().any(|part| part.used.feed.key.name.fits(name))
    }

    /// Sets where a part begins, with what the feed knows now. The part that began the feed has all of it: a publisher
    /// may have waited for this very subscriber, and what it published since then is no old message.
    fn begin(&mut self, at: usize) {
        if self.parts[at].used.is_first {
            return;
        }
        let feed = self.parts[at].used.feed.clone();
        let log = feed.log();
        let mut position = log.end();
        self.learn(at, &log);
        let part = &mut self.parts[at];
        for (key, of) in &log.names {
            let Some(seen) = part.seen.get_mut(key).filter(|seen| seen.is_meant) else { continue };
            (seen.place, seen.read, seen.joined) = (of.place, of.place, of.joined);
            if of.joined {
                let (name, incarnation) = (of.text.clone(), of.incarnation);
                part.pending.push_back(Given::Joined { name, incarnation });
            }
            if seen.resume(of, &mut self.resume) {
                seen.pass(of.evicted, &mut part.pending, &self.lagged);
            } else if of.joined && (of.evicted < of.place || matches!(self.choice, Choice::Newest(_))) {
                // The newest one comes first.
                seen.place = of.place.saturating_sub(1);
            }
            if seen.place < of.place {
                position = position.min(of.position_after(seen.place).unwrap_or(position));
                // With the newest alone, it is due.
                mark(&mut part.due, *key, seen);
            }
        }
        part.position = position;
    }

    /// Learns the names that the feed has learnt, and forgets those that it has forgotten.
    fn learn(&mut self, at: usize, log: &Log) {
        for (key, of) in log.names.range(self.parts[at].next_key..) {
            let is_meant = self.is_meant(at, &of.name);
            let part = &mut self.parts[at];
            // The subscription was there for all messages that the feed has of this name.
            part.seen.insert(*key, Seen::new(of, is_meant, ORIGIN));
            part.next_key = key.saturating_add(1);
        }
        let part = &mut self.parts[at];
        if part.seen.len() > log.names.len().saturating_mul(2) && part.position >= log.first {
            let due = &part.due;
            part.seen.retain(|key, seen| seen.is_due || seen.joined || log.names.contains_key(key));
            debug_assert!(due.iter().all(|key| part.seen.contains_key(key)));
        }
    }

    /// Returns what comes next; `None` while there is nothing, or no credit.
    pub fn next(&mut self, now: Instant) -> Option<Given> {
        for _ in 0..self.parts.len() {
            let at = self.turn.checked_rem(self.parts.len())?;
            self.turn = at.saturating_add(1);
            if let Some(given) = self.parts[at].pending.pop_front() {
                return Some(given);
            }
            let given = match self.choice {
                Choice::All(Some(0)) => None,
                Choice::All(_) => self.next_of_all(at),
                Choice::Newest(pause) => self.next_newest(at, pause, now),
            };
            if given.is_some() {
                return given;
            }
        }
        None
    }

    /// Returns when the newest message of a name may be given; `None` where it waits for none.
    pub fn due(&self) -> Option<Instant> {
        let Choice::Newest(pause) = self.choice else { return None };
        let due = self
            .parts
            .iter()
            .flat_map(|part| part.due.iter().filter_map(|key| part.seen.get(key)?.given?.checked_add(pause)));
        due.min()
    }

    fn next_of_all(&mut self, at: usize) -> Option<Given> {
        let feed = self.parts[at].used.feed.clone();
        let log = feed.log();
        self.learn(at, &log);
        let part = &mut self.parts[at];
        let has_dropped = match part.catch_up(&log) {
            Ok(has_dropped) => has_dropped,
            Err(error) => return closed(part, &error),
        };
        if has_dropped {
            for (key, of) in &log.names {
                let Some(seen) = part.seen.get_mut(key).filter(|seen| seen.is_meant) else { continue };
                seen.resume(of, &mut self.resume);
                seen.pass(of.evicted, &mut part.pending, &self.lagged);
                if !of.joined {
                    seen.end(&mut part.pending);
                }
            }
        }
        while part.pending.is_empty() {
            let Some(entry) = log.entry(part.position) else {
                return log.failed.as_ref().and_then(|error| closed(part, error));
            };
            part.position = part.position.saturating_add(1);
            let Some(seen) = part.seen.get_mut(&entry.name).filter(|seen| seen.is_meant) else { continue };
            if let Some(of) = log.names.get(&entry.name) {
                seen.resume(of, &mut self.resume);
            }
            match &entry.what {
                What::Joined => {}
                What::Ended => seen.end(&mut part.pending),
                What::Skipped(place) => seen.pass(*place, &mut part.pending, &self.lagged),
                What::Message(message) if message.place <= seen.place => {}
                What::Message(message) => {
                    seen.pass(message.place.saturating_sub(1), &mut part.pending, &self.lagged);
                    let name = seen.text.clone();
                    if !std::mem::replace(&mut seen.joined, true) {
                        let incarnation = message.incarnation;
                        part.pending.push_back(Given::Joined { name: name.clone(), incarnation });
                    }
                    seen.place = message.place;
                    part.pending.push_back(Given::Message { name, message: message.clone(), passed: 0 });
                    if let Choice::All(Some(credit)) = &mut self.choice {
                        *credit = credit.saturating_sub(1);
                    }
                }
            }
        }
        part.pending.pop_front()
    }

    fn next_newest(&mut self, at: usize, pause: Duration, now: Instant) -> Option<Given> {
        let feed = self.parts[at].used.feed.clone();
        let log = feed.log();
        self.learn(at, &log);
        let part = &mut self.parts[at];
        let has_dropped = match part.catch_up(&log) {
            Ok(has_dropped) => has_dropped,
            Err(error) => return closed(part, &error),
        };
        if has_dropped {
            for (key, of) in &log.names {
                let Some(seen) = part.seen.get_mut(key).filter(|seen| seen.is_meant) else { continue };
                seen.resume(of, &mut self.resume);
                if of.place > seen.place || of.joined != seen.joined {
                    mark(&mut part.due, *key, seen);
                }
            }
        }
        while let Some(entry) = log.entry(part.position) {
            part.position = part.position.saturating_add(1);
            let Some(seen) = part.seen.get_mut(&entry.name).filter(|seen| seen.is_meant) else { continue };
            if let Some(of) = log.names.get(&entry.name) {
                seen.resume(of, &mut self.resume);
            }
            seen.read = entry.what.place().unwrap_or(seen.read);
            if !matches!(entry.what, What::Joined) {
                mark(&mut part.due, entry.name, seen);
            }
        }
        for _ in 0..part.due.len() {
            let Some(key) = part.due.pop_front() else { break };
            let Some(seen) = part.seen.get_mut(&key) else { continue };
            let of = log.names.get(&key);
            // The last place of a name that the log has forgotten is the one that was read.
            let last = of.map_or(seen.read, |of| of.place);
            if last > seen.place {
                if seen.given.and_then(|given| given.checked_add(pause)).is_some_and(|next| next > now) {
                    part.due.push_back(key);
                    continue;
                }
                let newest = of.and_then(|of| of.newest.clone()).filter(|newest| newest.place > seen.place);
                if let Some(message) = newest {
                    let passed = distance(seen.place, message.place.saturating_sub(1));
                    (seen.place, seen.given) = (message.place, Some(now));
                    let (name, incarnation) = (seen.text.clone(), message.incarnation);
                    if !std::mem::replace(&mut seen.joined, true) {
                        part.pending.push_back(Given::Joined { name: name.clone(), incarnation });
                    }
                    part.pending.push_back(Given::Message { name, message, passed });
                }
                seen.pass(last, &mut part.pending, &self.lagged);
            }
            seen.is_due = false;
            if of.is_none_or(|of| !of.joined) {
                seen.end(&mut part.pending);
            }
            if !part.pending.is_empty() {
                return part.pending.pop_front();
            }
        }
        log.failed.as_ref().filter(|_| part.due.is_empty()).and_then(|error| closed(part, error))
    }
}

/// Says once that a part has ended.
fn closed(part: &mut Part, error: &Error) -> Option<Given> {
    // No place is behind this one.
    (part.position != u64::MAX).then(|| {
        part.position = u64::MAX;
        Given::Closed(error.clone())
    })
}

/// Notes that a name has something newer.
fn mark(due: &mut VecDeque<u64>, key: u64, seen: &mut Seen) {
    if !std::mem::replace(&mut seen.is_due, true) {
        due.push_back(key);
    }
}

/// Returns the place after which a client goes on. A client with a number of another incarnation has no message of this
/// one.
fn resumed(of: &OfName, resume: Resume) -> Place {
    let is_same = resume.incarnation.is_none_or(|known| known == of.incarnation);
    of.place_of(if is_same { resume.number } else { 0 }).min(of.place)
}

/// Reads the numbers after which a client goes on: a map of names, each with a number, or with `number` and
/// `incarnation`.
///
/// # Errors
/// `WrongType`, `Missing` and `Malformed`.
pub fn resumes(value: Option<&Value>) -> Result<HashMap<String, Resume>> {
    let Some(value) = value else { return Ok(HashMap::new()) };
    let mut resumes = HashMap::new();
    for (name, of) in value.as_map()?.iter() {
        let resume = match of {
            Value::Map(_) => {
                let text = of.at("incarnation")?.as_text()?;
                let incarnation = u64::from_str_radix(text, 16).map_err(|_| {
                    let text = "an incarnation is the text of a frame `joined`";
                    Error::new(linkspan::ErrorKind::Malformed, text)
                })?;
                Resume { incarnation: Some(incarnation), number: of.at("number")?.as_u64()? }
            }
            number => Resume { incarnation: None, number: number.as_u64()? },
        };
        resumes.insert(Name::parse(name, false)?.text(), resume);
    }
    Ok(resumes)
}

#[cfg(test)]
mod tests;

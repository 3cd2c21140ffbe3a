//! A client's subscription: its place in the log of each of its feeds, and what it has of each name. Nothing is queued
//! for it: what it does not take in time the log drops, and the subscription says how much that was, by name.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Result, Value};

use crate::feed::{Log, ORIGIN, OfName, Published, Use, What};
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
    /// Whether the name is given by it: the token allows it, and no part before this one has it.
    is_meant: bool,
    /// The place of the last message that was given, or counted as missed.
    place: u64,
    /// Whether it said that the name has a publisher.
    joined: bool,
    /// With the newest alone: whether there is a newer one, and when the last was given.
    is_due: bool,
    given: Option<Instant>,
}

impl Seen {
    /// Counts the messages up to this place that were not given as missed, and says so.
    fn pass(&mut self, place: u64, of: &OfName, pending: &mut VecDeque<Given>, lagged: &AtomicU64) {
        let missed = place.saturating_sub(self.place);
        if missed > 0 {
            self.place = place;
            pending.push_back(Given::Lagged { name: of.text.clone(), missed });
            lagged.fetch_add(missed, Ordering::Relaxed);
        }
    }
}

/// One of the names and patterns of a subscription.
struct Part {
    used: Use,
    position: u64,
    seen: Vec<Seen>,
    pending: VecDeque<Given>,
    /// Names with a newer message, with the newest alone.
    due: VecDeque<usize>,
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
                seen: Vec::new(),
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
        let (mut seen, mut pending) = (Vec::new(), VecDeque::new());
        for (number, of) in log.names.iter().enumerate() {
            let mut one = Seen {
                is_meant: self.is_meant(at, &of.name),
                place: of.place,
                joined: of.joined,
                is_due: false,
                given: None,
            };
            if one.is_meant {
                if of.joined {
                    pending.push_back(Given::Joined { name: of.text.clone(), incarnation: of.incarnation });
                }
                if of.newest.is_some()
                    && let Some(resume) = self.resume.remove(&*of.text)
                {
                    one.place = resumed(of, resume);
                    one.pass(of.evicted, of, &mut pending, &self.lagged);
                    position = position.min(log.position_behind(number, one.place));
                } else if of.joined && (of.evicted < of.place || matches!(self.choice, Choice::Newest(_))) {
                    // The newest one comes first.
                    one.place = of.place - 1;
                    position = position.min(log.position_behind(number, one.place));
                }
            }
            seen.push(one);
        }
        let part = &mut self.parts[at];
        (part.position, part.seen, part.pending) = (position, seen, pending);
        // With the newest alone, these are due.
        for number in 0..part.seen.len() {
            if part.seen[number].is_meant && part.seen[number].place < log.names[number].place {
                mark(part, number);
            }
        }
    }

    /// Learns the names that the feed has learnt.
    fn learn(&mut self, at: usize, log: &Log) {
        for number in self.parts[at].seen.len()..log.names.len() {
            let of = &log.names[number];
            let is_meant = self.is_meant(at, &of.name);
            // It was there for the whole of what the feed has of this name.
            let place = ORIGIN;
            self.parts[at].seen.push(Seen { is_meant, place, joined: false, is_due: false, given: None });
        }
        // Where a client goes on is known with the first message of a name: that it has a publisher says no number.
        if !self.resume.is_empty() {
            for (seen, of) in self.parts[at].seen.iter_mut().zip(&log.names) {
                if seen.is_meant
                    && of.newest.is_some()
                    && let Some(resume) = self.resume.remove(&*of.text)
                {
                    seen.place = resumed(of, resume);
                }
            }
        }
    }

    /// Returns what comes next; `None` while there is nothing, or no credit.
    pub fn next(&mut self, now: Instant) -> Option<Given> {
        for _ in 0..self.parts.len() {
            self.turn = (self.turn + 1) % self.parts.len();
            let at = self.turn;
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
        let due = self.parts.iter().flat_map(|part| {
            part.due.iter().filter_map(|number| part.seen.get(*number)?.given.map(|given| given + pause))
        });
        due.min()
    }

    fn next_of_all(&mut self, at: usize) -> Option<Given> {
        let feed = self.parts[at].used.feed.clone();
        let log = feed.log();
        self.learn(at, &log);
        let part = &mut self.parts[at];
        if part.position < log.first {
            // The log has dropped messages that were not given.
            part.position = log.first;
            for (number, of) in log.names.iter().enumerate() {
                let seen = &mut part.seen[number];
                if seen.is_meant {
                    seen.pass(of.evicted, of, &mut part.pending, &self.lagged);
                }
                if seen.is_meant && seen.joined && !of.joined {
                    seen.joined = false;
                    part.pending.push_back(Given::Ended { name: of.text.clone() });
                }
            }
        }
        while part.pending.is_empty() {
            let Some(entry) = log.entry(part.position) else {
                if let Some(error) = &log.failed {
                    return closed(part, error);
                }
                return None;
            };
            part.position += 1;
            let (seen, of) = (&mut part.seen[entry.name], &log.names[entry.name]);
            if !seen.is_meant {
                continue;
            }
            match &entry.what {
                What::Joined => {}
                What::Ended if seen.joined => {
                    seen.joined = false;
                    part.pending.push_back(Given::Ended { name: of.text.clone() });
                }
                What::Ended => {}
                What::Message(message) if message.place <= seen.place => {}
                What::Message(message) => {
                    seen.pass(message.place - 1, of, &mut part.pending, &self.lagged);
                    if !std::mem::replace(&mut seen.joined, true) {
                        let incarnation = message.incarnation;
                        part.pending.push_back(Given::Joined { name: of.text.clone(), incarnation });
                    }
                    seen.place = message.place;
                    let (name, message) = (of.text.clone(), message.clone());
                    part.pending.push_back(Given::Message { name, message, passed: 0 });
                    if let Choice::All(Some(credit)) = &mut self.choice {
                        *credit -= 1;
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
        if part.position < log.first {
            part.position = log.first;
            for (number, of) in log.names.iter().enumerate() {
                if part.seen[number].is_meant && of.place > part.seen[number].place {
                    mark(part, number);
                }
            }
        }
        while let Some(entry) = log.entry(part.position) {
            part.position += 1;
            if part.seen[entry.name].is_meant && !matches!(entry.what, What::Joined) {
                mark(part, entry.name);
            }
        }
        for _ in 0..part.due.len() {
            let Some(number) = part.due.pop_front() else { break };
            let (seen, of) = (&mut part.seen[number], &log.names[number]);
            if of.place > seen.place {
                if seen.given.is_some_and(|given| given + pause > now) {
                    part.due.push_back(number);
                    continue;
                }
                let Some(message) = of.newest.clone() else { continue };
                let passed = message.place - 1 - seen.place;
                (seen.place, seen.given) = (message.place, Some(now));
                let is_new = !std::mem::replace(&mut seen.joined, true);
                let (name, incarnation) = (of.text.clone(), message.incarnation);
                part.pending.push_back(Given::Message { name: name.clone(), message, passed });
                if is_new {
                    part.pending.push_front(Given::Joined { name, incarnation });
                }
            }
            seen.is_due = false;
            if seen.joined && !of.joined {
                seen.joined = false;
                part.pending.push_back(Given::Ended { name: of.text.clone() });
            }
            if !part.pending.is_empty() {
                return part.pending.pop_front();
            }
        }
        match &log.failed {
            Some(error) if part.due.is_empty() => closed(part, error),
            _ => None,
        }
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
fn mark(part: &mut Part, number: usize) {
    if !std::mem::replace(&mut part.seen[number].is_due, true) {
        part.due.push_back(number);
    }
}

/// The place behind which a client goes on, which has a number of an incarnation; of another one it has nothing.
fn resumed(of: &OfName, resume: Resume) -> u64 {
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

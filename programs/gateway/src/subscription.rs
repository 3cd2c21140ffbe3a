//! A client's subscription: a view of stores, with a position in the log of each.
//!
//! Nothing is queued for it. The log drops entries that the client does not take in time, and the subscription
//! reports their number by name.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Result, Value};

use crate::feed::{Log, NAMES, ORIGIN, Place, Published, Store, Use, What, distance, too_slow};
use crate::frames::{Format, Frame, error_value};
use crate::names::Name;
use crate::room::{Account, Holder, Taken};

/// Bytes of memory per name, in addition to the shared store.
const OF_A_NAME: u64 = 512;

/// The last number and incarnation that a resuming client received.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    pub incarnation: Option<u64>,
    pub number: u64,
}

#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// Every message, limited by the credit. `None` means as fast as the connection takes them.
    All(Option<u64>),
    /// The newest message of each name, with at least this pause.
    Newest(Duration),
}

impl Choice {
    /// Returns the choice for a client's options.
    ///
    /// # Errors
    /// `Malformed` for contradictory options; `OutOfRange` for an invalid rate.
    pub fn of(newest: bool, rate: Option<f64>, credit: Option<u64>, most: f64) -> Result<Choice> {
        if newest && credit.is_some() || !newest && rate.is_some() {
            let text = "a subscription has the newest messages, with latest and perhaps rate, or each one, with credit or without";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if !newest {
            return Ok(Choice::All(credit));
        }
        // Checked first, because `min` ignores NaN.
        if rate.is_some_and(|rate| !rate.is_finite() || rate < 1e-3) {
            let text = "a rate is a number of messages a second, at least 0.001";
            return Err(Error::new(ErrorKind::OutOfRange, text));
        }
        Ok(Choice::Newest(Duration::from_secs_f64(1.0 / rate.unwrap_or(most).min(most))))
    }
}

/// The next item of a subscription, before encoding.
pub enum Given {
    Message { name: Arc<str>, message: Arc<Published>, passed: u64 },
    Lagged { name: Arc<str>, missed: u64 },
    Joined { name: Arc<str>, incarnation: u64 },
    Ended { name: Arc<str> },
    Closed(Error),
}

impl Given {
    pub fn kind(&self) -> &'static str {
        match self {
            Given::Message { .. } => "message",
            Given::Lagged { .. } => "lagged",
            Given::Joined { .. } => "joined",
            Given::Ended { .. } => "ended",
            Given::Closed(_) => "closed",
        }
    }

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

struct Seen {
    store: Arc<Store>,
    /// The place of the last message that was delivered or counted as missed.
    place: Place,
    /// The position of the next log entry. Unused with [`Choice::Newest`].
    position: u64,
    /// Whether the client knows that the name has a publisher.
    joined: bool,
    /// Whether the resume number of this name was looked up.
    is_resumed: bool,
    is_ready: bool,
    /// With [`Choice::Newest`]: whether a newer message exists, and when the last was delivered.
    is_due: bool,
    given: Option<Instant>,
}

impl Seen {
    fn new(store: Arc<Store>) -> Seen {
        Seen {
            store,
            place: ORIGIN,
            position: 0,
            joined: false,
            is_resumed: false,
            is_ready: false,
            is_due: false,
            given: None,
        }
    }

    /// Reports undelivered messages up to this place as missed.
    fn pass(&mut self, place: Place, pending: &mut VecDeque<Given>, lagged: &AtomicU64) {
        let missed = distance(self.place, place);
        if missed > 0 {
            self.place = place;
            pending.push_back(Given::Lagged { name: self.store.text.clone(), missed });
            lagged.fetch_add(missed, Ordering::Relaxed);
        }
    }

    fn end(&mut self, pending: &mut VecDeque<Given>) {
        if std::mem::take(&mut self.joined) {
            pending.push_back(Given::Ended { name: self.store.text.clone() });
        }
    }

    fn join(&mut self, incarnation: u64, pending: &mut VecDeque<Given>) {
        if !std::mem::replace(&mut self.joined, true) {
            pending.push_back(Given::Joined { name: self.store.text.clone(), incarnation });
        }
    }

    /// Returns a new entry for `ready`, if the log has an unread entry or has ended.
    fn ready(&mut self, log: &Log) -> Option<(u64, u64)> {
        let arrival = log.arrival(self.position).or_else(|| log.is_forgotten.then_some(0))?;
        (!std::mem::replace(&mut self.is_ready, true)).then_some((arrival, self.store.key))
    }

    /// Moves to the client's resume number and returns whether it has one.
    ///
    /// Waits for the first message of the name, because before it numbers have no place.
    fn resume(&mut self, log: &Log, resumes: &mut HashMap<String, Resume>) -> bool {
        if log.newest.is_none() || std::mem::replace(&mut self.is_resumed, true) {
            return false;
        }
        let resume = if resumes.is_empty() { None } else { resumes.remove(&*self.store.text) };
        if let Some(resume) = resume {
            self.place = resumed(log, resume);
        }
        resume.is_some()
    }
}

pub struct Subscription {
    used: Use,
    choice: Choice,
    resume: HashMap<String, Resume>,
    held: Taken,
    seen: BTreeMap<u64, Seen>,
    /// Names with an unread log entry, in order of arrival.
    ready: BTreeSet<(u64, u64)>,
    /// Names with a newer message, for [`Choice::Newest`].
    due: VecDeque<u64>,
    pending: VecDeque<Given>,
    failed: Option<Error>,
    is_over: bool,
    lagged: Arc<AtomicU64>,
}

impl Subscription {
    /// Begins with the newest message of each existing name, or after the client's resume numbers.
    ///
    /// # Errors
    /// `Full` if the client holds too much memory.
    pub fn new(
        (used, stores): (Use, Vec<Arc<Store>>),
        choice: Choice,
        resume: HashMap<String, Resume>,
        account: &Arc<Account>,
        lagged: Arc<AtomicU64>,
    ) -> Result<Subscription> {
        let held = account.take(Holder::View, 0)?;
        let mut subscription = Subscription {
            used,
            choice,
            resume,
            held,
            seen: BTreeMap::new(),
            ready: BTreeSet::new(),
            due: VecDeque::new(),
            pending: VecDeque::new(),
            failed: None,
            is_over: false,
            lagged,
        };
        stores.into_iter().for_each(|store| subscription.begin(store));
        subscription.count()?;
        Ok(subscription)
    }

    fn count(&mut self) -> Result<()> {
        let names = self.seen.len().saturating_add(self.resume.len()) as u64;
        self.held.change(names.saturating_mul(OF_A_NAME))
    }

    pub fn add_credit(&mut self, more: u64) {
        if let Choice::All(Some(credit)) = &mut self.choice {
            *credit = credit.saturating_add(more);
        }
    }

    /// Sets the first position in a store that existed before.
    fn begin(&mut self, store: Arc<Store>) {
        let (key, shared) = (store.key, store.clone());
        let mut seen = Seen::new(store);
        {
            let log = shared.log();
            seen.place = log.place;
            if log.joined {
                seen.join(log.incarnation, &mut self.pending);
            }
            if seen.resume(&log, &mut self.resume) {
                seen.pass(log.evicted, &mut self.pending, &self.lagged);
            } else if log.joined && (log.evicted < log.place || matches!(self.choice, Choice::Newest(_))) {
                // Start with the newest message.
                seen.place = log.place.saturating_sub(1);
            }
            seen.position = if seen.place < log.place { log.position_after(seen.place) } else { log.end() };
            if let Choice::All(_) = self.choice {
                self.ready.extend(seen.ready(&log));
            } else if seen.place < log.place {
                mark(&mut self.due, key, &mut seen);
            }
        }
        self.seen.insert(key, seen);
    }

    fn take_news(&mut self) {
        let (news, failed) = self.used.view.take_news();
        self.failed = failed;
        for (key, store) in news {
            let seen = self.seen.entry(key).or_insert_with(|| Seen::new(store.clone()));
            let log = store.log();
            match self.choice {
                Choice::All(_) => self.ready.extend(seen.ready(&log)),
                Choice::Newest(_) => {
                    seen.resume(&log, &mut self.resume);
                    if log.place > seen.place || log.joined != seen.joined || log.is_forgotten {
                        mark(&mut self.due, key, seen);
                    }
                }
            }
        }
        if self.seen.len() > 2 * NAMES {
            self.failed.get_or_insert_with(too_slow);
        }
        if let Err(error) = self.count() {
            self.failed.get_or_insert(error);
        }
    }

    /// Returns the next item; `None` if there is nothing or no credit.
    pub fn next(&mut self, now: Instant) -> Option<Given> {
        if self.is_over {
            return None;
        }
        self.take_news();
        let given = self.pending.pop_front().or_else(|| match self.choice {
            Choice::All(Some(0)) => None,
            Choice::All(_) => self.next_of_all(),
            Choice::Newest(pause) => self.next_newest(pause, now),
        });
        // The last messages come before the end, if there is credit for them.
        if given.is_none()
            && self.due.is_empty()
            && let Some(error) = self.failed.take()
        {
            self.is_over = true;
            return Some(Given::Closed(error));
        }
        given
    }

    /// Returns when the newest message of a name may be delivered; `None` if none waits.
    pub fn due(&self) -> Option<Instant> {
        let Choice::Newest(pause) = self.choice else { return None };
        self.due.iter().filter_map(|key| self.seen.get(key)?.given?.checked_add(pause)).min()
    }

    fn next_of_all(&mut self) -> Option<Given> {
        while self.pending.is_empty() {
            let (_, key) = self.ready.pop_first()?;
            let Some(seen) = self.seen.get_mut(&key) else { continue };
            seen.is_ready = false;
            let store = seen.store.clone();
            let log = store.log();
            if seen.position < log.first {
                // The log has dropped the next entries.
                seen.position = log.first;
                seen.resume(&log, &mut self.resume);
                seen.pass(log.evicted, &mut self.pending, &self.lagged);
                if !log.joined {
                    seen.end(&mut self.pending);
                }
            }
            if self.pending.is_empty()
                && let Some(entry) = log.entry(seen.position)
            {
                seen.position = seen.position.saturating_add(1);
                seen.resume(&log, &mut self.resume);
                match &entry.what {
                    What::Ended => seen.end(&mut self.pending),
                    What::Skipped => seen.pass(entry.place, &mut self.pending, &self.lagged),
                    What::Message(message) if message.place <= seen.place => {}
                    What::Message(message) => {
                        seen.pass(message.place.saturating_sub(1), &mut self.pending, &self.lagged);
                        seen.join(message.incarnation, &mut self.pending);
                        seen.place = message.place;
                        let name = store.text.clone();
                        self.pending.push_back(Given::Message { name, message: message.clone(), passed: 0 });
                        if let Choice::All(Some(credit)) = &mut self.choice {
                            *credit = credit.saturating_sub(1);
                        }
                    }
                }
            }
            if log.is_forgotten && log.arrival(seen.position).is_none() {
                seen.end(&mut self.pending);
                self.seen.remove(&key);
            } else {
                self.ready.extend(seen.ready(&log));
            }
        }
        self.pending.pop_front()
    }

    fn next_newest(&mut self, pause: Duration, now: Instant) -> Option<Given> {
        for _ in 0..self.due.len() {
            let Some(key) = self.due.pop_front() else { break };
            let Some(seen) = self.seen.get_mut(&key) else { continue };
            let store = seen.store.clone();
            let log = store.log();
            if log.place > seen.place {
                if seen.given.and_then(|given| given.checked_add(pause)).is_some_and(|next| next > now) {
                    self.due.push_back(key);
                    continue;
                }
                let newest = log.newest.clone().filter(|newest| newest.place > seen.place);
                if let Some(message) = newest {
                    let passed = distance(seen.place, message.place.saturating_sub(1));
                    (seen.place, seen.given) = (message.place, Some(now));
                    seen.join(message.incarnation, &mut self.pending);
                    let name = store.text.clone();
                    self.pending.push_back(Given::Message { name, message, passed });
                }
                seen.pass(log.place, &mut self.pending, &self.lagged);
            }
            seen.is_due = false;
            if !log.joined {
                seen.end(&mut self.pending);
            }
            if log.is_forgotten {
                self.seen.remove(&key);
            }
            if !self.pending.is_empty() {
                return self.pending.pop_front();
            }
        }
        None
    }
}

fn mark(due: &mut VecDeque<u64>, key: u64, seen: &mut Seen) {
    if !std::mem::replace(&mut seen.is_due, true) {
        due.push_back(key);
    }
}

/// Returns the place after which a client resumes. For another incarnation, this is the beginning.
fn resumed(log: &Log, resume: Resume) -> Place {
    let is_same = resume.incarnation.is_none_or(|known| known == log.incarnation);
    log.place_of(if is_same { resume.number } else { 0 }).min(log.place)
}

/// Reads the resume numbers: a map from name to a number, or to `number` and `incarnation`.
///
/// # Errors
/// `WrongType`, `Missing` and `Malformed`.
pub fn resumes(value: Option<&Value>) -> Result<HashMap<String, Resume>> {
    let Some(value) = value else { return Ok(HashMap::new()) };
    let mut resumes = HashMap::new();
    let map = value.as_map()?;
    if map.len() > NAMES {
        let text = format!("from has {} names, and {NAMES} at most", map.len());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    for (name, of) in map.iter() {
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

//! The state of a controller: who is there, what is under way, what is to be said. No clock and no socket: messages and
//! moments go in, actions come out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::conduct::{Allowance, Limits};
use super::events::{Entry, Log, cut};
use super::known::{self, Answered, Known};
use super::orders::{Archive, Key};
use super::question::{Wanted, Watch};
use super::schedule::{Due, Name, Schedule};
use crate::channel::Question;
use crate::channel::session::Owner;
use crate::error::{Error, ErrorKind};
use crate::service::command::failure_of;
use crate::service::state::View;
use crate::service::words::{Introduction, Order, Said, Told};
use crate::value::{Timestamp, Value};

/// Now: since the start of the controller, and by the clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub since: Duration,
    pub at: Timestamp,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Say this to a service.
    Tell { link: u64, told: Told },
    /// Give a command to a service.
    Give { link: u64, order: Order },
    /// Let go of a link, once what it was told is on its way.
    Release { link: u64 },
    /// Answer a client.
    Answer { to: Question, value: Value },
    /// Answer it with an error.
    Refuse { to: Question, error: Error },
    /// Say this to these watchers.
    Push { to: Vec<u64>, value: Value },
}

/// A link to a service.
#[derive(Debug)]
pub(super) struct Line {
    pub source: Arc<str>,
    /// Whose program it is.
    pub owner: Owner,
    /// Who it is, once it has said so.
    pub name: Option<Name>,
    rate: Allowance,
    mistakes: Allowance,
    /// When it was told that we are there.
    told: Option<Duration>,
}

/// The state of a controller.
#[derive(Debug)]
pub struct Roster {
    pub(super) controller: u64,
    pub(super) limits: Limits,
    pub(super) services: BTreeMap<Name, Known>,
    pub(super) links: HashMap<u64, Line>,
    pub(super) watchers: HashMap<u64, Watch>,
    pub(super) archive: Archive,
    pub(super) schedule: Schedule,
    pub(super) actions: VecDeque<Action>,
    pub(super) log: Log,
    /// The commands that each client waits for.
    pub(super) asked: HashMap<u64, BTreeSet<Key>>,
    /// Commands for services that an earlier controller knew and that may still come.
    pub(super) expected: BTreeMap<Name, Vec<(Question, Wanted, usize, Duration)>>,
    pub(super) open_bytes: usize,
    pub(super) outcomes: Answered,
    /// Counts the looks at data.
    pub(super) looks: u64,
    /// When it was last noted that there is no room.
    crowded: Option<Duration>,
}

impl Roster {
    /// Nobody is there. `controller` is the number of this incarnation.
    pub fn new(controller: u64, limits: Limits) -> Roster {
        Roster {
            controller,
            limits,
            services: BTreeMap::new(),
            links: HashMap::new(),
            watchers: HashMap::new(),
            archive: Archive::default(),
            schedule: Schedule::default(),
            actions: VecDeque::new(),
            log: Log::default(),
            asked: HashMap::new(),
            expected: BTreeMap::new(),
            open_bytes: 0,
            outcomes: Answered::default(),
            looks: 0,
            crowded: None,
        }
    }

    /// The next thing that is to be done.
    pub fn act(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When time alone will bring something about.
    pub fn next(&self) -> Option<Duration> {
        self.schedule.next()
    }

    /// So many are connected that another one was not let in.
    pub fn crowded(&mut self, peers: usize, now: Moment) {
        if self.crowded.is_none_or(|last| last + self.limits.trouble <= now.since) {
            self.crowded = Some(now.since);
            let text = format!("{peers} peers are connected, as many as may; others are turned away");
            self.note(None, "error", &text, now);
        }
    }

    /// A service has connected.
    pub fn arrived(&mut self, link: u64, source: &str, owner: Owner, now: Moment) {
        let line = Line {
            source: cut(source, 200).into(),
            owner,
            name: None,
            rate: Allowance::new(self.limits.burst, now.since),
            mistakes: Allowance::new(self.limits.mistakes, now.since),
            told: None,
        };
        self.links.insert(link, line);
        self.schedule.set(Due::Stranger(link), now.since + self.limits.stranger);
        let told = Told::Welcome { controller: self.controller, heartbeat: self.limits.heartbeat };
        self.actions.push_back(Action::Tell { link, told });
    }

    /// It has said this, in a message of so many bytes.
    pub fn said(&mut self, link: u64, said: Said, bytes: usize, now: Moment) {
        let Some(line) = self.links.get_mut(&link) else { return };
        let lines = if let Said::Log(lines) = &said { lines.len() } else { 0 };
        let cost = 1.0 + bytes as f64 / 16_384.0 + lines as f64 / 20.0;
        if !line.rate.spend(cost, self.limits.rate, self.limits.burst, now.since) {
            let text = format!("floods its controller with more than {} messages a second", self.limits.rate);
            return self.banish(link, &text, now);
        }
        let name = line.name.clone();
        if let Said::Introduction(introduction) = said {
            return self.introduced(link, name, introduction, now);
        }
        let Some(name) = name else {
            return self.banish(link, "speaks before it has said who it is", now);
        };
        self.heard(&name, now);
        match said {
            Said::Introduction(_) => {}
            Said::Report(report) => {
                self.tell_that_we_are_there(link, now);
                let report = known::trim(report, &self.limits);
                let Some(service) = self.services.get_mut(&name) else { return };
                let state = report.state;
                let changed = service.report().state != state;
                service.introduction.report = report;
                if changed {
                    let text = match &service.report().reason {
                        reason if reason.is_empty() => format!("is {}", state.name()),
                        reason => format!("is {}: {reason}", state.name()),
                    };
                    self.note(Some(&name), "info", &text, now);
                }
                self.touch(&name, now);
            }
            Said::Answer(answer) => self.answered(&name, answer, bytes, now),
            Said::Log(lines) => {
                for line in lines {
                    let (level, text) = (cut(&line.level, 16), cut(&line.text, self.limits.line));
                    let entry = Entry { at: line.at, service: Some(name.clone()), level, text };
                    self.tell_of(&entry);
                    self.write(&name, entry);
                }
            }
            Said::Bye(state) => {
                let Some(service) = self.services.get_mut(&name) else { return };
                service.introduction.report.state = state;
                self.let_go(link);
                self.gone(&name, &format!("said goodbye, {}", state.name()), now);
            }
        }
    }

    /// It has said what makes no sense.
    pub fn babbled(&mut self, link: u64, error: &Error, now: Moment) {
        // A word of a later version.
        if error.kind() == ErrorKind::Unsupported {
            return;
        }
        let Some(line) = self.links.get_mut(&link) else { return };
        let rate = self.limits.mistakes / 60.0;
        let borne = line.mistakes.spend(1.0, rate, self.limits.mistakes, now.since);
        let text = format!("sent what makes no sense: {}", cut(&error.to_string(), 300));
        if borne {
            return self.accuse(link, &text, now);
        }
        self.banish(link, &format!("{text}, again and again"), now);
    }

    /// Its link has ended. `fault` where it broke the rules of the link itself.
    pub fn left(&mut self, link: u64, why: &str, fault: bool, now: Moment) {
        if fault {
            self.accuse(link, &format!("broke its link: {}", cut(why, 300)), now);
        }
        let Some(line) = self.links.get(&link) else { return };
        let name = line.name.clone();
        self.forget_link(link);
        if let Some(name) = name {
            self.away(&name, why, now);
        }
    }

    /// Time has passed.
    pub fn pass(&mut self, now: Moment) {
        while let Some(due) = self.schedule.take(now.since) {
            match due {
                Due::Command(name, id) => self.overdue(&(name, id), now),
                Due::Silence(name) => self.silent(&name, now),
                Due::Gone(name) => {
                    let away = self.limits.away.as_secs();
                    self.gone(&name, &format!("has been away for {away} s"), now);
                }
                Due::Sample(name) => self.sample(&name, now),
                Due::Push(name) => self.push(&name, now),
                Due::Mended(name) => self.mended(&name, now),
                Due::Stranger(link) => {
                    if self.links.get(&link).is_some_and(|line| line.name.is_none()) {
                        self.banish(link, "did not say who it is", now);
                    }
                }
                Due::Expected(name) => self.not_come(&name, now),
                Due::Forget => self.forget_answers(now),
            }
        }
    }

    fn introduced(&mut self, link: u64, known_as: Option<Name>, it: Introduction, now: Moment) {
        let it = match known::check(it, &self.limits) {
            Ok(it) => it,
            Err(error) => return self.turn_away(link, &error, now),
        };
        if known_as.is_some_and(|name| *name != *it.name) {
            return self.banish(link, "says that it is another one now", now);
        }
        let service = self.services.get(&*it.name);
        let owner = self.links.get(&link).map(|line| &line.owner);
        // Its commands are for its owner's program, also while that is away; once it has gone for good, the name is free.
        if let Some(known) = service.filter(|known| known.view != View::Gone && Some(&known.owner) != owner) {
            let (name, first) = (known.name.clone(), known.source.clone());
            self.trouble(&name, "another user's program calls itself so too, and was turned away", now);
            let text = format!(
                "{name} is a service of another user here ({first}); take another name, or have that one say goodbye or be forgotten (`linkspan service forget {name}`)"
            );
            return self.turn_away(link, &Error::new(ErrorKind::PermissionDenied, text), now);
        }
        if service.is_some_and(|known| known.link == Some(link) && known.introduction.epoch != it.epoch) {
            return self.banish(link, "says that it is another incarnation now", now);
        }
        if let Some(service) = service
            && let Some(first) = service.link.filter(|first| *first != link)
        {
            let (name, other) = (service.name.clone(), service.introduction.epoch != it.epoch);
            if other && service.view == View::Connected {
                let text = format!(
                    "another program calls itself {name} too, and was turned away: {} with process {}, the first is process {}",
                    it.program, it.pid, service.introduction.pid
                );
                self.trouble(&name, &text, now);
                let text = format!(
                    "{name} is connected already, as process {} ({}); give each service a name of its own",
                    self.services.get(&name).map_or(0, |service| service.introduction.pid),
                    self.services.get(&name).map_or("", |service| &service.introduction.program),
                );
                return self.turn_away(link, &Error::new(ErrorKind::AddressInUse, text), now);
            }
            if other {
                self.note(Some(&name), "warning", "was silent, and another incarnation takes its place", now);
            }
            self.let_go(first);
        }
        if !self.services.contains_key(&*it.name) && !self.make_room(now) {
            let text = format!("{} services are known, as many as may; forget some", self.services.len());
            return self.turn_away(link, &Error::new(ErrorKind::Full, text), now);
        }
        self.take_in(link, it, now);
    }

    fn take_in(&mut self, link: u64, it: Introduction, now: Moment) {
        let name: Name = it.name.as_str().into();
        let Some(line) = self.links.get_mut(&link) else { return };
        line.name = Some(name.clone());
        let (source, owner) = (line.source.clone(), line.owner.clone());
        self.schedule.cancel(&Due::Stranger(link));
        self.schedule.cancel(&Due::Gone(name.clone()));
        let is_new = !self.services.contains_key(&name);
        let service = self
            .services
            .entry(name.clone())
            .or_insert_with(|| Known::new(name.clone(), it.clone(), now.since, now.at));
        let again = service.link == Some(link);
        let restarted = !is_new && service.introduction.epoch != it.epoch;
        let text = format!(
            "{}: {} with process {}, {}",
            match () {
                () if is_new => "has come",
                () if restarted => "has started anew",
                () => "is back",
            },
            it.program,
            it.pid,
            it.report.state.name()
        );
        service.introduction = it;
        service.link = Some(link);
        (service.source, service.owner) = (source, owner);
        service.view = View::Connected;
        (service.heard, service.last_seen) = (now.since, now.at);
        if again {
            return self.touch(&name, now);
        }
        service.connections += 1;
        if restarted {
            // That was the incarnation before.
            self.mended(&name, now);
        }
        self.schedule.set(Due::Silence(name.clone()), now.since + self.limits.silence());
        self.note(Some(&name), "info", &text, now);
        self.drop_look(&name);
        self.give_again(&name, now);
        self.schedule.cancel(&Due::Expected(name.clone()));
        for (to, wanted, bytes, until) in self.expected.remove(&name).unwrap_or_default() {
            self.open_bytes -= bytes;
            let within = until.saturating_sub(now.since);
            self.command(to, Wanted { within, ..wanted }, bytes, now);
        }
        self.plan_look(&name, now);
        self.touch(&name, now);
    }

    /// Whether one more may come: the one that has been gone for longest makes room.
    fn make_room(&mut self, now: Moment) -> bool {
        if self.services.len() < self.limits.services {
            return true;
        }
        self.forget_oldest(now)
    }

    fn forget_oldest(&mut self, now: Moment) -> bool {
        let gone = self.services.values().filter(|service| service.view == View::Gone);
        let Some(name) = gone.min_by_key(|service| service.left).map(|service| service.name.clone()) else {
            return false;
        };
        self.erase(&name, now);
        true
    }

    /// Nothing is known of it any longer.
    pub(super) fn erase(&mut self, name: &Name, now: Moment) {
        self.give_up(name, true, now);
        for due in [Due::Gone, Due::Push, Due::Mended, Due::Sample, Due::Silence] {
            self.schedule.cancel(&due(name.clone()));
        }
        self.services.remove(name);
        let to = self.watching(name);
        if !to.is_empty() {
            let value = Value::map([("what", "gone"), ("name", &**name)]);
            self.actions.push_back(Action::Push { to, value });
        }
    }

    fn heard(&mut self, name: &Name, now: Moment) {
        let Some(service) = self.services.get_mut(name) else { return };
        (service.heard, service.last_seen) = (now.since, now.at);
        if service.view == View::Stale {
            service.view = View::Connected;
            self.schedule.set(Due::Silence(name.clone()), now.since + self.limits.silence());
            self.note(Some(name), "info", "is heard of again", now);
            self.touch(name, now);
        }
    }

    /// Says to a service that reports that it is heard: not after each report where there are many.
    fn tell_that_we_are_there(&mut self, link: u64, now: Moment) {
        let Some(line) = self.links.get_mut(&link) else { return };
        if line.told.is_none_or(|told| told + self.limits.heartbeat / 2 <= now.since) {
            line.told = Some(now.since);
            self.actions.push_back(Action::Tell { link, told: Told::Beat });
        }
    }

    fn silent(&mut self, name: &Name, now: Moment) {
        let silence = self.limits.silence();
        let Some(service) = self.services.get_mut(name).filter(|service| service.is_here()) else { return };
        // It was heard of since this was thought of.
        let until = service.heard + silence;
        if until > now.since {
            return self.schedule.set(Due::Silence(name.clone()), until);
        }
        service.view = View::Stale;
        let text = format!("has said nothing for {} s", silence.as_secs_f64());
        self.note(Some(name), "warning", &text, now);
        self.touch(name, now);
    }

    /// Its link has ended, and it may come back.
    fn away(&mut self, name: &Name, why: &str, now: Moment) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.link = None;
        service.left = now.since;
        service.view = View::Disconnected;
        self.schedule.cancel(&Due::Silence(name.clone()));
        self.schedule.set(Due::Gone(name.clone()), now.since + self.limits.away);
        self.drop_look(name);
        self.note(Some(name), "warning", &format!("has gone: {}", cut(why, 300)), now);
        self.touch(name, now);
    }

    fn gone(&mut self, name: &Name, why: &str, now: Moment) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.link = None;
        service.left = now.since;
        service.view = View::Gone;
        self.schedule.cancel(&Due::Silence(name.clone()));
        self.schedule.cancel(&Due::Gone(name.clone()));
        self.drop_look(name);
        self.note(Some(name), "info", why, now);
        self.give_up(name, false, now);
        self.touch(name, now);
        let gone = self.services.values().filter(|service| service.view == View::Gone).count();
        if gone > self.limits.gone {
            self.forget_oldest(now);
        }
    }

    /// Something is wrong with whoever is at this link.
    fn accuse(&mut self, link: u64, text: &str, now: Moment) {
        let Some(line) = self.links.get(&link) else { return };
        match line.name.clone() {
            Some(name) => self.trouble(&name, text, now),
            None => {
                let text = format!("somebody ({}) {text}", line.source);
                self.note(None, "warning", &text, now);
            }
        }
    }

    /// Whoever is at this link does what it may not: it is let go of, and may come again.
    fn banish(&mut self, link: u64, text: &str, now: Moment) {
        self.accuse(link, text, now);
        let text = format!("this service {text}; it is let go of");
        let told = Told::Refused(failure_of(&Error::new(ErrorKind::Malformed, text)));
        self.actions.push_back(Action::Tell { link, told });
        let name = self.links.get(&link).and_then(|line| line.name.clone());
        self.let_go(link);
        if let Some(name) = name {
            self.away(&name, "it was let go of", now);
        }
    }

    /// Whoever is at this link is not taken.
    fn turn_away(&mut self, link: u64, error: &Error, now: Moment) {
        // Of a second one of the same name the first one's record tells.
        if error.kind() != ErrorKind::AddressInUse {
            let source = self.links.get(&link).map_or("", |line| &line.source);
            let text = format!("somebody ({source}) was turned away: {}", cut(error.text(), 300));
            self.note(None, "warning", &text, now);
        }
        self.actions.push_back(Action::Tell { link, told: Told::Refused(failure_of(error)) });
        self.let_go(link);
    }

    fn let_go(&mut self, link: u64) {
        self.forget_link(link);
        self.actions.push_back(Action::Release { link });
    }

    fn forget_link(&mut self, link: u64) {
        self.links.remove(&link);
        self.schedule.cancel(&Due::Stranger(link));
    }

    /// Notes what is wrong with a service, once for as long as it is the same.
    pub(super) fn trouble(&mut self, name: &Name, text: &str, now: Moment) {
        self.schedule.set(Due::Mended(name.clone()), now.since + self.limits.trouble);
        let Some(service) = self.services.get_mut(name) else { return };
        service.late = None;
        if service.trouble == text {
            return;
        }
        service.trouble = text.to_owned();
        self.note(Some(name), "warning", text, now);
        self.touch(name, now);
    }

    /// Nothing is wrong with it any more.
    pub(super) fn mended(&mut self, name: &Name, now: Moment) {
        self.schedule.cancel(&Due::Mended(name.clone()));
        let Some(service) = self.services.get_mut(name) else { return };
        service.late = None;
        if !std::mem::take(&mut service.trouble).is_empty() {
            self.touch(name, now);
        }
    }

    /// Writes into the log of the controller, and of the service that it is about.
    pub(super) fn note(&mut self, name: Option<&Name>, level: &str, text: &str, now: Moment) {
        let text = cut(text, self.limits.line);
        let entry = Entry { at: now.at, service: name.cloned(), level: level.into(), text };
        self.tell_of(&entry);
        if let Some(name) = name {
            self.write(name, entry.clone());
        }
        self.log.push(entry, self.limits.events, self.limits.logs_bytes);
    }

    fn write(&mut self, name: &Name, entry: Entry) {
        let share = self.limits.log_share(self.services.len());
        if let Some(service) = self.services.get_mut(name) {
            service.log.push(entry, self.limits.lines, share);
        }
    }
}

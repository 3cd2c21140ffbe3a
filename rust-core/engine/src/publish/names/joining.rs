//! Joins and leaves names: existing, appearing, silent and refusing ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DESCRIPTORS, MAX_NAMES, Member, NAMES_PER_ROUND, Receiver, Refused, SubscribedNames, fitting};
use crate::channel::event_log::EventLog;
use crate::channel::handshake::After;
use crate::channel::{StartAt, Use};
use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::gaps::{GONE_UNMET, Silent};
use crate::publish::lives::renamed_file;
use crate::session::redial::{self, Redial};
use crate::sys::headroom;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::random;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::MIN_ANSWER_TIME;
use crate::transport::place::Listener;

const PAUSE: Duration = Duration::from_millis(10);

impl<R: Receiver> SubscribedNames<R> {
    /// Waits until the existing names are connected, so that later messages are received. All silent listeners together
    /// have the time of one call.
    pub(super) fn connect_all(&mut self, log: &EventLog) -> Result<()> {
        let mut waiting = Waiting::until(Deadline::after(MIN_ANSWER_TIME));
        let (set, mut found) = (Epoll::new()?, Vec::new());
        let mut left = 0;
        for (token, member) in &self.members {
            if member.receiver.is_connecting() {
                set.add(member.receiver.descriptor(), *token, Interest::IN)?;
                left += 1;
            }
        }
        while left > 0 {
            match drive::events(&set, &mut waiting, &mut found) {
                Err(e) if e.kind() == ErrorKind::Timeout => break,
                waited => waited?,
            }
            for ready in &found {
                let Some(member) = self.members.get_mut(&ready.token) else { continue };
                if member.go_on() {
                    set.remove(member.receiver.descriptor());
                    left -= 1;
                }
            }
        }
        let lives = &mut self.lives;
        self.members.values().for_each(|member| member.pass_events(log, lives));
        Ok(())
    }

    pub fn connect_some(&mut self, log: &EventLog) -> bool {
        let mut have_all = true;
        for (token, member) in &mut self.members {
            if !member.receiver.is_connecting() {
                continue;
            }
            if !member.go_on() {
                have_all = false;
            } else if !std::mem::replace(&mut member.is_ready, true) {
                self.ready.push_back(*token);
            }
            member.pass_events(log, &mut self.lives);
        }
        have_all
    }

    /// Subscribes to the name, unless it is subscribed. `resume` is the start of a name without an earlier position.
    /// Fails only for a name that the program gave; other failures are noted as refusals.
    pub(super) fn join(
        &mut self,
        endpoint: &Endpoint,
        is_given: bool,
        resume: Option<After>,
        epoll: &Epoll,
        log: &EventLog,
    ) -> Result<()> {
        let name: Arc<str> = endpoint.to_string().into();
        if let Some(member) = self.tokens.get(&name).and_then(|token| self.members.get_mut(token)) {
            member.receiver.name_appeared();
            member.has_reappeared = true;
            return Ok(());
        }
        let most = (headroom::descriptor_limit() / 2 / DESCRIPTORS).clamp(1, MAX_NAMES as u64) as usize;
        if self.members.len() >= most {
            let text = format!(
                "{most} names are received from, and no more are allowed: at most {MAX_NAMES}, and {DESCRIPTORS} descriptors for each out of half of what the process may open (ulimit -n)"
            );
            let error = Error::new(ErrorKind::OutOfMemory, text);
            return self.refuse(endpoint, &name, is_given, error, log);
        }
        let is_later = resume.is_some();
        let left = self.left.get(&name).copied();
        let resume = left.map(|left| left.after).or(resume);
        let mut options = self.options.clone();
        // A store that appears later is read from its beginning, as by a subscriber to this one store.
        if resume.is_some()
            && endpoint.transport().capabilities().history
            && matches!(options.from, None | Some(StartAt::Newest))
        {
            options.from = Some(StartAt::First);
        }
        let begun = options
            .check(endpoint.transport(), Use::Subscribe)
            .and_then(|()| R::begin(endpoint.clone(), &options, resume, is_given));
        let receiver = match begun {
            Ok(begun) => begun,
            Err(e) => return self.refuse(endpoint, &name, is_given, e, log),
        };
        receiver.was_connected_to(left.and_then(|left| left.listener));
        // `take` handles the outcome of the first attempt; the receiver's set reports a later answer.
        let failed = receiver.connect().err().filter(|error| error.kind() != ErrorKind::Timeout);
        receiver.set_watched()?;
        let token = self.next_token;
        if let Err(e) = epoll.add(receiver.descriptor(), token, Interest::IN) {
            return self.refuse(endpoint, &name, is_given, e, log);
        }
        self.left.remove(&name);
        self.next_token += 1;
        let counters = self.report.counters_of(&name);
        let member = Member {
            receiver,
            endpoint: endpoint.clone(),
            name: name.clone(),
            counters,
            is_given,
            is_ready: true,
            has_delivered: false,
            untold: left.map_or(0, |left| left.untold),
            failed,
            is_later,
            has_reappeared: false,
            was_connected: false,
        };
        member.pass_events(log, &mut self.lives);
        self.members.insert(token, member);
        self.tokens.insert(name, token);
        self.ready.push_back(token);
        Ok(())
    }

    /// Notes that a name cannot be received from. A name of a pattern is tried again after a pause; a given name has
    /// its own event that ends the wait.
    pub(super) fn refuse(
        &mut self,
        endpoint: &Endpoint,
        name: &Arc<str>,
        is_given: bool,
        error: Error,
        log: &EventLog,
    ) -> Result<()> {
        let text = error.to_string();
        self.report.gaps.begin(name, &text);
        if is_given {
            return Err(error.on(name));
        }
        if self.report.refuse(name, &text) {
            log.disconnected(format!("{name}: {text}"));
        }
        if self.refused.len() >= MAX_NAMES && !self.refused.contains_key(name) {
            self.refused.pop_first();
        }
        let refused = self.refused.entry(name.clone()).or_insert_with(|| Refused {
            endpoint: endpoint.clone(),
            redial: Redial::default(),
            due: Instant::now(),
        });
        refused.due = Instant::now() + refused.redial.failed(random::number().unwrap_or_default());
        self.arm();
        Ok(())
    }

    pub(super) fn arm(&self) {
        let refused = self.refused.values().map(|refused| refused.due);
        let paused = (!self.without_descriptor.is_empty()).then(|| Instant::now() + PAUSE);
        let _ = match refused.chain(paused).min() {
            Some(due) => self.timer.arm(due.saturating_duration_since(Instant::now())),
            None => self.timer.disarm(),
        };
    }

    pub(super) fn look_for_descriptors(&mut self, epoll: &Epoll) -> Result<()> {
        for token in std::mem::take(&mut self.without_descriptor) {
            let Some(member) = self.members.get_mut(&token) else { continue };
            epoll.modify(member.receiver.descriptor(), token, Interest::IN)?;
            if !std::mem::replace(&mut member.is_ready, true) {
                self.ready.push_back(token);
            }
        }
        Ok(())
    }

    pub(super) fn retry(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        for refused in self.refused.values_mut().filter(|refused| refused.due <= now) {
            // It is joined in a later round; until then it is not due again.
            refused.due = now + redial::LONGEST;
            due.push(refused.endpoint.clone());
        }
        due.into_iter().for_each(|endpoint| self.appear(endpoint));
        self.arm();
    }

    pub(super) fn note_unconnected(
        &mut self,
        token: u64,
        why: Error,
        epoll: &Epoll,
        log: &EventLog,
    ) -> Result<()> {
        let Some(member) = self.members.get_mut(&token) else { return Ok(()) };
        let tried = member.receiver.tried();
        let (endpoint, name, is_given) = (member.endpoint.clone(), member.name.clone(), member.is_given);
        match why.kind() {
            ErrorKind::Timeout => return Ok(()),
            ErrorKind::NotFound => {
                let has_vanished = !is_given && member.is_later && tried.last.is_none();
                if has_vanished && !member.was_connected && !self.refused.contains_key(&name) {
                    if self.report.gaps.missed(&name, tried.last) {
                        self.lives.told(&name);
                    }
                    log.unseen(format!("{name}: {GONE_UNMET}"));
                }
                // A publisher that starts from now on is read from its first message.
                member.is_later = true;
                if tried.is_polled {
                    self.report.gaps.polled(&name);
                } else if self.report.accept(&name, &mut self.refused) {
                    self.lives.told(&name);
                }
                self.settle(&name, &endpoint, |listener| listener == tried.last, epoll, log)?;
                if !is_given && !self.lives.is_open(&name) {
                    self.lives.forget(&name);
                }
            }
            ErrorKind::InvalidState if !is_given => {
                self.lives.forget(&name);
                let has_reappeared = member.has_reappeared;
                self.report.accept(&name, &mut self.refused);
                if has_reappeared {
                    // It answered before another program took the name, which the directory reports once: joined again
                    // in a later round, after this member is left.
                    self.appear(endpoint);
                }
            }
            ErrorKind::Stalled => {
                let listener = if tried.last.is_some() && tried.last == tried.connected {
                    Silent::Last
                } else if tried.last.is_none() && tried.is_polled {
                    Silent::Polled
                } else {
                    tried.last.map_or(Silent::Unknown, Silent::Other)
                };
                if self.report.gaps.suspect(&name, &why.to_string(), listener) {
                    log.disconnected(format!(
                        "{name}: {why}; messages that are published before it answers may be neither received nor counted"
                    ));
                }
                return Ok(());
            }
            _ => {
                self.lives.forget(&name);
                if !is_given {
                    self.leave(token, epoll, log);
                }
                return self.refuse(&endpoint, &name, is_given, why, log);
            }
        }
        if !is_given {
            self.leave(token, epoll, log);
        }
        Ok(())
    }

    pub(super) fn settle_due(&mut self, epoll: &Epoll, log: &EventLog) -> Result<()> {
        let due = self.lives.take_due();
        if !due.is_empty() && !self.taken.is_empty() {
            self.take_all_news(epoll, log)?;
        }
        for name in due {
            let member = self.tokens.get(&name).and_then(|token| self.members.get(token));
            let Some(member) = member.filter(|_| self.lives.is_open(&name)) else { continue };
            let (tried, endpoint) = (member.receiver.tried(), member.endpoint.clone());
            let known = match (member.receiver.is_connected(), member.receiver.is_connecting()) {
                (true, _) => tried.connected.filter(|_| tried.is_certain),
                (false, false) => tried.dead,
                (false, true) => None,
            };
            self.settle(&name, &endpoint, |listener| known.is_some() && listener == known, epoll, log)?;
        }
        Ok(())
    }

    /// Reports publishers of a name that came and went unmet, if `is_known` holds for the current listener: then all
    /// earlier ones are known.
    fn settle(
        &mut self,
        name: &Arc<str>,
        endpoint: &Endpoint,
        is_known: impl Fn(Option<Listener>) -> bool,
        epoll: &Epoll,
        log: &EventLog,
    ) -> Result<()> {
        if !self.lives.is_open(name) && self.taken.is_empty() {
            return Ok(());
        }
        // Before the look at the name: later events belong to a later listener.
        self.take_all_news(epoll, log)?;
        if !self.lives.is_open(name) {
            return Ok(());
        }
        let listener = renamed_file(endpoint).and_then(|place| place.listener());
        if !is_known(listener) {
            return Ok(());
        }
        for _ in 0..self.lives.settle(name).min(MAX_NAMES as u64) {
            self.report.gaps.unmet(name);
            log.unseen(format!("{name}: {GONE_UNMET}"));
        }
        Ok(())
    }

    pub(super) fn appear(&mut self, endpoint: Endpoint) {
        if self.is_search_due {
            return;
        }
        if self.appeared.len() < MAX_NAMES {
            self.appeared.push_back((endpoint, Some(After::default())));
        } else {
            self.appeared.clear();
            self.is_search_due = true;
        }
    }

    pub(super) fn join_some(&mut self, epoll: &Epoll, log: &EventLog) -> Result<()> {
        if self.appeared.is_empty() && std::mem::take(&mut self.is_search_due) {
            let found = fitting(&self.selection)?.into_iter();
            self.appeared = found.map(|endpoint| (endpoint, Some(After::default()))).collect();
        }
        for _ in 0..NAMES_PER_ROUND {
            let Some((endpoint, resume)) = self.appeared.pop_front() else { break };
            self.join(&endpoint, false, resume, epoll, log)?;
        }
        Ok(())
    }
}

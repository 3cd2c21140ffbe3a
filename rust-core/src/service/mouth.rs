//! The thread that speaks for a service: to its controller and its supervisor; it looks after deadlines and signals.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::command::{Answer, Outcome, failure_of};
use super::lifecycle::Act;
use super::line::{Inner, Line};
use super::notify::Notices;
use super::words::Said;
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::Payload;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::stop;
use crate::value::Value;

/// After so long it is said that the program takes long over something; how often it is looked whether it does.
const LOOK: Duration = Duration::from_secs(1);
/// After so many heartbeats without a word the controller is not there any more.
const SILENCE: u32 = 3;
/// How long a word may be on its way before the mouth looks after other things.
const BREATH: Duration = Duration::from_millis(500);

/// The thread that speaks.
pub struct Mouth {
    epoll: Epoll,
    signals: u32,
    notices: Notices,
    /// Whether the controller was told that the program is at something for long.
    told_busy: bool,
}

const BELL: u64 = 1;
const STOP: u64 = 2;

impl Mouth {
    pub fn new(line: &Line, notices: Notices) -> Result<Mouth> {
        let epoll = Epoll::new()?;
        epoll.add(&line.mouth, BELL, Interest::IN)?;
        let mut signals = 0;
        if line.identity.handle_signals {
            signals = stop::count();
            // Each signal is an edge of its own; others sleep on the same bell.
            epoll.add(stop::bell(), STOP, Interest::IN | Interest::ET)?;
        }
        Ok(Mouth { epoll, signals, notices, told_busy: false })
    }

    pub fn speak(mut self, line: &Line) {
        let mut ready = Vec::new();
        loop {
            line.silent.store(false, Ordering::Release);
            self.heed_signals(line);
            line.with(|life, now| ((), life.tick(now)));
            // What this thread has done itself is no news to it: it rings, and all that it may ring for is looked at below.
            line.mouth.drain();
            let due = self.look_after(line);
            line.hang_up_on_silence();
            let said = line.say_next();
            if said && line.has_more_to_say() {
                continue;
            }
            if line.is_over() && line.is_all_said() {
                line.program.ring();
                return;
            }
            // A kernel that cannot wait has nothing better to offer than to look again.
            let left = [line.next_look(), due].into_iter().flatten().min();
            let _ = self.epoll.sleep(left, &mut ready);
        }
    }

    /// The supervisor is told how the service is, and the controller what takes long. When to look again.
    fn look_after(&mut self, line: &Line) -> Option<Duration> {
        // Before the look: who ends something after it rings.
        line.silent.store(self.notices.is_watched(), Ordering::Release);
        let (state, reason, begun) =
            line.look(|life| (life.state(), life.reason().to_owned(), life.doing().map(|(_, begun)| begun)));
        let now = line.now();
        let told = [self.notices.state(state, &reason, now), self.notices.tick(begun, now)];
        for error in told.into_iter().flatten() {
            line.log("error", &error.to_string());
        }
        let busy = begun.is_some_and(|begun| now.saturating_sub(begun) >= LOOK);
        if busy != self.told_busy {
            self.told_busy = busy;
            line.with(|_, _| ((), vec![Act::Changed]));
        }
        let look = line.inner().watch();
        let due = self.notices.next_due(begun, now);
        if due.is_some() {
            line.silent.store(false, Ordering::Release);
        }
        let due = due.map(|due| due.saturating_sub(now));
        [look, due].into_iter().flatten().min()
    }

    fn heed_signals(&mut self, line: &Line) {
        if !line.identity.handle_signals {
            return;
        }
        while self.signals < stop::count() {
            self.signals += 1;
            line.with(|life, now| ((), life.terminate(now)));
        }
    }
}

impl Inner {
    /// Whether the program has begun something that the mouth does not know of, and a controller would want to.
    pub(super) fn begins_unseen(&self) -> bool {
        self.introduced && self.watched.is_none() && self.life.doing().is_some()
    }

    /// When the mouth looks again whether something takes long: a program that does nothing is not looked at, and one of many
    /// short steps once in a while and not at each.
    fn watch(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.introduced && self.life.doing().is_some() {
            self.watched = Some(self.watched.filter(|until| *until > now).unwrap_or(now + LOOK));
        } else if self.watched.is_some_and(|until| until <= now) {
            self.watched = None;
        }
        self.watched.map(|until| until.saturating_duration_since(now))
    }
}

impl Line {
    fn has_more_to_say(&self) -> bool {
        let inner = self.inner();
        inner.introduced && (!inner.unsaid.is_empty() || inner.log.has_unsaid())
    }

    /// When the mouth has something to look after, if nobody rings.
    fn next_look(&self) -> Option<Duration> {
        let inner = self.inner();
        let due = inner.life.next_due().map(|due| due.saturating_sub(self.now()));
        let beat = inner.introduced.then(|| inner.heartbeat.saturating_sub(inner.spoken.elapsed()));
        let silence = inner.heard.map(|heard| (SILENCE * inner.heartbeat).saturating_sub(heard.elapsed()));
        [due, beat, silence].into_iter().flatten().min()
    }

    /// A controller that says when it is there, and is not heard: the network between us has gone, and nobody told the kernel.
    fn hang_up_on_silence(&self) {
        let mut inner = self.inner();
        if inner.heard.is_none_or(|heard| heard.elapsed() < SILENCE * inner.heartbeat) {
            return;
        }
        let channel = inner.lose_line();
        drop(inner);
        // The ear sees that, and makes a new line.
        drop(channel.map(|channel| channel.close(Duration::ZERO)));
    }

    /// Says the next word; false where none was said.
    fn say_next(&self) -> bool {
        let (channel, said, lines) = {
            let mut inner = self.inner();
            let Some(channel) = inner.channel.clone().filter(|_| inner.introduced) else { return false };
            if inner.unsaid.is_empty() && inner.spoken.elapsed() >= inner.heartbeat {
                let report = self.report(&inner);
                inner.unsaid.push_back(Said::Report(report));
            }
            // Lines of the log go before a goodbye, and after everything else.
            match inner.unsaid.front() {
                Some(Said::Bye(_)) | None if inner.log.has_unsaid() => {
                    let (lines, until) = inner.log.unsaid();
                    (channel, Said::Log(lines), Some(until))
                }
                Some(said) => (channel, said.clone(), None),
                None => return false,
            }
        };
        let limits = self.identity.options.limits();
        let payload = Payload::new(&said.to_value(), Encoding::Cbor, &limits);
        let sent = payload.and_then(|payload| channel.send_as(Kind::Event, &payload, BREATH));
        let mut inner = self.inner();
        match sent {
            Ok(_) => {}
            // It is said later; nothing was lost.
            Err(e) if e.kind() == ErrorKind::Timeout => return true,
            // This one can never be said: whoever waits for it is told so.
            Err(e) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::Unsupported) => {
                if let Some(instead) = instead_of(&said, &e) {
                    inner.unsaid.push_back(instead);
                }
                inner.log.add("error", &format!("a word to the controller could not be said: {e}"));
            }
            // The ear hears that, too, and makes a new line.
            Err(_) => {
                if inner.channel.as_ref().is_some_and(|now| Arc::ptr_eq(now, &channel)) {
                    inner.lose_line();
                    // Where the ear waits for words that will never come, it is let go of.
                    drop(channel.close(Duration::ZERO));
                }
                return false;
            }
        }
        // Other words are no sign of life of the program: while somebody looks at its data they never cease, and how it is would
        // never be told.
        if matches!(said, Said::Report(_)) {
            inner.spoken = Instant::now();
        }
        match lines {
            Some(until) => inner.log.said(until),
            // Only the mouth takes words away, so the first is still the one that was said; unless the line is new.
            None if inner.unsaid.front() == Some(&said) => drop(inner.unsaid.pop_front()),
            None => {}
        }
        true
    }
}

/// What is said instead of an answer that cannot be sent.
fn instead_of(said: &Said, why: &Error) -> Option<Said> {
    let Said::Answer(answer) = said else { return None };
    let failure = failure_of(why);
    let outcome = Outcome::Failed;
    Some(Said::Answer(Answer { outcome, value: Value::Null, failure: Some(failure), ..answer.clone() }))
}

//! Queries many names at once, in bounded numbers and in one set of descriptors.
//!
//! Only silence is bounded, so a machine with many names is listed whole. Each queried name gets a share of the
//! remaining time, by the number of names that may be silent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::listed::Listed;
use super::places::ListedName;
use super::query::{Outcome, Query, Stale, Start};
use crate::engine::service_side::Pattern;
use crate::engine::service_side::handshake::Hello;
use crate::error::Result;
use crate::sys::headroom;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::hello::Asked;

const ANSWER_TIME: Duration = Duration::from_millis(500);
/// The least time of a name for its answer.
///
/// A living process answers within microseconds, but many names may belong to one process.
const MIN_ANSWER_TIME: Duration = Duration::from_millis(20);
/// The delay of a listing by all silent names together, if each gets its least time.
const SILENCE: Duration = Duration::from_secs(1);
const TIME_OF_ANSWER: Duration = Duration::from_millis(1);
const MAX_ASKED: usize = 128;
/// A listing queries one name at once per this number of descriptors of the process.
///
/// A query over TCP takes two descriptors.
const DESCRIPTORS: u64 = 8;

pub(super) fn ask_all<'a>(
    names: impl IntoIterator<Item = &'a ListedName>,
    stale: Stale,
) -> Result<Vec<Listed>> {
    let mut hello = Hello::new(Pattern::Channel, None, 0)?;
    hello.ask = true;
    let mut asking = Asking {
        hello: hello.to_frame()?,
        stale,
        set: Epoll::new()?,
        unasked: names.into_iter().collect(),
        asked: BTreeMap::new(),
        times: Times::new(places(), Instant::now()),
        listed: Vec::new(),
    };
    asking.unasked.reverse();
    asking.run()?;
    Ok(asking.listed)
}

pub(super) fn places() -> usize {
    let places = usize::try_from(headroom::descriptor_limit() / DESCRIPTORS);
    places.map_or(MAX_ASKED, |places| places.clamp(1, MAX_ASKED))
}

struct Question<'a> {
    query: Query<'a>,
    asked: Asked,
    since: Instant,
}

struct Asking<'a> {
    hello: Vec<u8>,
    stale: Stale,
    set: Epoll,
    unasked: Vec<&'a ListedName>,
    asked: BTreeMap<u64, Question<'a>>,
    times: Times,
    listed: Vec<Listed>,
}

impl<'a> Asking<'a> {
    fn run(&mut self) -> Result<()> {
        let (mut ready, mut number) = (Vec::new(), 0);
        loop {
            while self.asked.len() < self.times.places
                && let Some(found) = self.unasked.pop()
            {
                number += 1;
                if !self.ask(found, number) {
                    break;
                }
            }
            let Some((_, oldest)) = self.asked.first_key_value() else {
                if self.unasked.is_empty() {
                    return Ok(());
                }
                continue;
            };
            let until = self.times.end(oldest.since, self.unasked.len());
            self.set.sleep(Some(until.saturating_duration_since(Instant::now())), &mut ready)?;
            for one in &ready {
                self.take(one.token);
            }
            self.give_up_late_ones();
        }
    }

    /// Queries a name. Returns whether another name may be queried now.
    fn ask(&mut self, found: &'a ListedName, number: u64) -> bool {
        match Query::begin(found, &self.hello, self.stale) {
            Start::Asked(query, asked) => match self.set.add(asked.descriptor(), number, Interest::IN) {
                Ok(()) => {
                    self.asked.insert(number, Question { query, asked, since: Instant::now() });
                }
                Err(e) => {
                    drop(asked);
                    self.listed.extend(query.finish(Outcome::Unreached(e)));
                }
            },
            Start::Over(entry) => self.listed.extend(entry),
            // The open questions have the descriptors.
            Start::NoDescriptor(..) if !self.asked.is_empty() => {
                self.unasked.push(found);
                self.times.places = (self.asked.len() * 3 / 4).max(1);
                return false;
            }
            Start::NoDescriptor(query, e) => self.listed.extend(query.finish(Outcome::Unreached(e))),
        }
        true
    }

    fn take(&mut self, number: u64) -> bool {
        let Some(question) = self.asked.get_mut(&number) else { return false };
        let Some(ended) = question.asked.answer().transpose() else { return false };
        self.times.answers += 1;
        self.end(number, |asked| Outcome::Ended(ended, asked.credentials()));
        true
    }

    /// Ends the questions whose time is over. A question may have its answer by now.
    fn give_up_late_ones(&mut self) {
        while let Some((&number, oldest)) = self.asked.first_key_value()
            && self.times.end(oldest.since, self.unasked.len()) <= Instant::now()
        {
            if !self.take(number) {
                self.times.silent += 1;
                self.end(number, |asked| Outcome::Silent(asked.stalled(), asked.credentials()));
            }
        }
    }

    fn end(&mut self, number: u64, outcome: impl FnOnce(&Asked) -> Outcome) {
        let Some(Question { query, asked, .. }) = self.asked.remove(&number) else { return };
        let outcome = outcome(&asked);
        // Another thread may close the connection later.
        self.set.remove(asked.descriptor());
        drop(asked);
        self.listed.extend(query.finish(outcome));
    }
}

struct Times {
    began: Instant,
    places: usize,
    answers: u32,
    silent: u32,
}

impl Times {
    fn new(places: usize, began: Instant) -> Times {
        Times { began, places, answers: 0, silent: 0 }
    }

    fn end(&self, since: Instant, unasked: usize) -> Instant {
        let left = (self.began + SILENCE + TIME_OF_ANSWER * self.answers).saturating_duration_since(since);
        // Before the first answer, half of them may be silent.
        let silent =
            (f64::from(self.silent) + 0.5) / (f64::from(self.silent) + f64::from(self.answers) + 1.0);
        let rounds = unasked as f64 * silent / self.places as f64;
        since + left.div_f64(1.0 + rounds).clamp(MIN_ANSWER_TIME, ANSWER_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names = Vec<Option<Duration>>;

    /// Queries names by the clock of a simulation. Returns its end, and the names without an answer.
    fn simulate(names: &Names, places: usize) -> (Duration, Vec<usize>) {
        let began = Instant::now();
        let (mut now, mut times, mut next) = (began, Times::new(places, began), 0);
        let (mut asked, mut late) = (BTreeMap::new(), Vec::new());
        loop {
            while asked.len() < places && next < names.len() {
                asked.insert(next, now);
                next += 1;
            }
            let Some((_, &oldest)) = asked.first_key_value() else { break };
            let answer = |(name, since): (&usize, &Instant)| Some((*since + names[*name]?, *name));
            let first = asked.iter().filter_map(answer).min();
            let end = times.end(oldest, names.len() - next);
            match first {
                Some((at, name)) if at <= end => {
                    (now, times.answers) = (at.max(now), times.answers + 1);
                    asked.remove(&name);
                }
                _ => {
                    (now, times.silent) = (end.max(now), times.silent + 1);
                    late.extend(asked.pop_first().map(|(name, _)| name));
                }
            }
        }
        (now - began, late)
    }

    const BRIEF: Duration = Duration::from_millis(10);

    #[test]
    fn silent_names_have_one_time_together() {
        for (count, places) in [(1, 1), (1, 128), (128, 128), (129, 128), (600, 128), (5_000, 128), (600, 32)]
        {
            let (took, late) = simulate(&vec![None; count], places);
            assert!(took <= SILENCE + MIN_ANSWER_TIME, "{count} at {places} places: {took:?}");
            assert_eq!(late.len(), count);
        }
        // If the second is less than the least time for each name, the least time decides.
        let (took, _) = simulate(&vec![None; 5_000], 8);
        assert!(took > SILENCE && took <= SILENCE + MIN_ANSWER_TIME * 5_000 / 8, "{took:?}");
    }

    #[test]
    fn names_that_answer_are_listed_behind_any_number_of_silent_ones() {
        for silent in [1, 127, 128, 600, 5_000] {
            for behind in [true, false] {
                let mut names = vec![None; silent];
                names.resize(silent + 300, Some(BRIEF));
                if !behind {
                    names.reverse();
                }
                let (took, late) = simulate(&names, 128);
                assert_eq!(late.len(), silent, "{silent} silent ones, {behind}");
                let least = MIN_ANSWER_TIME * (silent as u32 / 128 + 1);
                let most = SILENCE + TIME_OF_ANSWER * 300 + least;
                assert!(took <= most, "{silent} silent ones, {behind}: {took:?}");
            }
        }
    }

    #[test]
    fn any_number_of_names_that_answer_is_listed() {
        let (took, late) = simulate(&vec![Some(BRIEF); 20_000], 128);
        assert!(late.is_empty() && took > SILENCE, "{late:?}, {took:?}");
        let mut names = vec![Some(BRIEF); 1_000];
        names[0] = Some(Duration::from_millis(400));
        assert!(simulate(&names, 128).1.is_empty());
    }
}

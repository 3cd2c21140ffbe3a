//! `linkspan replay`: publishes the messages of a recording again, with their numbers and times.
//!
//! | task | module |
//! |---|---|
//! | the loop: due times, commands, lateness | this file |
//! | the command line | `arguments` |
//! | selection of messages and events | `selection` |
//! | publishers and channels for the messages | `outlets` |

mod arguments;
mod outlets;
mod selection;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::service::{ServiceOptions, start_thread};
use linkspan::{Command, Deadline, Error, ErrorKind, Options, Result, ServiceLoop, Subscriber, Task, Value};
use linkspan_recording::Outline;
use linkspan_recording::reader::Entry;
use linkspan_recording::timeline::is_timeless;

use crate::record::counted;
use crate::stderr;
use crate::tools::opening::{finish, outline};
pub use arguments::Arguments;
use outlets::{Names, Outlets};
use selection::{has_more, reader, sends, tells};

/// The last part of a wait, which is slept precisely. Commands can only end the wait before it.
const BRIEF: Duration = Duration::from_millis(2);

/// The wait between two checks while the replay is held.
const HELD: Duration = Duration::from_millis(50);
/// Messages between two checks for commands with `--as-fast-as-possible`.
const BEFORE_LOOK: u32 = 64;

#[derive(Debug, Default)]
struct Done {
    messages: u64,
    /// The total lateness of messages, and the largest.
    late: Duration,
    latest: Duration,
}

enum Step {
    Next,
    /// Continue at this time of the recording, in nanoseconds since 1970.
    Seek(u64),
    End(Option<Task>),
}

/// Replays the recording.
///
/// # Errors
/// Errors of the arguments, the file, and the names; `Timeout` if a program was late.
pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.reading.take();
    let outline = outline(&arguments.file)?;
    if !arguments.follow {
        arguments.choice.check(&outline)?;
    }
    let mut options = ServiceOptions::default();
    options.description = format!("replays {}", arguments.file.display());
    options.unsupported = vec![Command::Checkpoint.name().to_owned()];
    options.commands = vec!["step".to_owned(), "seek".to_owned()];
    let stem =
        arguments.file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let title: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let name = arguments.service.clone().unwrap_or_else(|| format!("replay-{title}"));
    let service = ServiceLoop::start(&name, &options)?;
    // From here on, the controller must show errors.
    replay(arguments, &outline, &service).inspect_err(|error| service.fail(error))?;
    service.close(Duration::from_secs(5))
}

fn replay(arguments: &Arguments, outline: &Outline, service: &ServiceLoop) -> Result<()> {
    let (begin, end) = outline.time.unwrap_or((0, 0));
    let (rename, lockstep) = (&*arguments.rename, &*arguments.lockstep);
    let names = Names { rename, lockstep, recorded: &outline.names };
    let mut replay = Replay {
        arguments,
        begin,
        end,
        service,
        answers: arguments
            .answer
            .as_deref()
            .map(|name| Subscriber::new(name, &Options::default()))
            .transpose()?,
        outlets: Outlets::new(names, arguments.deadline),
        names,
        done: Done::default(),
        at: 0,
        paused: false,
        steps: 0,
        had_line: false,
        unlooked: 0,
        lines: arguments.step.then(lines).transpose()?,
        damaged: None,
        refused: BTreeMap::new(),
        came_to_end: false,
    };
    let task = replay.play()?;
    let closed = replay.outlets.close();
    replay.report();
    if let Some(task) = task {
        match &closed {
            Ok(()) => task.done(&replay.data())?,
            Err(error) => task.failed(error)?,
        }
    }
    closed?;
    let damaged = replay.damaged.take().map_or(Ok(()), Err);
    let refused = replay.refused();
    if replay.came_to_end && !arguments.follow && refused.is_ok() && damaged.is_ok() {
        arguments.choice.window(begin).require(replay.done.messages, &[&arguments.file])?;
    }
    damaged.and(refused)
}

/// Returns whether an error concerns only one name. Others can then be published.
fn is_of_name(error: &Error) -> bool {
    use ErrorKind::{
        InvalidEndpoint, Malformed, OutOfRange, SchemaMismatch, TooLarge, Unsupported, WrongType,
    };
    matches!(
        error.kind(),
        InvalidEndpoint | Malformed | OutOfRange | SchemaMismatch | TooLarge | Unsupported | WrongType
    )
}

/// Returns a recorded duration at this speed.
fn distance(nanoseconds: u64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(Duration::from_nanos(nanoseconds).as_secs_f64() / speed)
        .unwrap_or(Duration::MAX)
}

/// Returns a later time. A duration beyond the clock's range becomes a year.
fn later(from: Instant, after: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    from.checked_add(after.min(YEAR)).unwrap_or(from)
}

/// Reads lines of standard input. Each line is a step, and the end of the input ends the steps.
///
/// # Errors
/// The thread cannot be started.
fn lines() -> Result<Receiver<()>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    // The thread ends with the process, because a read of a terminal cannot be interrupted.
    start_thread("replay-steps", move || {
        let mut input = std::io::stdin().lock();
        // A line may have any bytes, which are not kept.
        while input.skip_until(b'\n').is_ok_and(|length| length > 0) {
            if sender.send(()).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// A required name or pattern, and its recorded topics without any message so far.
struct Wanted<'a> {
    name: &'a str,
    is_awaited: bool,
    topics: BTreeSet<&'a str>,
    is_met: bool,
}

impl<'a> Wanted<'a> {
    fn new(name: &'a str, is_awaited: bool, names: Names<'a>) -> Wanted<'a> {
        let topics = names.recorded.iter().map(String::as_str).filter(|topic| names.means(name, topic));
        Wanted { name, is_awaited, topics: topics.collect(), is_met: false }
    }

    fn is_open(&self) -> bool {
        !self.is_met || !self.topics.is_empty()
    }

    /// Takes the topic of a message; returns whether it is the first message of a required topic.
    fn meet(&mut self, topic: &str, names: Names<'_>) -> bool {
        // A followed recording can get further topics.
        let is_new = self.topics.remove(topic) || !self.is_met && names.means(self.name, topic);
        self.is_met |= is_new;
        is_new
    }
}

struct Replay<'a> {
    arguments: &'a Arguments,
    begin: u64,
    end: u64,
    service: &'a ServiceLoop,
    answers: Option<Subscriber>,
    outlets: Outlets<'a>,
    names: Names<'a>,
    done: Done,
    at: u64,
    paused: bool,
    /// Requested steps that were not taken yet.
    steps: u64,
    /// Whether standard input had a line; its end then ends the steps.
    had_line: bool,
    unlooked: u32,
    lines: Option<Receiver<()>>,
    damaged: Option<Error>,
    /// Names that cannot be published, and the errors. Other names are published.
    refused: BTreeMap<String, Error>,
    came_to_end: bool,
}

impl Replay<'_> {
    fn play(&mut self) -> Result<Option<Task>> {
        let mut from = match self.meet()? {
            Step::End(task) => return Ok(task),
            Step::Seek(to) => Some(to),
            Step::Next => None,
        };
        loop {
            match self.pass(from.take())? {
                Step::Seek(to) => from = Some(to),
                Step::End(task) => return Ok(task),
                Step::Next if self.arguments.repeats => self.outlets.begin_again()?,
                Step::Next => return Ok(None),
            }
        }
    }

    /// Opens the publishers of required names, and waits for their subscribers.
    fn meet(&mut self) -> Result<Step> {
        if self.arguments.wait_for.is_empty() && self.arguments.lockstep.is_empty() {
            return Ok(Step::Next);
        }
        let awaits = self.arguments.wait_for.iter().map(|name| (name, true));
        let locksteps = self.arguments.lockstep.iter().map(|name| (name, false));
        let mut wanted: Vec<_> = awaits
            .chain(locksteps)
            .map(|(name, is_awaited)| Wanted::new(name, is_awaited, self.names))
            .collect();
        let window = self.arguments.choice.window(self.begin);
        let end = Deadline::after(self.arguments.deadline);
        let mut awaited = Vec::new();
        let mut reader = reader(self.arguments, self.begin, None)?;
        while wanted.iter().any(Wanted::is_open) {
            let Some(entry) = reader.read()? else {
                if reader.has_ended() || end.has_passed() {
                    break;
                }
                reader.wait(HELD.into())?;
                continue;
            };
            if let Entry::Event(event) = &entry {
                window.note(event);
                if tells(&window, event, None) {
                    self.outlets.note(event);
                }
                continue;
            }
            let Some(message) = window.chosen(entry) else { continue };
            if window.place(message.received).is_lt() {
                continue;
            }
            let topic = &message.channel.topic;
            let (mut is_wanted, mut is_awaited) = (false, false);
            for one in &mut wanted {
                if one.meet(topic, self.names) {
                    is_wanted = true;
                    is_awaited |= one.is_awaited;
                }
            }
            if is_wanted {
                self.outlets.open(&message)?;
            }
            if is_awaited {
                awaited.push(topic.clone());
            }
        }
        if let Some(Wanted { name, .. }) = wanted.iter().find(|one| !one.is_met) {
            let text = format!(
                "{name} is no name whose messages are replayed; see linkspan recording info {}",
                self.arguments.file.display()
            );
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let mut sought = Step::Next;
        while let Some(endpoint) = self.outlets.lacking(&awaited, HELD)? {
            if end.has_passed() {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!("nobody subscribed to {endpoint} in time"),
                ));
            }
            // Commands keep their order: while a step is pending, later ones wait as well.
            if self.steps == 0
                && let Some(step) = self.look(Duration::ZERO)?
            {
                match step {
                    Step::Seek(to) => sought = Step::Seek(to),
                    other => return Ok(other),
                }
            }
        }
        Ok(sought)
    }

    fn look(&mut self, patience: Duration) -> Result<Option<Step>> {
        match self.service.next(patience) {
            Ok(None) => Ok(Some(Step::End(None))),
            Ok(Some(task)) => self.carry_out(task),
            Err(error) if error.kind() == ErrorKind::Timeout => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn pass(&mut self, from: Option<u64>) -> Result<Step> {
        let window = self.arguments.choice.window(self.begin);
        let mut reader = reader(self.arguments, self.begin, from)?;
        let mut sent: HashMap<String, u64> = HashMap::new();
        let mut clock: Option<(u64, Instant)> = None;
        let (mut has_waited, mut is_first) = (false, true);
        loop {
            let Some(entry) = reader.read()? else {
                if reader.has_ended() {
                    break;
                }
                has_waited = true;
                if !reader.wait(HELD.into())?
                    && let Some(step) = self.look(Duration::ZERO)?
                {
                    return Ok(step);
                }
                continue;
            };
            if let Entry::Event(event) = &entry {
                if tells(&window, event, from) {
                    self.outlets.note(event);
                }
                continue;
            }
            let Some((message, time)) = sends(&window, entry, from) else { continue };
            if self.refused.contains_key(&message.channel.topic) {
                continue;
            }
            let mut due = Instant::now();
            let after = self.has_time(time).then(|| {
                let (first, began) = *clock.get_or_insert((time, due));
                let after = distance(time.saturating_sub(first), self.arguments.speed.unwrap_or(1.0));
                due = later(began, after);
                after
            });
            if std::mem::take(&mut has_waited) {
                // The message was written late. Later messages keep their distance from it.
                due = due.max(Instant::now());
            }
            match self.wait_until(&mut due)? {
                Step::Next => {}
                other => return Ok(other),
            }
            // A pause or a wait delays all later messages.
            if let (Some((_, began)), Some(after)) = (&mut clock, after) {
                *began = due.checked_sub(after).unwrap_or(due);
            }
            let (arguments, begin) = (self.arguments, self.begin);
            let topic = &message.channel.topic;
            let of_name = sent.get(topic).copied().unwrap_or(0).saturating_add(1);
            match self.outlets.send(&message, || has_more(arguments, begin, from, topic, of_name)) {
                Err(error) if is_of_name(&error) => {
                    stderr::print_line(&format!("{topic} is left out: {}", stderr::described(&error)));
                    self.refused.insert(topic.clone(), error);
                    continue;
                }
                sent => sent?,
            }
            if !arguments.lockstep.is_empty() {
                sent.insert(topic.clone(), of_name);
            }
            self.at = time;
            self.end = self.end.max(time);
            self.done.messages = self.done.messages.saturating_add(1);
            if !self.arguments.is_paced_by_others() {
                let late = due.elapsed();
                self.done.late = self.done.late.saturating_add(late);
                self.done.latest = self.done.latest.max(late);
            }
            self.await_answer(message.number, &message.channel.topic)?;
            // Programs may start late, before the first message.
            if std::mem::take(&mut is_first)
                && let (Some((_, began)), Some(after)) = (&mut clock, after)
                && self.arguments.waits_for_others()
            {
                let now = Instant::now();
                *began = now.checked_sub(after).unwrap_or(now);
            }
        }
        self.damaged = finish(&[reader]).err();
        self.came_to_end = true;
        Ok(Step::Next)
    }

    fn has_time(&self, time: u64) -> bool {
        !is_timeless(time, self.end)
    }

    /// Fails with the first error of a name, if any name could not be published.
    fn refused(&self) -> Result<()> {
        let Some((name, error)) = self.refused.first_key_value() else { return Ok(()) };
        if self.done.messages == 0 && self.refused.len() == 1 {
            return Err(error.clone());
        }
        let text = format!(
            "{} left out, {name} the first one: all else is done: {error}",
            counted(self.refused.len() as u64, "name")
        );
        Err(Error::new(error.kind(), text))
    }

    /// Waits until a message is due, and executes commands in the meantime.
    fn wait_until(&mut self, due: &mut Instant) -> Result<Step> {
        // Commands are rarer than messages at full speed.
        self.unlooked = self.unlooked.saturating_add(1);
        if self.arguments.as_fast_as_possible && self.unlooked < BEFORE_LOOK && !self.paused {
            return Ok(Step::Next);
        }
        self.unlooked = 0;
        let mut paused_at = self.paused.then(Instant::now);
        loop {
            let takes = if self.arguments.step { self.takes_step() } else { Some(true) };
            let Some(takes) = takes else { return Ok(Step::End(None)) };
            let is_held = self.paused || !takes;
            let left = due.saturating_duration_since(Instant::now());
            let patience = if is_held {
                HELD
            } else if self.arguments.is_paced_by_others() {
                Duration::ZERO
            } else {
                left.saturating_sub(BRIEF)
            };
            let was_paused = self.paused;
            // A requested step is taken before the next command.
            let is_asked_for = self.steps > 0 && !self.paused;
            if !is_asked_for && let Some(step) = self.look(patience)? {
                return Ok(step);
            }
            if self.paused && paused_at.is_none() {
                paused_at = Some(Instant::now());
            }
            if !self.paused
                && let Some(at) = paused_at.take()
            {
                *due = later(*due, at.elapsed());
            }
            if was_paused != self.paused {
                continue;
            }
            if is_held {
                continue;
            }
            if !self.arguments.is_paced_by_others() {
                let left = due.saturating_duration_since(Instant::now());
                if left > BRIEF {
                    continue;
                }
                thread::sleep(left);
            }
            self.steps = self.steps.saturating_sub(1);
            return Ok(Step::Next);
        }
    }

    /// Returns whether a step was requested; `None` after the last step.
    fn takes_step(&mut self) -> Option<bool> {
        match self.lines.as_ref().map(Receiver::try_recv) {
            Some(Ok(())) => {
                self.steps = self.steps.saturating_add(1);
                self.had_line = true;
            }
            Some(Err(TryRecvError::Disconnected)) if self.had_line && self.steps == 0 => return None,
            _ => {}
        }
        Some(self.steps > 0)
    }

    fn carry_out(&mut self, task: Task) -> Result<Option<Step>> {
        match task.command().clone() {
            Command::Shutdown => return Ok(Some(Step::End(Some(task)))),
            Command::GetData => task.done(&self.data())?,
            Command::Pause => {
                self.paused = true;
                task.done(&self.data())?;
            }
            Command::Run => {
                self.paused = false;
                task.done(&self.data())?;
            }
            other if other.name() == "step" => {
                self.steps = self.steps.saturating_add(1);
                task.done(&self.data())?;
            }
            other if other.name() == "seek" => {
                let seconds = task.arguments().at("seconds").and_then(Value::as_f64);
                match seconds {
                    Ok(seconds) if (0.0..1e9).contains(&seconds) => {
                        task.done(&Value::Null)?;
                        // Numbers go back or skip messages, which requires another incarnation.
                        self.outlets.begin_again()?;
                        return Ok(Some(Step::Seek(self.begin.saturating_add((seconds * 1e9) as u64))));
                    }
                    _ => {
                        let text =
                            "seek takes {\"seconds\": S}, the seconds since the beginning of the recording";
                        task.failed(&Error::new(ErrorKind::InvalidState, text))?;
                    }
                }
            }
            other => {
                let text = format!(
                    "a replay has no command {}; it has step and seek beside those of each service",
                    other.name()
                );
                task.failed(&Error::new(ErrorKind::Unsupported, text))?;
            }
        }
        Ok(None)
    }

    fn await_answer(&self, number: u64, topic: &str) -> Result<()> {
        let Some(answers) = &self.answers else { return Ok(()) };
        answers.recv(self.arguments.deadline).map(drop).map_err(|error| {
            let text = format!("no answer came to message {number} of {topic}: {error}");
            Error::new(error.kind(), text)
        })
    }

    fn data(&self) -> Value {
        let seconds = |time: u64| Value::Float(time.saturating_sub(self.begin) as f64 / 1e9);
        Value::map([
            ("messages", Value::from(self.done.messages)),
            ("seconds", seconds(self.at)),
            ("duration", seconds(self.end)),
            ("paused", Value::Bool(self.paused)),
            ("latest", Value::Float(self.done.latest.as_secs_f64())),
        ])
    }

    fn report(&self) {
        if self.arguments.quiet {
            return;
        }
        let mut line = format!("{} replayed", counted(self.done.messages, "message"));
        if !self.arguments.is_paced_by_others() && self.done.messages > 0 {
            let mean = self.done.late.as_secs_f64() / self.done.messages as f64;
            line += &format!(
                "; sent {:.3} ms late on average, {:.3} ms at most",
                mean * 1e3,
                self.done.latest.as_secs_f64() * 1e3
            );
        }
        stderr::print_line(&line);
    }
}

//! The selection of messages: by name, and by clock time or time since the beginning.

use std::cell::Cell;
use std::path::Path;

use linkspan::{Error, ErrorKind, Result, Timestamp, registry};
use linkspan_recording::reader::Message;
use linkspan_recording::{Entry, Event, Instant, Outline, Within};

use super::opening::{finish_with, shown, shown_files};

/// A selection of messages.
#[derive(Debug, Default, clap::Args)]
pub struct Choice {
    /// Names and patterns [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Begin at these seconds, or at a time such as 2026-11-25T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Instant>,
    /// End at this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Instant>,
}

fn instant(text: &str) -> std::result::Result<Instant, String> {
    if let Ok(time) = crate::quantity::duration(text) {
        return Ok(Instant::After(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)));
    }
    let instant: Option<Timestamp> = text.parse().ok();
    let nanoseconds = instant.and_then(|instant| u64::try_from(instant.0).ok());
    nanoseconds.map(Instant::At).ok_or_else(|| {
        "a time is a number of seconds since the beginning, with a unit or without, or an instant such as 2026-11-25T08:00:00Z".to_owned()
    })
}

/// A selection with the times of a particular recording.
#[derive(Debug)]
pub struct Window<'a> {
    names: &'a [String],
    times: (u64, u64),
    /// Includes the steps of the clock so far.
    within: Cell<Within>,
}

impl Choice {
    pub fn window(&self, begin: u64) -> Window<'_> {
        let within = Within::new(self.from, self.to);
        Window { names: &self.names, times: within.times(begin), within: Cell::new(within) }
    }

    /// Fails if a name or pattern matches nothing, or if the recording has nothing in the selected times.
    ///
    /// # Errors
    /// `NotFound` with the existing names or times; `Corrupt` if damage may hide them.
    pub fn check(&self, outline: &Outline) -> Result<()> {
        self.check_found(outline).or_else(|none| {
            // Damage may hide the requested messages.
            finish_with(&outline.problems, Some(&none))?;
            Err(none)
        })
    }

    fn check_found(&self, outline: &Outline) -> Result<()> {
        for name in &self.names {
            let mut all = outline.names.union(&outline.lacking);
            if !all.any(|topic| registry::matches(name, topic)) {
                let names: Vec<_> = outline.names.iter().map(String::as_str).collect();
                let text = format!("{name} fits no name of the recording; it has {}", names.join(", "));
                return Err(Error::new(ErrorKind::NotFound, text));
            }
        }
        let (begin, end) = outline.time.unwrap_or((0, 0));
        let window = self.window(begin);
        let (from, to) = window.times();
        let (certain_from, certain_to) = window.certain_times();
        let is_outside = from > to || outline.time.is_none() || certain_from > end || certain_to < begin;
        if (self.from.is_some() || self.to.is_some()) && is_outside {
            let text = format!(
                "nothing was recorded from {} to {}: the recording is from {} to {}",
                shown(from),
                shown(to),
                shown(begin),
                shown(end)
            );
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        Ok(())
    }
}

impl Window<'_> {
    /// Fails if nothing is selected, because the output would be empty.
    ///
    /// # Errors
    /// `NotFound` in that case.
    pub fn require(&self, messages: u64, files: &[&Path]) -> Result<()> {
        let is_chosen = !self.names.is_empty() || self.times() != (0, u64::MAX);
        if messages > 0 || !is_chosen {
            return Ok(());
        }
        let text = format!(
            "{} has no message of these names and times, so nothing is made of it",
            shown_files(files)
        );
        Err(Error::new(ErrorKind::NotFound, text))
    }

    pub fn has_name(&self, topic: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| registry::matches(name, topic))
    }

    /// Returns the first and the last time in nanoseconds since 1970, for a clock without steps.
    pub fn times(&self) -> (u64, u64) {
        self.times
    }

    /// Returns the first and the last time as given.
    pub fn ends(&self) -> (Option<Instant>, Option<Instant>) {
        self.within.get().ends()
    }

    /// Returns the bounds of the selected times, for any steps of the clock.
    pub fn certain_times(&self) -> (u64, u64) {
        self.within.get().certain_times()
    }

    fn with<R>(&self, what: impl FnOnce(&mut Within) -> R) -> R {
        let mut within = self.within.get();
        let result = what(&mut within);
        self.within.set(within);
        result
    }

    /// Notes an event in its order: it may be a step of the clock.
    pub fn note(&self, event: &Event) {
        self.with(|within| within.note(event));
    }

    /// Returns an unrepeated message with a selected name; notes an event.
    pub fn chosen<'m>(&self, entry: Entry<'m>) -> Option<Message<'m>> {
        match entry {
            Entry::Message(message) if !message.channel.repeated => {
                self.with(|within| within.take(message.received));
                self.has_name(&message.channel.topic).then_some(message)
            }
            Entry::Event(event) => {
                self.note(&event);
                None
            }
            _ => None,
        }
    }

    /// Returns a time without the steps of the clock since the beginning.
    pub fn continuous(&self, time: u64) -> u64 {
        self.within.get().continuous(time)
    }

    pub fn place(&self, time: u64) -> std::cmp::Ordering {
        self.with(|within| within.place(time))
    }
}

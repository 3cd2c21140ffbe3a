//! Which messages of a recording are meant: names, and times by the clock or from the beginning on.

use std::cell::Cell;
use std::path::Path;

use linkspan::{Error, ErrorKind, Result, Timestamp, registry};
use linkspan_recording::reader::Message;
use linkspan_recording::{Entry, Event, Outline, Timeline};

use super::opening::{finish_with, shown, shown_files};

/// Which messages of a recording.
#[derive(Debug, Default, clap::Args)]
pub struct Choice {
    /// Names and patterns; all where none is given
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// From this time on: seconds since the beginning, or an instant such as 2026-11-25T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Instant>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Instant>,
}

/// A time of a recording.
#[derive(Clone, Copy, Debug)]
pub enum Instant {
    /// Nanoseconds after the beginning.
    After(u64),
    /// Nanoseconds since 1970.
    At(u64),
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

/// The same, once the beginning of the recording is known.
#[derive(Debug)]
pub struct Window<'a> {
    names: &'a [String],
    from: Option<Instant>,
    to: Option<Instant>,
    begin: u64,
    /// What the events so far say of the clock.
    timeline: Cell<Timeline>,
}

impl Choice {
    /// Returns what is chosen of a recording that begins at this time.
    pub fn window(&self, begin: u64) -> Window<'_> {
        let (from, to, timeline) = (self.from, self.to, Cell::default());
        Window { names: &self.names, from, to, begin, timeline }
    }

    /// Fails where a name or pattern fits none of the recording, and where the recording has nothing in the times.
    ///
    /// # Errors
    /// `NotFound`, with the names or the times that there are; `Corrupt` where damage may hide them.
    pub fn check(&self, outline: &Outline) -> Result<()> {
        self.check_found(outline).or_else(|none| {
            // What is not found may be what the damage hides.
            finish_with(&outline.problems, Some(&none))?;
            Err(none)
        })
    }

    fn check_found(&self, outline: &Outline) -> Result<()> {
        for name in &self.names {
            if !outline.names.iter().any(|topic| registry::matches(name, topic)) {
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
    /// Fails where names or times were chosen and nothing was found in them: whatever is made of it would be empty.
    ///
    /// # Errors
    /// `NotFound` then.
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

    /// Returns whether a name is chosen.
    pub fn has_name(&self, topic: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| registry::matches(name, topic))
    }

    /// Returns the first and the last time, in nanoseconds since 1970, where the clock was not set.
    pub fn times(&self) -> (u64, u64) {
        let time = |instant: Option<Instant>, otherwise| match instant {
            None => otherwise,
            Some(Instant::After(after)) => self.begin.saturating_add(after),
            Some(Instant::At(at)) => at,
        };
        (time(self.from, 0), time(self.to, u64::MAX))
    }

    /// Returns the times outside of which nothing is chosen, however the clock was set: distances need what is before
    /// them.
    pub fn certain_times(&self) -> (u64, u64) {
        match (self.from, self.to) {
            (Some(Instant::After(_)), _) | (_, Some(Instant::After(_))) => (0, u64::MAX),
            _ => self.times(),
        }
    }

    /// Takes an event, in its place between the messages: distances have no steps of the clock in them.
    pub fn note(&self, event: &Event) {
        let mut timeline = self.timeline.get();
        timeline.note(event);
        self.timeline.set(timeline);
    }

    /// Returns the message of an entry if its name is chosen and it is not repeated from another part; takes an event.
    pub fn chosen<'m>(&self, entry: Entry<'m>) -> Option<Message<'m>> {
        match entry {
            Entry::Message(message) if !message.channel.repeated => {
                self.has_name(&message.channel.topic).then_some(message)
            }
            Entry::Event(event) => {
                self.note(&event);
                None
            }
            _ => None,
        }
    }

    /// Returns a time as the clock would have given it, had it not been set since the beginning.
    pub fn continuous(&self, time: u64) -> u64 {
        self.timeline.get().continuous(time)
    }

    /// Returns where a time is: before the beginning, within, or after the end.
    pub fn place(&self, time: u64) -> std::cmp::Ordering {
        let mut timeline = self.timeline.get();
        timeline.take(time);
        self.timeline.set(timeline);
        let begin = timeline.begin().unwrap_or(self.begin);
        let against = |instant: Instant| match instant {
            Instant::After(after) => timeline.continuous(time).cmp(&begin.saturating_add(after)),
            Instant::At(at) => time.cmp(&at),
        };
        if self.from.is_some_and(|from| against(from).is_lt()) {
            std::cmp::Ordering::Less
        } else if self.to.is_some_and(|to| against(to).is_gt()) {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    }
}

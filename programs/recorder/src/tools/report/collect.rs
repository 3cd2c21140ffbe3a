//! Collects the content of a report in one pass, in bounded memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use linkspan::{NdArray, Value};
use linkspan_recording::event::Kind;
use linkspan_recording::{Channel, Event, Extent, Timeline};

use super::bins::{Bins, Span};

/// The most plotted numbers per name, and the most listed events.
const MAX_SERIES: usize = 24;
const MAX_EVENTS: usize = 500;
const MAX_NAMES: usize = 1_000;
/// The most plots of a page, bytes of arrays, and characters of a plotted field's path.
const MAX_PLOTS: usize = 4_096;
const MAX_BYTES: usize = 256 << 20;
const MAX_PATH: usize = 1_024;

/// The plots and bytes that all names use.
#[derive(Debug, Default)]
pub struct Room {
    plots: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
pub struct Report {
    pub names: BTreeMap<String, Name>,
    /// Messages of names beyond the limit.
    pub further: u64,
    pub events: Vec<Listed>,
    pub events_not_listed: u64,
    /// The first and the last time. All times below exclude steps of the clock, which would show as gaps.
    pub extent: Option<Extent>,
    timeline: Timeline,
    pub room: Room,
}

#[derive(Debug)]
pub struct Listed {
    /// The clock's time, and the time without its steps.
    pub clock: u64,
    pub time: u64,
    pub kind: String,
    pub name: String,
    pub text: String,
}

#[derive(Debug)]
pub struct Name {
    pub channel: Option<Arc<Channel>>,
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
    pub first: u64,
    pub last: u64,
    pub rate: Bins<u64>,
    pub gaps: Bins<u64>,
    pub series: BTreeMap<String, Series>,
    /// Whether further fields have numbers that are not plotted.
    pub further: bool,
    pub arrays: BTreeMap<String, NdArray>,
}

#[derive(Debug)]
pub struct Series {
    pub bins: Bins<Span>,
    pub span: Span,
    pub last: f64,
}

impl Report {
    /// Adds a message. `value` is `None` if its body cannot be decoded.
    pub fn message(&mut self, channel: &Arc<Channel>, time: u64, bytes: u64, value: Option<&Value>) {
        self.timeline.take(time);
        let time = self.include(time);
        let Some(name) = named(&mut self.names, &channel.topic, time) else {
            self.further = self.further.saturating_add(1);
            return;
        };
        name.channel.get_or_insert_with(|| channel.clone());
        name.messages = name.messages.saturating_add(1);
        name.bytes = name.bytes.saturating_add(bytes);
        name.first = name.first.min(time);
        name.last = name.last.max(time);
        name.rate.add(time, 1);
        if let Some(value) = value {
            name.value(time, &mut String::new(), value, &mut self.room);
        }
    }

    pub fn event(&mut self, event: Event) {
        self.timeline.note(&event);
        let time = self.include(event.time);
        let missed = if event.kind == Kind::Missed { event.count.unwrap_or(0) } else { 0 };
        if missed > 0
            && let Some(name) = named(&mut self.names, &event.name, time)
        {
            name.missed = name.missed.saturating_add(missed);
            name.gaps.add(time, missed);
        }
        if self.events.len() >= MAX_EVENTS {
            self.events_not_listed = self.events_not_listed.saturating_add(1);
            return;
        }
        let count = event.count.map(|count| format!("{count} messages")).unwrap_or_default();
        let parts = [count, event.source, event.text].into_iter().filter(|part| !part.is_empty());
        let text = parts.collect::<Vec<_>>().join("; ");
        let kind = event.kind.name().to_owned();
        self.events.push(Listed { clock: event.time, time, kind, name: event.name, text });
    }

    /// Includes a time in the extent, and returns it without steps of the clock.
    fn include(&mut self, time: u64) -> u64 {
        Extent::include(&mut self.extent, &self.timeline, time);
        self.timeline.continuous(time)
    }
}

/// Returns the content of a name; `None` if there are too many.
fn named<'a>(names: &'a mut BTreeMap<String, Name>, name: &str, time: u64) -> Option<&'a mut Name> {
    if !names.contains_key(name) {
        if names.len() == MAX_NAMES {
            return None;
        }
        names.insert(name.to_owned(), Name::begin(time));
    }
    names.get_mut(name)
}

impl Name {
    fn begin(time: u64) -> Name {
        Name {
            channel: None,
            messages: 0,
            bytes: 0,
            missed: 0,
            first: time,
            last: time,
            rate: Bins::new(time),
            gaps: Bins::new(time),
            series: BTreeMap::new(),
            further: false,
            arrays: BTreeMap::new(),
        }
    }

    fn value(&mut self, time: u64, path: &mut String, value: &Value, room: &mut Room) {
        match value {
            Value::Map(map) => {
                for (key, value) in map {
                    let length = path.len();
                    if length > 0 {
                        path.push('/');
                    }
                    path.push_str(key);
                    self.value(time, path, value, room);
                    path.truncate(length);
                }
            }
            Value::NdArray(array) if array.shape.is_empty() => {}
            Value::NdArray(array) => {
                let held = self.arrays.get(path.as_str()).map_or(0, |held| held.data.len());
                let has_place = held > 0 || self.arrays.len() < MAX_SERIES && path.len() <= MAX_PATH;
                let bytes = room.bytes.saturating_sub(held).saturating_add(array.data.len());
                if has_place && bytes <= MAX_BYTES {
                    room.bytes = bytes;
                    self.arrays.insert(path.clone(), array.clone());
                } else {
                    self.further = true;
                }
            }
            Value::Bool(is) => self.number(time, path, f64::from(u8::from(*is)), room),
            Value::Int(i) => self.number(time, path, *i as f64, room),
            Value::Uint(u) => self.number(time, path, *u as f64, room),
            Value::Float(x) => self.number(time, path, *x, room),
            // Other values cannot be plotted.
            _ => {}
        }
    }

    fn number(&mut self, time: u64, path: &str, number: f64, room: &mut Room) {
        if !number.is_finite() {
            return;
        }
        let span = Span { least: number, greatest: number };
        if let Some(series) = self.series.get_mut(path) {
            series.bins.add(time, span);
            series.span = super::bins::Merge::merged(series.span, span);
            series.last = number;
        } else if self.series.len() < MAX_SERIES && path.len() <= MAX_PATH && room.plots < MAX_PLOTS {
            room.plots = room.plots.saturating_add(1);
            let mut bins = Bins::new(self.first);
            bins.add(time, span);
            self.series.insert(path.to_owned(), Series { bins, span, last: number });
        } else {
            self.further = true;
        }
    }
}

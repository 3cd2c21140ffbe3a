//! What the bridge counts, and what it says of it: a name at which its state is published, and lines on standard error.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkspan::{Options, Publisher, Result, Value};

/// The state is published no more often than this.
const EVERY: Duration = Duration::from_millis(500);

/// Counters, and names that were refused.
#[derive(Default)]
pub struct Status {
    /// Messages that went to other machines.
    pub sent: u64,
    /// Messages of other machines that were published here.
    pub received: u64,
    /// Those that had been published here before, and were dropped.
    pub repeated: u64,
    /// Messages of this machine that were overwritten before they could be sent.
    pub overrun: u64,
    /// Messages of other machines that never came, which subscribers were told.
    pub lost: u64,
    /// Samples dropped because this program was too slow.
    pub dropped: u64,
    /// Requests of other machines.
    pub requests_in: u64,
    /// Requests of this machine to others.
    pub requests_out: u64,
    /// Names that are exported.
    pub exported: Vec<String>,
    /// Names that are imported, and their machines.
    pub imported: BTreeMap<String, String>,
    /// Names that are not carried, and why.
    pub refused: BTreeMap<String, String>,
    changed: bool,
}

impl Status {
    /// Something is to be published anew.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Notes that a name is not carried, and says so once.
    pub fn refuse(&mut self, name: &str, why: String) {
        if self.refused.get(name) != Some(&why) {
            eprintln!("linkspan-bridge: {name} is not carried: {why}");
            self.refused.insert(name.to_owned(), why);
            self.changed = true;
        }
    }

    /// The name is carried now, or wanted no longer.
    pub fn allow(&mut self, name: &str) {
        self.changed |= self.refused.remove(name).is_some();
    }

    fn to_value(&self) -> Value {
        let texts = |map: &BTreeMap<String, String>| {
            Value::Map(map.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect())
        };
        Value::map([
            ("sent", Value::from(self.sent)),
            ("received", self.received.into()),
            ("repeated", self.repeated.into()),
            ("overrun", self.overrun.into()),
            ("lost", self.lost.into()),
            ("dropped", self.dropped.into()),
            ("requests_in", self.requests_in.into()),
            ("requests_out", self.requests_out.into()),
            ("exported", self.exported.clone().into()),
            ("imported", texts(&self.imported)),
            ("refused", texts(&self.refused)),
        ])
    }
}

/// Publishes the state, so that others here can look at it.
pub struct Shown {
    publisher: Publisher,
    at: Option<Instant>,
}

impl Shown {
    /// Takes the name.
    pub fn new(name: &str) -> Result<Shown> {
        Ok(Shown { publisher: Publisher::new(name, &Options::default())?, at: None })
    }

    /// Publishes what has changed, and gives how long it is until that may be done again.
    pub fn show(&mut self, status: &mut Status) -> Result<Option<Duration>> {
        if !status.changed {
            return Ok(None);
        }
        let since = self.at.map_or(EVERY, |at| at.elapsed());
        if since < EVERY {
            return Ok(Some(EVERY - since));
        }
        self.publisher.send(&status.to_value())?;
        (self.at, status.changed) = (Some(Instant::now()), false);
        Ok(None)
    }
}

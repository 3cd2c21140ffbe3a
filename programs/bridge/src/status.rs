//! Counters and problems of a bridge: its published status, the answer to `get data`, log lines.
//!
//! The status is published at most every half second, and only if it has changed. Counts per name are only in the
//! answer to the command. Names and machines of other bridges appear in logs and on terminals, so control characters
//! are escaped and the number of entries is bounded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkspan::{Error, Options, Publisher, Result, Timestamp, Value, one_line};
use time::OffsetDateTime;

/// The shortest time between two published states.
const EVERY: Duration = Duration::from_millis(500);
/// The shortest time between two log lines about counters, and between two about losses.
const REPORTS: Duration = Duration::from_secs(60);
const WARNINGS: Duration = Duration::from_secs(5);
/// The most names with their own counts. Above it, counts of names that are no longer carried are removed.
const NAMES: usize = 10_000;

/// The difference between two clocks, in seconds, above which it is reported.
const CLOCKS: f64 = 1.0;
/// The most listed refused names, and the most listed machines with bridges.
const MAX_LISTED: usize = 1_000;

#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub carried: u64,
    /// Messages that were overwritten here before they could be sent, or that never came.
    pub lost: u64,
    pub requests: u64,
}

#[derive(Default)]
pub struct Status {
    pub sent: u64,
    pub received: u64,
    /// Messages of other machines dropped because they were already published here.
    pub repeated: u64,
    /// Local messages that were overwritten before they could be sent.
    pub overrun: u64,
    /// Messages of other machines that did not arrive; local subscribers get them as `Lagged`.
    pub lost: u64,
    /// Samples and packets dropped because the loop was too slow.
    pub dropped: u64,
    /// Messages above the engine's size limit.
    pub too_large: u64,
    /// Refused bytes of programs without Linkspan that were not values.
    pub malformed: u64,
    /// Kept messages dropped because of the total limit.
    pub unretained: u64,
    pub requests_in: u64,
    pub requests_out: u64,
    /// Requests of other machines refused because they arrived after their deadline.
    pub late: u64,
    /// Requests of other machines withdrawn because servers had not answered at their deadline.
    pub expired: u64,
    /// Requests of other machines that their callers withdrew before an answer.
    pub withdrawn: u64,
    pub links: u64,
    pub exported: Vec<String>,
    pub imported: BTreeMap<String, String>,
    pub exported_journals: Vec<String>,
    pub imported_journals: BTreeMap<String, String>,
    pub refused: BTreeMap<String, String>,
    pub certificate: Option<(String, OffsetDateTime)>,
    /// The machines of known bridges, with their number of bridges.
    pub bridges: BTreeMap<String, usize>,
    pub connect: Vec<String>,
    pub listen: Vec<String>,
    /// Seconds by which other machines' clocks are ahead, if they are.
    ahead: BTreeMap<String, f64>,
    names: BTreeMap<String, Counts>,
    notes: Vec<(&'static str, String)>,
    /// The time of the last log line about counters, and the counters then.
    reported: Option<(Instant, [u64; 4])>,
    /// The time of the last log line about losses, and their number then.
    warned: Option<(Instant, u64)>,
    /// The times of the last log lines about a late request and about invalid values.
    late_noted: Option<Instant>,
    malformed_noted: Option<Instant>,
    /// The time of the last log line about dropped kept messages.
    unretained_noted: Option<Instant>,
    /// Whether the refused names have changed since the reason was taken.
    reason_changed: bool,
    changed: bool,
}

impl Status {
    pub fn sent(&mut self, name: &str) {
        self.sent = self.sent.saturating_add(1);
        self.counts(name).carried = self.counts(name).carried.saturating_add(1);
    }

    pub fn received(&mut self, name: &str, lost: u64) {
        self.received = self.received.saturating_add(1);
        // The numbers come from another machine, so their sum may overflow.
        self.lost = self.lost.saturating_add(lost);
        let counts = self.counts(name);
        counts.carried = counts.carried.saturating_add(1);
        counts.lost = counts.lost.saturating_add(lost);
    }

    pub fn received_records(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.received = self.received.saturating_add(count);
            self.counts(name).carried = self.counts(name).carried.saturating_add(count);
        }
    }

    pub fn overrun(&mut self, name: &str, missed: u64) {
        self.overrun = self.overrun.saturating_add(missed);
        self.counts(name).lost = self.counts(name).lost.saturating_add(missed);
    }

    pub fn request_in(&mut self, name: &str) {
        self.requests_in = self.requests_in.saturating_add(1);
        self.counts(name).requests = self.counts(name).requests.saturating_add(1);
    }

    /// Counts a request that arrived after its deadline; logs it if the last such line is old enough.
    pub fn late(&mut self, name: &str) {
        self.late = self.late.saturating_add(1);
        self.changed = true;
        if self.late_noted.is_none_or(|at| at.elapsed() >= WARNINGS) {
            self.late_noted = Some(Instant::now());
            let text = format!(
                "a request for {name} arrived after its time was over, and was not carried out; {} in all",
                self.late
            );
            self.note("warning", text);
        }
    }

    /// Counts invalid values of programs without Linkspan; logs them if the last such line is old enough.
    pub fn malformed(&mut self, name: &str, why: &Error) {
        self.malformed = self.malformed.saturating_add(1);
        self.changed = true;
        if self.malformed_noted.is_none_or(|at| at.elapsed() >= WARNINGS) {
            self.malformed_noted = Some(Instant::now());
            let all = self.malformed;
            let text =
                format!("what a program without Linkspan sent for {name} is no value: {why}; {all} in all");
            self.note("warning", text);
        }
    }

    /// Counts kept messages dropped by the total limit; logs them if the last such line is old enough.
    pub fn unretained(&mut self, name: &str, count: u64) {
        if count == 0 {
            return;
        }
        self.unretained = self.unretained.saturating_add(count);
        self.changed = true;
        if self.unretained_noted.is_none_or(|at| at.elapsed() >= WARNINGS) {
            self.unretained_noted = Some(Instant::now());
            let all = self.unretained;
            let text = format!(
                "the kept messages of all names have the bound of --retain-total: the oldest of {name} are dropped; {all} in all"
            );
            self.note("warning", text);
        }
    }

    pub fn expired(&mut self, count: u64) {
        self.expired = self.expired.saturating_add(count);
        self.changed |= count > 0;
    }

    pub fn withdrawn(&mut self) {
        self.withdrawn = self.withdrawn.saturating_add(1);
        self.changed = true;
    }

    pub fn too_large(&mut self, name: &str, why: &str) {
        self.too_large = self.too_large.saturating_add(1);
        self.counts(name).lost = self.counts(name).lost.saturating_add(1);
        self.note("warning", format!("a message to {name} is lost: {why}; {} in all", self.too_large));
    }

    pub fn request_out(&mut self, name: &str) {
        self.requests_out = self.requests_out.saturating_add(1);
        self.counts(name).requests = self.counts(name).requests.saturating_add(1);
    }

    /// Returns a name's counters, and marks the status as changed.
    fn counts(&mut self, name: &str) -> &mut Counts {
        self.changed = true;
        if !self.names.contains_key(name) {
            if self.names.len() >= NAMES {
                let (exported, imported) = (&self.exported, &self.imported);
                let (ours, theirs) = (&self.exported_journals, &self.imported_journals);
                self.names.retain(|name, _| {
                    exported.contains(name)
                        || imported.contains_key(name)
                        || ours.contains(name)
                        || theirs.contains_key(name)
                });
            }
            self.names.insert(name.to_owned(), Counts::default());
        }
        self.names.entry(name.to_owned()).or_default()
    }

    pub fn meet(&mut self, machine: &str, is_there: bool) {
        if self.bridges.len() >= MAX_LISTED && !self.bridges.contains_key(machine) {
            return;
        }
        let known = self.bridges.entry(machine.to_owned()).or_default();
        *known = if is_there { known.saturating_add(1) } else { known.saturating_sub(1) };
        if *known == 0 {
            self.bridges.remove(machine);
        }
        self.changed = true;
    }

    /// Compares a message's time, in nanoseconds since 1970, with the local clock.
    ///
    /// A message from the future reveals differing clocks, which is logged when the difference changes by more than a
    /// second. A clock that is late cannot be distinguished from a slow message.
    pub fn look_at_clock(&mut self, name: &str, sent: i64) {
        let seconds = sent.saturating_sub(Timestamp::now().0) as f64 / 1e9;
        if seconds < CLOCKS {
            return;
        }
        let machine = self.imported.get(name).or_else(|| self.imported_journals.get(name));
        let Some(machine) = machine.cloned() else { return };
        if self.ahead.get(&machine).is_none_or(|known| (known - seconds).abs() > CLOCKS) {
            self.note("warning", format!("the clock of {machine} is {seconds:.1} s ahead of the clock here"));
            self.ahead.insert(machine, seconds);
            self.changed = true;
        }
    }

    pub fn clear(&mut self) {
        self.reason_changed |= !self.refused.is_empty();
        self.exported.clear();
        self.exported_journals.clear();
        self.imported_journals.clear();
        self.bridges.clear();
        self.ahead.clear();
        self.imported.clear();
        self.refused.clear();
        self.changed = true;
    }

    pub fn note(&mut self, level: &'static str, text: impl AsRef<str>) {
        self.notes.push((level, one_line(text.as_ref()).to_string()));
    }

    /// Returns the log lines since the last call, with due lines about losses and counters.
    pub fn take_notes(&mut self) -> Vec<(&'static str, String)> {
        let now = Instant::now();
        let lost = self.lost.saturating_add(self.overrun).saturating_add(self.dropped);
        if self
            .warned
            .map_or(lost > 0, |(at, last)| lost > last && now.saturating_duration_since(at) >= WARNINGS)
        {
            let more = lost.saturating_sub(self.warned.map_or(0, |(_, last)| last));
            self.note("warning", format!("{more} messages more were lost; all in all: {}", self.totals()));
            self.warned = Some((now, lost));
        }
        let counted = [self.sent, self.received, self.requests_in, self.requests_out];
        let (at, last) = *self.reported.get_or_insert((now, [0; 4]));
        if counted != last && now.saturating_duration_since(at) >= REPORTS {
            self.note("info", self.totals());
            self.reported = Some((now, counted));
        }
        std::mem::take(&mut self.notes)
    }

    fn totals(&self) -> String {
        format!(
            "{} sent, {} received, {} lost, {} overrun, {} dropped; {} requests in, {} of them late, {} out",
            self.sent,
            self.received,
            self.lost,
            self.overrun,
            self.dropped,
            self.requests_in,
            self.late,
            self.requests_out
        )
    }

    /// Returns the current problems (names not carried) if they have changed; empty without any.
    pub fn take_reason(&mut self) -> Option<String> {
        std::mem::take(&mut self.reason_changed).then(|| {
            match (self.refused.iter().next(), self.refused.len()) {
                (None, _) => String::new(),
                (Some((name, why)), 1) => one_line(&format!("{name} is not carried: {why}")).to_string(),
                (Some((name, why)), many) => {
                    one_line(&format!("{many} names are not carried; {name}: {why}")).to_string()
                }
            }
        })
    }

    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Records that a name is not carried, and logs it unless the reason is unchanged.
    pub fn refuse(&mut self, name: &str, why: String) {
        let is_new = self.refused.get(name) != Some(&why);
        // Only a malicious machine causes so many names, so further ones are not recorded.
        if is_new && (self.refused.len() < MAX_LISTED || self.refused.contains_key(name)) {
            self.note("warning", format!("{name} is not carried: {why}"));
            self.refused.insert(name.to_owned(), why);
            (self.changed, self.reason_changed) = (true, true);
        }
    }

    pub fn allow(&mut self, name: &str) {
        let was_refused = self.refused.remove(name).is_some();
        self.changed |= was_refused;
        self.reason_changed |= was_refused;
    }

    /// Returns the whole status with the counters of each name.
    pub fn to_value(&self) -> Value {
        let mut all = self.summary();
        let counts = |it: &Counts| {
            let Counts { carried, lost, requests } = *it;
            Value::map([("carried", carried), ("lost", lost), ("requests", requests)])
        };
        let names = self.names.iter().map(|(name, it)| (name.clone(), counts(it))).collect();
        if let Value::Map(map) = &mut all {
            map.insert("names".to_owned(), Value::Map(names));
        }
        all
    }

    /// Returns the published status, without the counters of each name.
    fn summary(&self) -> Value {
        let text = |(name, text): (&String, &String)| (name.clone(), text.as_str().into());
        let imported = self.imported.iter().chain(&self.imported_journals);
        let exported: Vec<_> = self.exported.iter().chain(&self.exported_journals).cloned().collect();
        let certificate = self.certificate.as_ref().map_or(Value::Null, |(name, expires)| {
            let expires = Timestamp(expires.unix_timestamp().saturating_mul(1_000_000_000));
            Value::map([("name", Value::from(name.as_str())), ("expires", Value::Timestamp(expires))])
        });
        Value::map([
            ("bridges", Value::from(self.bridges.keys().cloned().collect::<Vec<_>>())),
            ("connect", self.connect.clone().into()),
            ("listen", self.listen.clone().into()),
            ("certificate", certificate),
            (
                "ahead",
                Value::Map(
                    self.ahead.iter().map(|(machine, by)| (machine.clone(), Value::from(*by))).collect(),
                ),
            ),
            ("sent", Value::from(self.sent)),
            ("received", self.received.into()),
            ("repeated", self.repeated.into()),
            ("overrun", self.overrun.into()),
            ("lost", self.lost.into()),
            ("dropped", self.dropped.into()),
            ("too_large", self.too_large.into()),
            ("malformed", self.malformed.into()),
            ("unretained", self.unretained.into()),
            ("requests_in", self.requests_in.into()),
            ("requests_out", self.requests_out.into()),
            ("late", self.late.into()),
            ("expired", self.expired.into()),
            ("withdrawn", self.withdrawn.into()),
            ("links", self.links.into()),
            ("exported", exported.into()),
            ("imported", Value::Map(imported.map(text).collect())),
            ("refused", Value::Map(self.refused.iter().map(text).collect())),
        ])
    }
}

/// The publisher of the status, for other local programs.
pub struct Shown {
    publisher: Publisher,
    at: Option<Instant>,
}

impl Shown {
    /// Binds the name of the status.
    ///
    /// # Errors
    /// Errors of creating a publisher, such as `AddressInUse`.
    pub fn new(name: &str) -> Result<Shown> {
        Ok(Shown { publisher: Publisher::new(name, &Options::default())?, at: None })
    }

    /// Publishes a changed status. Returns the remaining time if the last publication was too recent.
    ///
    /// # Errors
    /// Errors of publishing.
    pub fn show(&mut self, status: &mut Status) -> Result<Option<Duration>> {
        if !status.changed {
            return Ok(None);
        }
        let since = self.at.map_or(EVERY, |at| at.elapsed());
        if since < EVERY {
            return Ok(Some(EVERY.saturating_sub(since)));
        }
        self.show_now(status)?;
        Ok(None)
    }

    pub fn show_now(&mut self, status: &mut Status) -> Result<()> {
        self.publisher.send(&status.summary())?;
        (self.at, status.changed) = (Some(Instant::now()), false);
        Ok(())
    }
}

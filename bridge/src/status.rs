//! What the bridge counts, and what it says of it: a name at which its state is published, and lines for its log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkspan::{Options, Publisher, Result, Timestamp, Value};
use time::OffsetDateTime;

/// The state is published no more often than this.
const EVERY: Duration = Duration::from_millis(500);
/// What was carried is logged no more often than this, and losses no more often than that.
const REPORTS: Duration = Duration::from_secs(60);
const WARNINGS: Duration = Duration::from_secs(5);
/// Names that are counted for themselves, at most; of more, those that are carried no longer are forgotten.
const NAMES: usize = 10_000;

/// By how many seconds clocks may differ before it is told.
const CLOCKS: f64 = 1.0;
/// Names that are told to be refused, and bridges that are told to be there, at most.
const TOLD: usize = 1_000;

/// What was carried of one name.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Messages, in either direction.
    pub carried: u64,
    /// Messages that were overwritten here before they could be sent, or that never came.
    pub lost: u64,
    /// Requests, in either direction.
    pub requests: u64,
}

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
    /// Messages that the engine does not carry because of their size.
    pub too_large: u64,
    /// Requests of other machines.
    pub requests_in: u64,
    /// Requests of this machine to others.
    pub requests_out: u64,
    /// Requests of other machines that arrived after their deadline, and were not carried out.
    pub late: u64,
    /// Requests of other machines that servers had not answered at their deadline, and that were withdrawn.
    pub expired: u64,
    /// Links between programs of this machine and of others.
    pub links: u64,
    /// Names that are exported.
    pub exported: Vec<String>,
    /// Names that are imported, and their machines.
    pub imported: BTreeMap<String, String>,
    /// The same of journals.
    pub exported_journals: Vec<String>,
    pub imported_journals: BTreeMap<String, String>,
    /// Names that are not carried, and why.
    pub refused: BTreeMap<String, String>,
    /// The name of this machine's certificate, and until when it counts.
    pub certificate: Option<(String, OffsetDateTime)>,
    /// The machines of other bridges that are met, each with their number.
    pub bridges: BTreeMap<String, usize>,
    /// Addresses at which others are met, and at which they may come.
    pub connect: Vec<String>,
    /// Where others may come.
    pub listen: Vec<String>,
    /// Seconds by which the clocks of other machines are ahead of this one's, where they are.
    ahead: BTreeMap<String, f64>,
    names: BTreeMap<String, Counts>,
    notes: Vec<(&'static str, String)>,
    reported: Option<(Instant, [u64; 4])>,
    warned: Option<(Instant, u64)>,
    late_noted: Option<Instant>,
    reason_changed: bool,
    changed: bool,
}

impl Status {
    /// A message went to other machines.
    pub fn sent(&mut self, name: &str) {
        self.sent += 1;
        self.counts(name).carried += 1;
    }

    /// A message of another machine was published here, and this many before it never came.
    pub fn received(&mut self, name: &str, lost: u64) {
        self.received += 1;
        // The numbers are the other machine's.
        self.lost = self.lost.saturating_add(lost);
        let counts = self.counts(name);
        counts.carried += 1;
        counts.lost = counts.lost.saturating_add(lost);
    }

    /// Records of a journal of another machine were written here.
    pub fn received_records(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.received += count;
            self.counts(name).carried += count;
        }
    }

    /// Messages of this machine were overwritten before they could be sent.
    pub fn overrun(&mut self, name: &str, missed: u64) {
        self.overrun += missed;
        self.counts(name).lost += missed;
    }

    /// A request of another machine.
    pub fn request_in(&mut self, name: &str) {
        self.requests_in += 1;
        self.counts(name).requests += 1;
    }

    /// A request of another machine arrived after its deadline.
    pub fn late(&mut self, name: &str) {
        self.late += 1;
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

    /// So many requests of other machines had no answer at their deadline.
    pub fn expired(&mut self, count: u64) {
        self.expired += count;
        self.changed |= count > 0;
    }

    /// A message was refused for good, because the engine does not carry one of its size.
    pub fn too_large(&mut self, name: &str, why: &str) {
        self.too_large += 1;
        self.counts(name).lost += 1;
        self.note("warning", format!("a message to {name} is lost: {why}; {} in all", self.too_large));
    }

    /// A request of this machine to another.
    pub fn request_out(&mut self, name: &str) {
        self.requests_out += 1;
        self.counts(name).requests += 1;
    }

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

    /// Another bridge is met, or is there no longer.
    pub fn meet(&mut self, machine: &str, is_there: bool) {
        if self.bridges.len() >= TOLD && !self.bridges.contains_key(machine) {
            return;
        }
        let known = self.bridges.entry(machine.to_owned()).or_default();
        *known = if is_there { *known + 1 } else { known.saturating_sub(1) };
        if *known == 0 {
            self.bridges.remove(machine);
        }
        self.changed = true;
    }

    /// Looks when a message was sent that has just come: what is in the future tells of clocks that differ.
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

    /// No name is carried any more.
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

    /// Notes a line for the log.
    pub fn note(&mut self, level: &'static str, text: impl AsRef<str>) {
        self.notes.push((level, printable(text.as_ref())));
    }

    /// The lines for the log since the last time.
    pub fn take_notes(&mut self) -> Vec<(&'static str, String)> {
        let now = Instant::now();
        let lost = self.lost.saturating_add(self.overrun).saturating_add(self.dropped);
        if self.warned.map_or(lost > 0, |(at, last)| lost > last && now - at >= WARNINGS) {
            let more = lost - self.warned.map_or(0, |(_, last)| last);
            self.note("warning", format!("{more} messages more were lost; all in all: {}", self.totals()));
            self.warned = Some((now, lost));
        }
        let counted = [self.sent, self.received, self.requests_in, self.requests_out];
        let (at, last) = *self.reported.get_or_insert((now, [0; 4]));
        if counted != last && now - at >= REPORTS {
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

    /// What is wrong now, where that has changed: names that are not carried.
    pub fn take_reason(&mut self) -> Option<String> {
        std::mem::take(&mut self.reason_changed).then(|| {
            match (self.refused.iter().next(), self.refused.len()) {
                (None, _) => String::new(),
                (Some((name, why)), 1) => printable(&format!("{name} is not carried: {why}")),
                (Some((name, why)), many) => {
                    printable(&format!("{many} names are not carried; {name}: {why}"))
                }
            }
        })
    }

    /// Something is to be published anew.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Notes that a name is not carried, and says so once.
    pub fn refuse(&mut self, name: &str, why: String) {
        let is_new = self.refused.get(name) != Some(&why);
        // Of more, none is told: whoever has so many means harm.
        if is_new && (self.refused.len() < TOLD || self.refused.contains_key(name)) {
            self.note("warning", format!("{name} is not carried: {why}"));
            self.refused.insert(name.to_owned(), why);
            (self.changed, self.reason_changed) = (true, true);
        }
    }

    /// The name is carried now, or wanted no longer.
    pub fn allow(&mut self, name: &str) {
        let was_refused = self.refused.remove(name).is_some();
        self.changed |= was_refused;
        self.reason_changed |= was_refused;
    }

    /// Everything, with what was carried of each name.
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

    /// What is published of it: without each name's counts.
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
            ("requests_in", self.requests_in.into()),
            ("requests_out", self.requests_out.into()),
            ("late", self.late.into()),
            ("expired", self.expired.into()),
            ("links", self.links.into()),
            ("exported", exported.into()),
            ("imported", Value::Map(imported.map(text).collect())),
            ("refused", Value::Map(self.refused.iter().map(text).collect())),
        ])
    }
}

/// The text without characters that a terminal takes for commands: names are what others say.
fn printable(text: &str) -> String {
    let one = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(one).collect()
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
        self.show_now(status)?;
        Ok(None)
    }

    /// Publishes the state as it is.
    pub fn show_now(&mut self, status: &mut Status) -> Result<()> {
        self.publisher.send(&status.summary())?;
        (self.at, status.changed) = (Some(Instant::now()), false);
        Ok(())
    }
}

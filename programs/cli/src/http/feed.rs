//! The controller's events, received once for all connected pages, and only while there are some.
//!
//! Events are numbered and kept for a while. A page continues there after a broken connection. A new page, or one with
//! a larger gap, gets the state of all services.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linkspan::page::{self, Event, SNAPSHOT_LOG_LINES};
use linkspan::service::{WatchOptions, start_thread};
use linkspan::{Encoding, Error, ErrorKind, Result, Value, Wait, codec};
use tokio::sync::watch;

use super::pool::connect;

/// The interval between requests of a service's data while a page is open.
const DATA_EVERY: Duration = Duration::from_secs(1);
/// How long the thread continues without a connected browser, because pages are often reopened.
const LINGER: Duration = Duration::from_secs(30);
/// The most events that are kept, and their bytes.
const KEPT: usize = 2000;
const KEPT_BYTES: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the controller is tried again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Happened {
    /// Counts from 1.
    pub number: u64,
    /// `snapshot`, `service`, `gone`, `data`, `log`, `missed` or `controller`.
    pub what: &'static str,
    pub json: Arc<str>,
}

#[derive(Default)]
struct Known {
    services: BTreeMap<String, Arc<str>>,
    readings: BTreeMap<String, Arc<str>>,
    log: VecDeque<Arc<str>>,
    /// Whether the controller was queried, and the error.
    controller: Option<Arc<str>>,
    happened: VecDeque<Happened>,
    bytes: usize,
    number: u64,
    viewers: usize,
    unseen_since: Option<Instant>,
    stop: bool,
}

pub struct Feed {
    endpoint: String,
    /// Distinguishes event numbers of different starts.
    life: String,
    known: Mutex<Known>,
    looked_at: Condvar,
    changed: watch::Sender<u64>,
}

pub struct Looking(Arc<Feed>);

impl Looking {
    pub fn feed(&self) -> &Feed {
        &self.0
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let mut known = self.0.known();
        known.viewers = known.viewers.saturating_sub(1);
        if known.viewers == 0 {
            known.unseen_since = Some(Instant::now());
        }
    }
}

impl Feed {
    pub fn start(endpoint: &str) -> Arc<Feed> {
        let feed = Arc::new(Feed {
            endpoint: endpoint.to_owned(),
            life: page::random_id().unwrap_or_default(),
            known: Mutex::default(),
            looked_at: Condvar::new(),
            changed: watch::Sender::new(0),
        });
        let watcher = feed.clone();
        if let Err(error) = start_thread("linkspan-watch", move || watcher.run()) {
            feed.controller_is(Some(&error));
        }
        feed
    }

    pub fn stop(&self) {
        self.known().stop = true;
        self.looked_at.notify_all();
    }

    pub fn look(self: &Arc<Feed>, at_most: usize) -> Option<Looking> {
        let mut known = self.known();
        if known.viewers >= at_most {
            return None;
        }
        known.viewers = known.viewers.saturating_add(1);
        known.unseen_since = None;
        self.looked_at.notify_all();
        drop(known);
        Some(Looking(self.clone()))
    }

    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.life)
    }

    /// Returns the number in such an id; none if it is of another start.
    pub fn position_of(&self, id: &str) -> Option<u64> {
        let (life, number) = id.rsplit_once('-')?;
        number.parse().ok().filter(|_| life == self.life)
    }

    /// Returns and advances beyond the events after `position`, or the whole state if they are dropped.
    pub fn since(&self, position: &mut Option<u64>) -> Vec<Happened> {
        let known = self.known();
        let oldest = known.happened.front().map_or(known.number.saturating_add(1), |first| first.number);
        let after = match *position {
            Some(after) if after <= known.number && after.saturating_add(1) >= oldest => after,
            // Nothing before the controller's first answer.
            _ if known.controller.is_none() => return Vec::new(),
            _ => {
                *position = Some(known.number);
                return vec![Happened { number: known.number, what: "snapshot", json: known.snapshot() }];
            }
        };
        *position = Some(known.number);
        known.happened.iter().filter(|one| one.number > after).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, note: impl FnOnce(&mut Known) -> Option<(&'static str, Arc<str>)>) {
        let mut known = self.known();
        if let Some((what, json)) = note(&mut known) {
            known.number = known.number.saturating_add(1);
            known.bytes = known.bytes.saturating_add(json.len());
            let number = known.number;
            known.happened.push_back(Happened { number, what, json });
            while known.happened.len() > KEPT || known.bytes > KEPT_BYTES {
                let Some(oldest) = known.happened.pop_front() else { break };
                known.bytes = known.bytes.saturating_sub(oldest.json.len());
            }
        }
        self.changed.send_replace(known.number);
    }

    fn controller_is(&self, error: Option<&Error>) {
        let status = Value::map([
            ("connected", Value::from(error.is_none())),
            ("reason", error.map_or("", |e| e.text()).into()),
        ]);
        let status = text(&status);
        self.record(|known| {
            let news = known.controller.as_ref() != Some(&status);
            known.controller = Some(status.clone());
            news.then_some(("controller", status))
        });
    }

    fn run(&self) {
        loop {
            let mut known = self.known();
            while known.viewers == 0 && !known.stop {
                known = self.looked_at.wait(known).unwrap_or_else(PoisonError::into_inner);
            }
            if known.stop {
                return;
            }
            drop(known);
            if let Err(error) = self.watch() {
                self.controller_is(Some(&error));
                let known = self.known();
                if !known.stop {
                    // A new page wakes the thread early, which is harmless.
                    drop(self.looked_at.wait_timeout(known, AGAIN).unwrap_or_else(PoisonError::into_inner));
                }
            } else {
                // The state becomes outdated from now on: the next page waits until the controller has answered again.
                self.known().controller = None;
            }
        }
    }

    /// `Cancelled` without a page for a while, or at the end.
    fn wanted(&self) -> Result<()> {
        let known = self.known();
        let unseen = known.unseen_since.is_some_and(|since| since.elapsed() > LINGER);
        match known.stop || unseen {
            true => Err(Error::new(ErrorKind::Cancelled, "no browser is connected any more")),
            false => Ok(()),
        }
    }

    fn watch(&self) -> Result<()> {
        let controller = connect(&self.endpoint)?;
        controller.watch(&WatchOptions { data_every: Some(DATA_EVERY), services: Vec::new() })?;
        let services = controller.services(PATIENCE)?;
        let log = controller.log(None, SNAPSHOT_LOG_LINES, PATIENCE)?;
        self.begin(&services, &log)?;
        loop {
            let mut tick = || self.wanted();
            match controller.next(Wait::new(None).tick(&mut tick)) {
                Ok(pushed) => self.receive(&pushed)?,
                Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Earlier events are unknown, so every page gets the state.
    fn begin(&self, services: &Value, log: &Value) -> Result<()> {
        let mut records = BTreeMap::new();
        for record in services.as_array()? {
            records.insert(record.at("name")?.as_text()?.to_owned(), text(record));
        }
        let log = log.as_array()?.iter().map(text).collect();
        let mut known = self.known();
        known.readings.retain(|name, _| records.contains_key(name));
        known.services = records;
        known.log = log;
        known.happened.clear();
        known.bytes = 0;
        // Slower pages find a gap, and get the whole state.
        known.number = known.number.saturating_add(2);
        known.controller = None;
        drop(known);
        self.controller_is(None);
        Ok(())
    }

    fn receive(&self, pushed: &Value) -> Result<()> {
        // Push messages of a later controller that this page does not show.
        let Some(Event { name: what, json }) = Event::of(pushed)? else { return Ok(()) };
        let json: Arc<str> = json.into();
        match what {
            "service" => {
                let record = pushed.at("service")?;
                let (name, record) = (record.at("name")?.as_text()?.to_owned(), text(record));
                self.record(|known| {
                    known.services.insert(name, record);
                    Some(("service", json))
                });
            }
            "gone" => {
                let name = pushed.at("name")?.as_text()?;
                self.record(|known| {
                    known.services.remove(name);
                    known.readings.remove(name);
                    Some(("gone", json))
                });
            }
            "data" => {
                let name = pushed.at("name")?.as_text()?.to_owned();
                self.record(|known| {
                    known.readings.insert(name, json.clone());
                    Some(("data", json))
                });
            }
            "log" => {
                let entry = text(pushed.at("entry")?);
                self.record(|known| {
                    known.log.push_back(entry);
                    if known.log.len() > SNAPSHOT_LOG_LINES {
                        known.log.pop_front();
                    }
                    Some(("log", json))
                });
            }
            _ => self.record(|_| Some((what, json))),
        }
        Ok(())
    }
}

fn text(value: &Value) -> Arc<str> {
    let written = codec::encode(value, Encoding::Json).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    // Every value has a form in JSON; one over the limit of a message cannot be shown.
    written.unwrap_or_else(|| "null".into()).into()
}

impl Known {
    fn snapshot(&self) -> Arc<str> {
        let list = |items: &mut dyn Iterator<Item = &Arc<str>>| {
            items.map(|item| &**item).filter(|item| *item != "null").collect::<Vec<_>>().join(",")
        };
        format!(
            r#"{{"host":{},"controller":{},"services":[{}],"data":[{}],"log":[{}]}}"#,
            text(&rustix::system::uname().nodename().to_string_lossy().as_ref().into()),
            self.controller.as_deref().unwrap_or("null"),
            list(&mut self.services.values()),
            list(&mut self.readings.values()),
            list(&mut self.log.iter()),
        )
        .into()
    }
}

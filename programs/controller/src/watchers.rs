//! Watchers: events about services, and the sampling of data for them.
//!
//! A watcher first receives the record of each service that it watches, then each record that has changed. Changes
//! within `Limits::push` are sent as one event. A watcher that reads too slowly and misses events receives all records
//! again.
//!
//! For data, the controller sends `GET_DATA` to the service with an id `look-…`, once for all watchers of the service
//! and at their shortest period. The watchers receive the data only after a change.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::client_protocol::WatchRequest;
use crate::event_log::Entry;
use crate::open_command::{Key, OpenCommand};
use crate::schedule::{Due, Name};
use crate::state::{Action, Moment, ServerState};
use linkspan::service::server_side::allows;
use linkspan::{Answer, Command, Encoding, ErrorKind, Map, Outcome, Value, codec};

/// The shortest and the longest time-out of a sample.
const SAMPLE_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

impl WatchRequest {
    /// Returns whether the watcher receives events about this service.
    fn wants(&self, name: &str) -> bool {
        self.services.is_empty() || self.services.contains(name)
    }
}

impl ServerState {
    /// Adds or replaces the watch request of a client and sends it the records of the services.
    pub fn watch(&mut self, client: u64, watch: WatchRequest, now: Moment) {
        self.watchers.insert(client, watch);
        self.send_snapshot(client, now);
    }

    /// Removes the watch request of a client.
    pub fn unwatch(&mut self, client: u64) {
        self.watchers.remove(&client);
    }

    /// Sends the records of all watched services to a watcher that is new or has missed events.
    pub fn send_snapshot(&mut self, client: u64, now: Moment) {
        let Some(watch) = self.watchers.get(&client) else { return };
        let wanted: Vec<Name> = self.services.keys().filter(|name| watch.wants(name)).cloned().collect();
        let data = watch.data_every.is_some();
        for name in wanted {
            self.push_record_to(&[client], &name, now);
            if data && let Some(service) = self.services.get_mut(&name) {
                // The watchers receive the next sample even if the data have not changed.
                service.sampling.last = None;
                self.schedule_sample(&name, now);
            }
        }
    }

    /// Returns the clients that watch a service.
    pub(super) fn watchers_of(&self, name: &str) -> Vec<u64> {
        let watchers = self.watchers.iter().filter(|(_, watch)| watch.wants(name));
        watchers.map(|(client, _)| *client).collect()
    }

    /// Sends a service's changed record to its watchers, `Limits::push` after the last event at the latest.
    pub(super) fn record_changed(&mut self, name: &Name, now: Moment) {
        if self.watchers.is_empty() {
            return;
        }
        let Some(service) = self.services.get(name) else { return };
        match service.pushed.map(|pushed| pushed.saturating_add(self.limits.push)) {
            Some(next) if next > now.since => self.schedule.set_once(Due::Push(name.clone()), next),
            _ => self.push_record(name, now),
        }
    }

    /// Sends the record of a service to its watchers.
    pub(super) fn push_record(&mut self, name: &Name, now: Moment) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.pushed = Some(now.since);
        let to = self.watchers_of(name);
        self.push_record_to(&to, name, now);
    }

    fn push_record_to(&mut self, to: &[u64], name: &Name, now: Moment) {
        let Some(service) = self.services.get(name).filter(|_| !to.is_empty()) else { return };
        let value = Value::map([("what", "service".into()), ("service", service.to_value(now.since))]);
        self.actions.push_back(Action::Push { to: to.to_vec(), value });
    }

    /// Sends a line of a log to its watchers.
    pub(super) fn push_log_entry(&mut self, entry: &Entry) {
        let watchers = self.watchers.iter();
        let wants = |watch: &WatchRequest| match &entry.service {
            Some(name) => watch.wants(name),
            None => watch.services.is_empty(),
        };
        let to: Vec<u64> = watchers.filter(|(_, watch)| wants(watch)).map(|(client, _)| *client).collect();
        if !to.is_empty() {
            let value = Value::map([("what", "log".into()), ("entry", entry.to_value())]);
            self.actions.push_back(Action::Push { to, value });
        }
    }

    /// Returns the watchers of a service's data and their shortest period.
    fn data_watchers(&self, name: &str) -> Option<(Vec<u64>, Duration)> {
        let mut to = Vec::new();
        let mut every = None::<Duration>;
        for (client, watch) in &self.watchers {
            if let Some(wanted) = watch.data_every.filter(|_| watch.wants(name)) {
                to.push(*client);
                every = Some(every.map_or(wanted, |every| every.min(wanted)));
            }
        }
        every.map(|every| (to, every))
    }

    /// Sets the timer of the next sample.
    pub(super) fn schedule_sample(&mut self, name: &Name, now: Moment) {
        let Some((_, every)) = self.data_watchers(name) else { return };
        let Some(service) = self.services.get(name).filter(|service| !service.sampling.is_open) else {
            return;
        };
        let at = service
            .sampling
            .requested
            .map_or(now.since, |requested| requested.saturating_add(every).max(now.since));
        self.schedule.set(Due::Sample(name.clone()), at);
    }

    /// Requests the data of a service, once for all watchers.
    pub(super) fn sample(&mut self, name: &Name, now: Moment) {
        let Some((_, every)) = self.data_watchers(name) else { return };
        let Some(service) = self.services.get_mut(name) else { return };
        if !service.is_connected() || service.sampling.is_open {
            return;
        }
        service.sampling.requested = Some(now.since);
        if !allows(service.report().state, &Command::GetData) {
            return self.schedule_sample(name, now);
        }
        service.sampling.is_open = true;
        self.samples_sent = self.samples_sent.saturating_add(1);
        let id: Arc<str> = format!("look-{:x}-{}", self.controller, self.samples_sent).into();
        let key: Key = (name.clone(), id);
        let open = OpenCommand {
            command: Command::GetData,
            arguments: Value::Null,
            deadline: now.since.saturating_add(every.clamp(SAMPLE_TIMEOUT.0, SAMPLE_TIMEOUT.1)),
            pinned: None,
            sent_to: None,
            accepted: None,
            waiting: Vec::new(),
            is_own: true,
            bytes: 0,
        };
        self.add_open_command(&key, open);
        self.send_command(&key, now);
    }

    /// Cancels the open sample of a service that has disconnected.
    pub(super) fn cancel_sample(&mut self, name: &Name) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.sampling.is_open = false;
        let own = service.open.iter().find(|(_, open)| open.is_own).map(|(id, _)| id.clone());
        if let Some(id) = own {
            service.open.shift_remove(&id);
            self.schedule.cancel(&Due::Command(name.clone(), id));
        }
        self.schedule.cancel(&Due::Sample(name.clone()));
    }

    /// Handles the answer to a sample: changed data are sent to the watchers.
    pub(super) fn sample_received(&mut self, name: &Name, answer: &Answer, now: Moment) {
        let Some((to, _)) = self.data_watchers(name) else {
            if let Some(service) = self.services.get_mut(name) {
                service.sampling.is_open = false;
            }
            return;
        };
        let Some(service) = self.services.get_mut(name) else { return };
        service.sampling.is_open = false;
        let found = fingerprint(&answer.value);
        if answer.outcome == Outcome::Done
            && (service.sampling.last.is_none() || service.sampling.last != found)
        {
            service.sampling.last = found;
            let mut map = Map::new();
            map.insert("what".into(), "data".into());
            map.insert("name".into(), (&**name).into());
            map.insert("at".into(), now.at.into());
            map.insert("value".into(), answer.value.clone());
            self.actions.push_back(Action::Push { to, value: Value::Map(map) });
        }
        self.update_data_problem(name, answer, now);
        self.schedule_sample(name, now);
    }

    /// Reports a failed sample as a problem of the service until a sample succeeds. Does not report a time-out, because
    /// `busy` shows it.
    fn update_data_problem(&mut self, name: &Name, answer: &Answer, now: Moment) {
        let failure =
            answer.failure.as_ref().filter(|failure| failure.code != i64::from(ErrorKind::Timeout.code()));
        match (answer.outcome, failure) {
            (Outcome::Failed, Some(failure)) => {
                self.report_problem(name, &format!("{NO_DATA}{}", failure.text), now)
            }
            (Outcome::Done, _) => {
                let was_reported =
                    self.services.get(name).is_some_and(|service| service.problem.starts_with(NO_DATA));
                if was_reported {
                    self.schedule.set(Due::ProblemExpiry(name.clone()), now.since);
                }
            }
            _ => {}
        }
    }
}

/// The prefix of the problem of a service whose data cannot be read.
const NO_DATA: &str = "its data cannot be read: ";

/// Returns a hash of the data, which replaces a copy of the data.
fn fingerprint(value: &Value) -> Option<u64> {
    let bytes = codec::encode(value, Encoding::Cbor).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Some(hasher.finish())
}

//! The handling of clients' requests. Every request is answered with a value or an error, at once or, for a command,
//! later.

use crate::client_protocol::{ClientCommand, ClientRequest};
use crate::schedule::{Due, Name};
use crate::state::{Action, Moment, ServerState};
use linkspan::service::server_side::RequestInfo;
use linkspan::{Error, ErrorKind, Map, Value, View, quoted};

/// The approximate maximum size of a page of a list, in bytes.
const PAGE: usize = 400 << 10;
/// The most names that an error lists.
const NAMED: usize = 20;

impl ServerState {
    /// Handles a request of a client. `bytes` is the size of its message.
    pub fn request(&mut self, to: RequestInfo, request: ClientRequest, bytes: usize, now: Moment) {
        let value = match request {
            ClientRequest::Services { after } => Ok(self.page(&after, now)),
            ClientRequest::Status { service } => match self.services.get(&*service) {
                Some(known) => Ok(known.to_value(now.since)),
                None => Err(self.unknown_service(&service)),
            },
            ClientRequest::Command(wanted) => return self.handle_command(to, wanted, bytes, now),
            ClientRequest::Answer { service, id } => return self.command_outcome(to, &service, &id),
            ClientRequest::Log { service: None, lines } => Ok(self.log.last(lines, PAGE)),
            ClientRequest::Log { service: Some(service), lines } => match self.services.get(&*service) {
                Some(known) => Ok(known.log.last(lines, PAGE)),
                None => Err(self.unknown_service(&service)),
            },
            ClientRequest::Forget { service } => self.forget(&service, now),
            ClientRequest::Stats => Ok(Value::Map(self.stats())),
        };
        match value {
            Ok(value) => self.actions.push_back(Action::Reply { to, value }),
            Err(error) => self.refuse(to, error),
        }
    }

    pub fn refuse(&mut self, to: RequestInfo, error: Error) {
        self.actions.push_back(Action::ReplyError { to, error });
    }

    /// Returns the records of the services after the name `after`, as many as fit into a message. `more` is true if
    /// there are more.
    fn page(&self, after: &str, now: Moment) -> Value {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut room = PAGE;
        let mut more = false;
        let mut services = Vec::new();
        let behind = (if after.is_empty() { Unbounded } else { Excluded(after) }, Unbounded);
        for (_, known) in self.services.range::<str, _>(behind) {
            if known.size() > room {
                more = true;
                break;
            }
            room = room.saturating_sub(known.size());
            services.push(known.to_value(now.since));
        }
        Value::map([("services", Value::Array(services)), ("more", more.into())])
    }

    /// Returns the error for a service that is not registered, which lists some that are.
    pub(super) fn unknown_service(&self, service: &str) -> Error {
        let mut names: Vec<&str> = self.services.keys().take(NAMED).map(|name| &**name).collect();
        if self.services.len() > NAMED {
            names.push("…");
        }
        let known = match names.is_empty() {
            true => "no service has connected yet: services connect by themselves within seconds".to_owned(),
            false => format!("known are {}", names.join(", ")),
        };
        let service = super::event_log::cut(service, 200);
        Error::new(
            ErrorKind::NotFound,
            format!("no service is called {service}; {known}", service = quoted(&service)),
        )
    }

    /// Removes a service that is not connected, with everything that is kept for it. Fails with `InvalidState` if it is
    /// connected.
    fn forget(&mut self, service: &str, now: Moment) -> Result<Value, Error> {
        let Some((name, known)) = self.services.get_key_value(service) else {
            return Err(self.unknown_service(service));
        };
        let name = name.clone();
        if known.is_connected() {
            let text = format!("{name} is {}; shut it down first", known.view.name());
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.remove_service(&name, now);
        self.log_event(None, "info", &format!("{name} was forgotten"), now);
        Ok(Value::Null)
    }

    pub fn stats(&self) -> Map {
        let of = |view: View| self.services.values().filter(|known| known.view == view).count() as u64;
        let open: usize = self.services.values().map(|known| known.open.len()).sum();
        let views = Value::map(View::ALL.map(|view| (view.name(), of(view))));
        Map::from_iter([
            ("controller".to_owned(), self.controller.into()),
            ("services".to_owned(), (self.services.len() as u64).into()),
            ("views".to_owned(), views),
            ("watchers".to_owned(), (self.watchers.len() as u64).into()),
            ("open".to_owned(), (open as u64).into()),
            ("commands".to_owned(), self.outcomes.to_value()),
        ])
    }

    /// Holds a command for an unknown service of a client that was connected to an earlier controller.
    ///
    /// The service may have been registered with that incarnation of the controller.
    pub(super) fn hold_for_expected_service(
        &mut self,
        to: RequestInfo,
        wanted: ClientCommand,
        bytes: usize,
        now: Moment,
    ) {
        let waiting: usize = self.expected.values().map(Vec::len).sum();
        if waiting >= self.limits.expected || self.open_bytes.saturating_add(bytes) > self.limits.open_bytes {
            let text = "this controller has just started, and too many commands wait for services that have not connected yet; try again later";
            return self.refuse(to, Error::new(ErrorKind::Full, text));
        }
        let name: Name = wanted.service.as_str().into();
        let until = now.since.saturating_add(wanted.within);
        let due = until.min(self.limits.settling);
        self.open_bytes = self.open_bytes.saturating_add(bytes);
        self.expected.entry(name.clone()).or_default().push((to, wanted, bytes, until));
        self.schedule_expected_service(&name, due);
    }

    /// Sets the timer of a service's held commands to the earliest deadline, at the latest to `due`.
    fn schedule_expected_service(&mut self, name: &Name, due: std::time::Duration) {
        let due = self.expected.get(name).into_iter().flatten().fold(due, |due, waiting| due.min(waiting.3));
        self.schedule.set(Due::ExpectedService(name.clone()), due);
    }

    /// Fails the commands that were held for a service which has not connected in time.
    pub(super) fn expected_service_timeout(&mut self, name: &Name, now: Moment) {
        let over = now.since >= self.limits.settling;
        let waiting = self.expected.remove(name).unwrap_or_default();
        let (ended, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(.., until)| over || *until <= now.since);
        for (to, _, bytes, _) in ended {
            self.open_bytes = self.open_bytes.saturating_sub(bytes);
            let error = self.unknown_service(name);
            self.refuse(to, error);
        }
        if !waiting.is_empty() {
            self.expected.insert(name.clone(), waiting);
            self.schedule_expected_service(name, self.limits.settling);
        }
    }

    #[cfg(test)]
    pub fn open_keys(&self) -> Vec<crate::open_command::Key> {
        let of = |known: &super::registry::ServiceRecord| {
            let name = known.name.clone();
            known.open.keys().map(move |id| (name.clone(), id.clone())).collect::<Vec<_>>()
        };
        self.services.values().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rate_limit::Limits;
    use crate::tests::FakeService;
    use linkspan::service::server_side::{MESSAGE_LIMIT, ToController};
    use linkspan::{Encoding, Timestamp, codec};

    const NOW: Moment = Moment { since: Duration::from_secs(1), at: Timestamp(0) };

    fn answer(state: &mut ServerState, request: ClientRequest) -> Result<Value, Error> {
        while state.next_action().is_some() {}
        state.request(RequestInfo { session: 1, number: 1, idempotent: true }, request, 10, NOW);
        match state.next_action() {
            Some(Action::Reply { value, .. }) => Ok(value),
            Some(Action::ReplyError { error, .. }) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// Returns a state with `count` services whose records are as large as possible.
    fn full_state(count: usize) -> ServerState {
        let mut state = ServerState::new(1, Limits { services: count, ..Limits::default() });
        for i in 0..=count {
            let mut introduction = FakeService::introduction(&format!("s{i:05}"), 1);
            introduction.description = "ä".repeat(2_000);
            introduction.commands = (0..100).map(|n| format!("{n:03}{}", "x".repeat(61))).collect();
            state.service_connected(
                i as u64,
                "test",
                linkspan::service::server_side::Owner::Anyone,
                None,
                NOW,
            );
            state.message_received(i as u64, ToController::Introduction(introduction), 10_000, NOW);
        }
        state
    }

    #[test]
    fn long_list_is_paged() {
        let mut state = full_state(500);
        let mut names: Vec<String> = Vec::new();
        let mut pages = 0;
        loop {
            let after = names.last().cloned().unwrap_or_default();
            let page = answer(&mut state, ClientRequest::Services { after }).unwrap();
            assert!((codec::encode(&page, Encoding::Cbor).unwrap().len() as u64) < MESSAGE_LIMIT);
            let services = page.at("services").unwrap().as_array().unwrap();
            names.extend(services.iter().map(|s| s.at("name").unwrap().as_text().unwrap().to_owned()));
            pages += 1;
            if !page.at("more").unwrap().as_bool().unwrap() {
                break;
            }
            assert!(!services.is_empty(), "an empty page has no next one");
        }
        // One more service than the limit was refused.
        let expected: Vec<String> = (0..500).map(|i| format!("s{i:05}")).collect();
        assert_eq!(names, expected);
        assert!(pages > 3, "{pages} pages");
        let log = answer(&mut state, ClientRequest::Log { service: None, lines: 1 }).unwrap();
        assert!(log.at("0/text").unwrap().as_text().unwrap().contains("500 services are known"));
    }

    #[test]
    fn unknown_service_error_lists_some_known_names() {
        let error =
            answer(&mut full_state(30), ClientRequest::Status { service: "x".repeat(1000) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.text().contains("s00019") && !error.text().contains("s00020"), "{error}");
        assert!(error.text().len() < 700, "{error}");
    }
}

//! The registration of services: introductions, the limit of their number, and their removal.

use super::{Action, Moment, ServerState};
use crate::client_protocol::ClientCommand;
use crate::registry::{self, ServiceRecord};
use crate::schedule::{Due, Name};
use linkspan::service::server_side::Introduction;
use linkspan::{Error, ErrorKind, Value, View};

impl ServerState {
    /// Registers the service of a link. Refuses an invalid introduction, the name of another user's service, the name
    /// of another incarnation that is connected, and a new name at the limit.
    pub(super) fn introduction_received(
        &mut self,
        link: u64,
        known_as: Option<Name>,
        it: Introduction,
        now: Moment,
    ) {
        let machine = self.links.get(&link).and_then(|service_link| service_link.machine.clone());
        let it = match registry::check(it, &self.limits).and_then(|it| registry::on_machine(it, &machine)) {
            Ok(it) => it,
            Err(error) => return self.refuse_service(link, &error, now),
        };
        if known_as.is_some_and(|name| *name != *it.name) {
            return self.drop_for_violation(link, "changes its name without reconnecting", now);
        }
        let service = self.services.get(&*it.name);
        let owner = self.links.get(&link).map(|service_link| &service_link.owner);
        // The name belongs to its user while the service is disconnected, so that no other user's program receives its
        // commands.
        if let Some(known) = service.filter(|known| known.view != View::Gone && Some(&known.owner) != owner) {
            let (name, first) = (known.name.clone(), known.source.clone());
            self.report_problem(&name, "another user's program with the same name was refused", now);
            let text = format!(
                "{name} is a service of another user ({first}); choose another name, or end that service and forget it (`linkspan service forget {name}`)"
            );
            return self.refuse_service(link, &Error::new(ErrorKind::PermissionDenied, text), now);
        }
        if service.is_some_and(|known| known.link == Some(link) && known.introduction.epoch != it.epoch) {
            return self.drop_for_violation(link, "changes its epoch without reconnecting", now);
        }
        if let Some(service) = service
            && let Some(first) = service.link.filter(|first| *first != link)
        {
            let (name, other) = (service.name.clone(), service.introduction.epoch != it.epoch);
            if other && service.view == View::Connected {
                let text = format!(
                    "another program with the name {name} was refused: {} with process {}; the first is process {}",
                    it.program, it.pid, service.introduction.pid
                );
                self.report_problem(&name, &text, now);
                let text = format!(
                    "{name} is connected already, as process {} ({}); give each service its own name",
                    self.services.get(&name).map_or(0, |service| service.introduction.pid),
                    self.services.get(&name).map_or("", |service| &service.introduction.program),
                );
                return self.refuse_service(link, &Error::new(ErrorKind::AddressInUse, text), now);
            }
            if other {
                self.log_event(
                    Some(&name),
                    "warning",
                    "was silent, and another incarnation replaces it",
                    now,
                );
            }
            self.release_link(first);
        }
        if !self.services.contains_key(&*it.name) && !self.make_room(now) {
            let text = format!(
                "{} services are known, which is the limit; forget some of them",
                self.services.len()
            );
            return self.refuse_service(link, &Error::new(ErrorKind::Full, text), now);
        }
        self.register(link, it, now);
    }

    /// Assigns the link to the service. The commands that arrived before the last connection broke are unknown, so each
    /// open command is sent again; the service recognizes repeated ones by their ids.
    pub(super) fn register(&mut self, link: u64, it: Introduction, now: Moment) {
        let name: Name = it.name.as_str().into();
        let Some(service_link) = self.links.get_mut(&link) else { return };
        service_link.name = Some(name.clone());
        let (source, owner, machine) =
            (service_link.source.clone(), service_link.owner.clone(), service_link.machine.clone());
        self.schedule.cancel(&Due::IntroductionTimeout(link));
        self.schedule.cancel(&Due::Gone(name.clone()));
        let is_new = !self.services.contains_key(&name);
        let service = self
            .services
            .entry(name.clone())
            .or_insert_with(|| ServiceRecord::new(name.clone(), it.clone(), now.since, now.at));
        let again = service.link == Some(link);
        let restarted = !is_new && service.introduction.epoch != it.epoch;
        let text = format!(
            "{}: {} with process {}, {}",
            match () {
                () if is_new => "has connected",
                () if restarted => "has restarted",
                () => "has reconnected",
            },
            it.program,
            it.pid,
            it.report.state.name()
        );
        service.introduction = it;
        service.link = Some(link);
        (service.source, service.owner, service.machine) = (source, owner, machine);
        service.view = View::Connected;
        (service.last_activity, service.last_seen) = (now.since, now.at);
        if again {
            // It may have started since.
            self.send_open_commands(&name, false, now);
            return self.record_changed(&name, now);
        }
        service.connections = service.connections.saturating_add(1);
        if restarted {
            // The problem belonged to the previous incarnation.
            self.clear_problem(&name, now);
        }
        self.schedule
            .set(Due::HeartbeatTimeout(name.clone()), now.since.saturating_add(self.limits.silence()));
        self.log_event(Some(&name), "info", &text, now);
        self.cancel_sample(&name);
        self.schedule.cancel(&Due::ExpectedService(name.clone()));
        for (to, wanted, bytes, until) in self.expected.remove(&name).unwrap_or_default() {
            self.open_bytes = self.open_bytes.saturating_sub(bytes);
            let key = (name.clone(), wanted.id.as_str().into());
            let within = until.saturating_sub(now.since);
            if let Err(error) = self.open_command(&key, to, ClientCommand { within, ..wanted }, bytes, now) {
                self.refuse(to, error);
            }
        }
        self.send_open_commands(&name, true, now);
        self.schedule_sample(&name, now);
        self.record_changed(&name, now);
    }

    /// Returns whether one more service can be registered. Removes the service that has been GONE for longest if
    /// necessary.
    pub(super) fn make_room(&mut self, now: Moment) -> bool {
        if self.services.len() < self.limits.services {
            return true;
        }
        self.forget_oldest(now)
    }

    /// Removes the service that has been GONE for longest. Returns false if none is GONE.
    pub(super) fn forget_oldest(&mut self, now: Moment) -> bool {
        let gone = self.services.values().filter(|service| service.view == View::Gone);
        let Some(name) = gone.min_by_key(|service| service.left).map(|service| service.name.clone()) else {
            return false;
        };
        self.remove_service(&name, now);
        true
    }

    /// Removes a service, with everything that is kept for it.
    pub(crate) fn remove_service(&mut self, name: &Name, now: Moment) {
        self.fail_open_commands(name, now);
        for due in [Due::Gone, Due::Push, Due::ProblemExpiry, Due::Sample, Due::HeartbeatTimeout] {
            self.schedule.cancel(&due(name.clone()));
        }
        self.services.remove(name);
        let to = self.watchers_of(name);
        if !to.is_empty() {
            let value = Value::map([("what", "gone"), ("name", &**name)]);
            self.actions.push_back(Action::Push { to, value });
        }
    }
}

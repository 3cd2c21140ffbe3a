//! The presence of services: activity, silence, the ends of links, and violations that close a link.

use super::{Action, Moment, ServerState};
use crate::event_log::cut;
use crate::schedule::{Due, Name};
use linkspan::service::server_side::{ToService, failure_of};
use linkspan::{Error, ErrorKind, View, in_seconds};

impl ServerState {
    /// Records that a service has sent a message. Does not set the timer, which checks `last_activity` when it
    /// expires.
    pub(super) fn note_activity(&mut self, name: &Name, now: Moment) {
        let Some(service) = self.services.get_mut(name) else { return };
        (service.last_activity, service.last_seen) = (now.since, now.at);
        if service.view == View::Stale {
            service.view = View::Connected;
            self.schedule
                .set(Due::HeartbeatTimeout(name.clone()), now.since.saturating_add(self.limits.silence()));
            self.log_event(Some(name), "info", "sends messages again", now);
            self.record_changed(name, now);
        }
    }

    /// Sends a beat, at most twice per heartbeat period.
    pub(super) fn send_beat(&mut self, link: u64, now: Moment) {
        let Some(service_link) = self.links.get_mut(&link) else { return };
        let heartbeat = self.limits.heartbeat;
        let is_due = |last| now.since.saturating_sub(last).saturating_mul(2) >= heartbeat;
        if service_link.last_beat.is_none_or(is_due) {
            service_link.last_beat = Some(now.since);
            self.actions.push_back(Action::SendToService { link, message: ToService::Beat });
        }
    }

    /// Marks a service as STALE if it has sent nothing since the timer was set. Its link stays open, because it may
    /// only be busy.
    pub(super) fn heartbeat_missed(&mut self, name: &Name, now: Moment) {
        let silence = self.limits.silence();
        let Some(service) = self.services.get_mut(name).filter(|service| service.is_connected()) else {
            return;
        };
        // A message has arrived since the timer was set.
        let until = service.last_activity.saturating_add(silence);
        if until > now.since {
            return self.schedule.set(Due::HeartbeatTimeout(name.clone()), until);
        }
        service.view = View::Stale;
        let text = format!("has sent nothing for {}", in_seconds(silence));
        self.log_event(Some(name), "warning", &text, now);
        self.record_changed(name, now);
    }

    pub(super) fn service_disconnected(&mut self, name: &Name, why: &str, now: Moment) {
        if !self.detach(name, View::Disconnected, now) {
            return;
        }
        self.schedule.set(Due::Gone(name.clone()), now.since.saturating_add(self.limits.away));
        self.log_event(Some(name), "warning", &format!("has disconnected: {}", cut(why, 300)), now);
        self.record_changed(name, now);
    }

    /// Marks a service as GONE, and fails its open commands. Keeps its record for clients, up to a limit.
    pub(super) fn service_gone(&mut self, name: &Name, why: &str, now: Moment) {
        if !self.detach(name, View::Gone, now) {
            return;
        }
        self.log_event(Some(name), "info", why, now);
        self.fail_open_commands(name, now);
        self.record_changed(name, now);
        let gone = self.services.values().filter(|service| service.view == View::Gone).count();
        if gone > self.limits.gone {
            self.forget_oldest(now);
        }
    }

    /// Removes the link from a service, and cancels the timers of a connected one. Returns whether the service exists.
    fn detach(&mut self, name: &Name, view: View, now: Moment) -> bool {
        let Some(service) = self.services.get_mut(name) else { return false };
        (service.link, service.left, service.view) = (None, now.since, view);
        self.schedule.cancel(&Due::HeartbeatTimeout(name.clone()));
        self.schedule.cancel(&Due::Gone(name.clone()));
        self.cancel_sample(name);
        true
    }

    /// Reports a violation on this link as a problem of the service; of an unknown service, in the log.
    pub(super) fn report_violation(&mut self, link: u64, text: &str, now: Moment) {
        let Some(service_link) = self.links.get(&link) else { return };
        match service_link.name.clone() {
            Some(name) => self.report_problem(&name, text, now),
            None => {
                let text = format!("a peer ({}) {text}", service_link.source);
                self.log_event(None, "warning", &text, now);
            }
        }
    }

    /// Closes the link of a service that has violated the protocol. The service may reconnect.
    pub(super) fn drop_for_violation(&mut self, link: u64, text: &str, now: Moment) {
        self.report_violation(link, text, now);
        let text = format!("this service {text}; its connection is closed");
        let message = ToService::Refused(failure_of(&Error::new(ErrorKind::Malformed, text)));
        self.actions.push_back(Action::SendToService { link, message });
        let name = self.links.get(&link).and_then(|service_link| service_link.name.clone());
        self.release_link(link);
        if let Some(name) = name {
            self.service_disconnected(&name, "the controller closed its connection", now);
        }
    }

    pub(super) fn refuse_service(&mut self, link: u64, error: &Error, now: Moment) {
        // The record of the registered service has a problem if its name is in use.
        if error.kind() != ErrorKind::AddressInUse {
            let source = self.links.get(&link).map_or("", |service_link| &service_link.source);
            let text = format!("a service ({source}) was refused: {}", cut(error.text(), 300));
            self.log_event(None, "warning", &text, now);
        }
        self.actions
            .push_back(Action::SendToService { link, message: ToService::Refused(failure_of(error)) });
        self.release_link(link);
    }

    /// Removes a link, and closes it after its peer had time to read the last messages.
    pub(super) fn release_link(&mut self, link: u64) {
        self.remove_link(link);
        self.actions.push_back(Action::CloseLink { link });
    }

    pub(super) fn remove_link(&mut self, link: u64) {
        self.links.remove(&link);
        self.schedule.cancel(&Due::IntroductionTimeout(link));
    }
}

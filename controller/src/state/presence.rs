//! Whether services are there: signs of life, silence, the ends of links, and what a peer loses its link for.

use super::{Action, Moment, ServerState};
use crate::event_log::cut;
use crate::schedule::{Due, Name};
use linkspan::service::server_side::{ToService, failure_of};
use linkspan::{Error, ErrorKind, View};

impl ServerState {
    /// Any message shows that the service lives. The timer is not set anew for each: it looks at `last_activity` when it
    /// expires.
    pub(super) fn note_activity(&mut self, name: &Name, now: Moment) {
        let Some(service) = self.services.get_mut(name) else { return };
        (service.last_activity, service.last_seen) = (now.since, now.at);
        if service.view == View::Stale {
            service.view = View::Connected;
            self.schedule.set(Due::HeartbeatTimeout(name.clone()), now.since + self.limits.silence());
            self.log_event(Some(name), "info", "sends messages again", now);
            self.record_changed(name, now);
        }
    }

    /// Sends a beat, at most twice per heartbeat period.
    pub(super) fn send_beat(&mut self, link: u64, now: Moment) {
        let Some(line) = self.links.get_mut(&link) else { return };
        if line.last_reported.is_none_or(|reported| reported + self.limits.heartbeat / 2 <= now.since) {
            line.last_reported = Some(now.since);
            self.actions.push_back(Action::SendToService { link, message: ToService::Beat });
        }
    }

    /// Marks a service as STALE if it was silent since the timer was set. Its link stays: it may only be busy.
    pub(super) fn heartbeat_missed(&mut self, name: &Name, now: Moment) {
        let silence = self.limits.silence();
        let Some(service) = self.services.get_mut(name).filter(|service| service.is_connected()) else {
            return;
        };
        // A message has arrived since the timer was set.
        let until = service.last_activity + silence;
        if until > now.since {
            return self.schedule.set(Due::HeartbeatTimeout(name.clone()), until);
        }
        service.view = View::Stale;
        let text = format!("has sent nothing for {} s", silence.as_secs_f64());
        self.log_event(Some(name), "warning", &text, now);
        self.record_changed(name, now);
    }

    /// Marks a service as DISCONNECTED.
    pub(super) fn service_disconnected(&mut self, name: &Name, why: &str, now: Moment) {
        if !self.detach(name, View::Disconnected, now) {
            return;
        }
        self.schedule.set(Due::Gone(name.clone()), now.since + self.limits.away);
        self.log_event(Some(name), "warning", &format!("has disconnected: {}", cut(why, 300)), now);
        self.record_changed(name, now);
    }

    /// Marks a service as GONE, and answers its open commands. Its record stays for clients, within a limit.
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

    /// Takes the link of a service away, and what is scheduled while it has one. Returns whether there is such a service.
    fn detach(&mut self, name: &Name, view: View, now: Moment) -> bool {
        let Some(service) = self.services.get_mut(name) else { return false };
        (service.link, service.left, service.view) = (None, now.since, view);
        self.schedule.cancel(&Due::HeartbeatTimeout(name.clone()));
        self.schedule.cancel(&Due::Gone(name.clone()));
        self.cancel_sample(name);
        true
    }

    /// Reports a violation on this link, under the service's name if it is known.
    pub(super) fn report_violation(&mut self, link: u64, text: &str, now: Moment) {
        let Some(line) = self.links.get(&link) else { return };
        match line.name.clone() {
            Some(name) => self.report_problem(&name, text, now),
            None => {
                let text = format!("a peer ({}) {text}", line.source);
                self.log_event(None, "warning", &text, now);
            }
        }
    }

    /// Closes a link that violated the protocol. The service may connect again.
    pub(super) fn drop_for_violation(&mut self, link: u64, text: &str, now: Moment) {
        self.report_violation(link, text, now);
        let text = format!("this service {text}; its connection is closed");
        let message = ToService::Refused(failure_of(&Error::new(ErrorKind::Malformed, text)));
        self.actions.push_back(Action::SendToService { link, message });
        let name = self.links.get(&link).and_then(|line| line.name.clone());
        self.release_link(link);
        if let Some(name) = name {
            self.service_disconnected(&name, "the controller closed its connection", now);
        }
    }

    /// Refuses a service and closes its link.
    pub(super) fn refuse_service(&mut self, link: u64, error: &Error, now: Moment) {
        // A name that is in use is reported in the record of the registered service.
        if error.kind() != ErrorKind::AddressInUse {
            let source = self.links.get(&link).map_or("", |line| &line.source);
            let text = format!("a service ({source}) was refused: {}", cut(error.text(), 300));
            self.log_event(None, "warning", &text, now);
        }
        self.actions
            .push_back(Action::SendToService { link, message: ToService::Refused(failure_of(error)) });
        self.release_link(link);
    }

    /// Forgets a link, and closes it once its peer could read the last messages.
    pub(super) fn release_link(&mut self, link: u64) {
        self.remove_link(link);
        self.actions.push_back(Action::CloseLink { link });
    }

    pub(super) fn remove_link(&mut self, link: u64) {
        self.links.remove(&link);
        self.schedule.cancel(&Due::IntroductionTimeout(link));
    }
}

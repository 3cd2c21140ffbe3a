//! The names of a subscriber that ends before their listeners have answered: no connection follows whose numbers could
//! say what was missed.

use std::sync::Arc;

use super::{Receiver, SubscribedNames};
use crate::publish::gaps::Silent;

/// Why such a name is a gap.
const UNANSWERED: &str = "the program that has the name has not answered until then";

impl<R: Receiver> SubscribedNames<R> {
    /// Has all names without a connection tried at once, also those whose next attempt is due later.
    pub fn hasten(&self) {
        let unconnected = self.members.values().filter(|member| !member.receiver.is_connected());
        unconnected.for_each(|member| member.receiver.name_appeared());
    }

    /// Returns how many names have a listener that has not answered, or have appeared and were not asked yet.
    pub fn unanswered(&self) -> usize {
        let connecting = self.members.values().filter(|member| member.receiver.is_connecting()).count();
        connecting.saturating_add(self.appeared.len()).saturating_add(usize::from(self.is_search_due))
    }

    /// Notes that there is no connection to these.
    pub fn doubt(&self) {
        for member in self.members.values().filter(|member| member.receiver.is_connecting()) {
            let tried = member.receiver.tried();
            // Of an address that nobody answers at it is not known whether a program was there.
            let is_polled = tried.last.is_none() && tried.is_polled;
            let silent = if is_polled { Silent::Polled } else { Silent::Unknown };
            self.report.gaps.suspect(&member.name, UNANSWERED, silent);
        }
        for (endpoint, _) in &self.appeared {
            let name = Arc::from(endpoint.to_string());
            if !self.tokens.contains_key(&name) {
                self.report.gaps.suspect(&name, UNANSWERED, Silent::Unknown);
            }
        }
    }
}

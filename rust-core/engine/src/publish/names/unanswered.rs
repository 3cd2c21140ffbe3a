//! The names of a subscriber that ends before their listeners have answered. No later connection tells their missed
//! messages.

use std::sync::Arc;

use super::{Receiver, SubscribedNames};
use crate::publish::gaps::Silent;

const UNANSWERED: &str = "the program that has the name has not answered until then";

impl<R: Receiver> SubscribedNames<R> {
    /// Makes all unconnected names try at once, even if their next attempt is due later.
    pub fn hasten(&self) {
        let unconnected = self.members.values().filter(|member| !member.receiver.is_connected());
        unconnected.for_each(|member| member.receiver.name_appeared());
    }

    /// Returns the number of names whose listener has not answered or was not asked yet.
    pub fn unanswered(&self) -> usize {
        let connecting = self.members.values().filter(|member| member.receiver.is_connecting()).count();
        connecting.saturating_add(self.appeared.len()).saturating_add(usize::from(self.is_search_due))
    }

    pub fn doubt(&self) {
        for member in self.members.values().filter(|member| member.receiver.is_connecting()) {
            let tried = member.receiver.tried();
            // At a silent address, it is unknown whether a program was there.
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

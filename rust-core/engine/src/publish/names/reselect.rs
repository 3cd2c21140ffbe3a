//! Leaves and joins names after the program's selection has changed.

use std::collections::HashSet;

use super::{Receiver, SubscribedNames, fitting};
use crate::channel::event_log::EventLog;
use crate::error::Result;
use crate::sys::poll::Epoll;
use crate::transport::endpoint::Endpoint;

impl<R: Receiver> SubscribedNames<R> {
    /// Leaves the names that no longer match, and joins new ones from their newest message on.
    pub fn select_again(&mut self, epoll: &Epoll, log: &EventLog) -> Result<()> {
        let is_unwanted = |endpoint: &Endpoint| !self.selection.fits(endpoint);
        let members = self.members.iter().filter(|(_, member)| !member.is_given);
        let unwanted: Vec<u64> =
            members.filter(|(_, member)| is_unwanted(&member.endpoint)).map(|(token, _)| *token).collect();
        for token in unwanted {
            let Some(name) = self.members.get(&token).map(|member| member.name.clone()) else { continue };
            self.leave(token, epoll, log);
            self.lives.forget(&name);
            self.report.accept(&name, &mut self.refused);
        }
        let selection = &self.selection;
        let fits = |name: &str| name.parse().is_ok_and(|endpoint| selection.fits(&endpoint));
        self.left.retain(|name, _| fits(name));
        self.refused.retain(|_, refused| selection.fits(&refused.endpoint));
        self.appeared.retain(|(endpoint, resume)| resume.is_some() && selection.fits(endpoint));
        let found = fitting(&self.selection)?;
        // A name that appeared before the search is in the news, and is read from its first message.
        self.take_all_news(epoll, log)?;
        if self.is_search_due {
            return Ok(());
        }
        let new: HashSet<&Endpoint> = self.appeared.iter().map(|(endpoint, _)| endpoint).collect();
        let is_known = |endpoint: &Endpoint| {
            let name = endpoint.to_string();
            new.contains(endpoint) || self.tokens.contains_key(&*name) || self.refused.contains_key(&*name)
        };
        let joined: Vec<_> = found.iter().filter(|endpoint| !is_known(endpoint)).cloned().collect();
        self.appeared.extend(joined.into_iter().map(|endpoint| (endpoint, None)));
        Ok(())
    }
}

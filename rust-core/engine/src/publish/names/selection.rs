//! Which names a subscriber to several receives: those that fit its patterns, or those that its program wants now.

use std::collections::HashSet;

use super::{Receiver, SubscribedNames, fitting};
use crate::channel::event_log::EventLog;
use crate::error::Result;
use crate::sys::directory::Directory;
use crate::sys::poll::Epoll;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::NameDirectory;
use crate::transport::name_pattern::{NamePattern, can_fit};

/// Returns whether a program wants the messages of an endpoint now.
pub type Wanted = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Which names fit.
pub enum Selection {
    Patterns(Vec<NamePattern>),
    Wanted(Wanted),
}

impl Selection {
    /// The names that fit one of these.
    pub fn of(patterns: Vec<NamePattern>) -> Selection {
        Selection::Patterns(patterns)
    }

    /// Returns whether no name fits.
    pub fn is_empty(&self) -> bool {
        matches!(self, Selection::Patterns(patterns) if patterns.is_empty())
    }

    /// Returns whether an endpoint fits.
    pub fn fits(&self, endpoint: &Endpoint) -> bool {
        match self {
            Selection::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_like(endpoint)),
            Selection::Wanted(wanted) => can_fit(endpoint) && wanted(&endpoint.to_string()),
        }
    }

    /// Returns the directories in which names that fit may be.
    ///
    /// # Errors
    /// Those of the directories.
    pub(super) fn directories(&self) -> Result<Vec<Directory>> {
        let is_of = |folder: NameDirectory| match self {
            Selection::Patterns(patterns) => patterns.iter().any(|pattern| {
                pattern.transport().map_or(NameDirectory::Runtime, |one| one.names()) == folder
            }),
            Selection::Wanted(_) => true,
        };
        let mut directories = Vec::new();
        if is_of(NameDirectory::Runtime) || is_of(NameDirectory::RuntimeOrState) {
            directories.push(Directory::runtime()?);
        }
        if is_of(NameDirectory::State) {
            directories.push(Directory::state()?);
        }
        Ok(directories)
    }
}

impl<R: Receiver> SubscribedNames<R> {
    /// Leaves the names that fit no longer, and joins those that fit now from their newest message on.
    ///
    /// # Errors
    /// Those of the directories.
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
        // A name that is wanted again later begins with its newest message.
        let selection = &self.selection;
        let fits = |name: &str| name.parse().is_ok_and(|endpoint| selection.fits(&endpoint));
        self.left.retain(|name, _| fits(name));
        self.refused.retain(|_, refused| selection.fits(&refused.endpoint));
        self.appeared.retain(|(endpoint, resume)| resume.is_some() && selection.fits(endpoint));
        let found = fitting(&self.selection)?;
        // A name that appeared before the search is in the news, and is received from its first message.
        self.take_all_news(epoll, log)?;
        if self.is_search_due {
            return Ok(());
        }
        let new: HashSet<&Endpoint> = self.appeared.iter().map(|(endpoint, _)| endpoint).collect();
        let is_known = |endpoint: &Endpoint| {
            let name = endpoint.to_string();
            new.contains(endpoint) || self.tokens.contains_key(&*name) || self.refused.contains_key(&*name)
        };
        let known: Vec<bool> = found.iter().map(is_known).collect();
        let joined = found.into_iter().zip(known).filter(|(_, is_known)| !is_known);
        self.appeared.extend(joined.map(|(endpoint, _)| (endpoint, None)));
        Ok(())
    }
}

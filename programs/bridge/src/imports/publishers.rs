//! Publishes messages of other machines here under their numbers, and queries lost newest ones.

use std::time::Instant;

use linkspan::{Payload, Publisher, Result, Timestamp};

use super::local::{Local, Name, options};
use super::recovery::{Recovery, Step};
use super::{Imports, refusal, shown};
use crate::config::Config;
use crate::engine::{Engine, Newest, Origin, Pattern, Presence, Sample};
use crate::links::Links;
use crate::newest_numbers::NewestNumber;
use crate::status::Status;
use crate::translation::arrived;

const IN_TURN: usize = 256;

impl Imports {
    /// Publishes a remote message here. Ignores publishers that are not chosen.
    ///
    /// # Errors
    /// Errors of publishing a message of a program without Linkspan.
    pub fn sample(&mut self, sample: Sample, config: &Config, status: &mut Status) -> Result<()> {
        match sample.origin {
            Some(origin) => self.relay(sample, origin, config, status),
            None => self.publish(sample, config, status),
        }
    }

    /// Publishes a message under its own number. If its bridge kept the messages of a gap before it, it waits for
    /// them.
    fn relay(&mut self, sample: Sample, origin: Origin, config: &Config, status: &mut Status) -> Result<()> {
        self.open(&sample.name, origin.incarnation, origin.sequence, origin.kept, config, status);
        let name = self.names.get_mut(&sample.name);
        let Some(Local::Publisher { presence, last, is_kept, .. }) = name.and_then(|it| it.local.as_mut())
        else {
            return Ok(());
        };
        if presence.incarnation != origin.incarnation {
            return Ok(());
        }
        *is_kept |= origin.kept.is_some();
        let left = self.left.remove(&sample.name);
        if let Some(recovery) = self.recoveries.get_mut(&sample.name).filter(|it| it.presence == *presence) {
            recovery.hold(sample);
        } else if let Some(first) = origin.first_to_recover(*last) {
            let subscribers = left.map_or(0, |left| left.subscribers);
            let recovery = Recovery::new(presence.clone(), first, sample, subscribers);
            self.recoveries.insert(presence.name.clone(), recovery);
        } else {
            self.publish_here(sample, origin, status);
        }
        Ok(())
    }

    /// Publishes a message here. Skipped numbers count as lost; repeated ones are dropped.
    fn publish_here(&mut self, sample: Sample, origin: Origin, status: &mut Status) {
        let local = self.names.get_mut(&sample.name).and_then(|it| it.local.as_mut());
        let Some(Local::Publisher { publisher, last, .. }) = local else { return };
        let payload = Payload::from_bytes(sample.body.encoding, sample.body.bytes);
        status.touch();
        match publisher.relay_payload(origin.sequence, Timestamp(origin.sent), &payload) {
            Ok(true) => {
                status.received(&sample.name, origin.sequence.saturating_sub(*last).saturating_sub(1));
                *last = origin.sequence;
            }
            Ok(false) => status.repeated = status.repeated.saturating_add(1),
            // Its number is skipped, and subscribers get the loss with the next message.
            Err(e) => status.refuse(&sample.name, format!("a message was not published here: {e}")),
        }
    }

    pub fn recover(&mut self, links: &mut Links, status: &mut Status) {
        let names: Vec<_> = self.recoveries.keys().cloned().collect();
        for name in names {
            if let Some(mut recovery) = self.recoveries.remove(&name)
                && self.recover_one(&mut recovery, links, status)
            {
                self.recoveries.insert(name, recovery);
            }
        }
    }

    /// Continues one recovery. Returns whether to keep it.
    fn recover_one(&mut self, recovery: &mut Recovery, links: &mut Links, status: &mut Status) -> bool {
        for _ in 0..IN_TURN {
            let local = self.names.get(&recovery.presence.name).and_then(|it| it.local.as_ref());
            let Some(Local::Publisher { publisher, last, .. }) =
                local.filter(|local| local.presence() == Some(&recovery.presence))
            else {
                recovery.end(links);
                return false;
            };
            match recovery.step(*last, publisher, links) {
                Step::Publish(sample) => {
                    if let Some(origin) = sample.origin {
                        self.publish_here(sample, origin, status);
                    }
                }
                Step::Wait => return true,
                Step::Complete => return false,
            }
        }
        recovery.go_on();
        true
    }

    /// Binds the chosen presence's publisher, if it has this incarnation and no local end yet.
    ///
    /// `sequence` is its first number here, and `kept` the oldest recoverable one; subscribers do not count earlier
    /// ones as missed. A publisher that was here before continues after its last message.
    fn open(
        &mut self,
        of: &str,
        incarnation: u64,
        sequence: u64,
        kept: Option<u64>,
        config: &Config,
        status: &mut Status,
    ) {
        let Some(name) = self.names.get_mut(of).filter(|it| it.local.is_none()) else { return };
        let chosen = name.chosen().filter(|it| it.incarnation == incarnation).cloned();
        let Some(presence) = chosen.filter(|it| it.pattern == Pattern::Publish) else { return };
        let left = self.left.get(of).filter(|left| left.incarnation == incarnation);
        let first = match (left, kept) {
            (Some(left), Some(kept)) => kept.max(left.last.saturating_add(1)).min(sequence),
            _ => sequence,
        };
        match Publisher::relay(of, &options(config, &presence.machine), incarnation, first) {
            Ok(publisher) => {
                status.allow(of);
                let last = first.saturating_sub(1);
                name.local = Some(Local::Publisher { presence, publisher, last, is_kept: kept.is_some() });
                self.update_status(status);
            }
            Err(e) => status.refuse(of, refusal(&e)),
        }
    }

    /// Publishes a message of a program without Linkspan.
    ///
    /// Refuses bytes that are not a value, and a name that a machine has, because two publishers' messages would mix.
    fn publish(&mut self, sample: Sample, config: &Config, status: &mut Status) -> Result<()> {
        let body = match arrived(sample.body, config.is_json(&sample.name)) {
            Ok(body) => body,
            Err(e) => {
                status.malformed(&sample.name, &e);
                return Ok(());
            }
        };
        let name = self.names.entry(sample.name.clone()).or_default();
        if let Some(chosen) = name.chosen() {
            let engine = config.engine.name();
            let why = format!("a program of {engine} publishes there, too; {} has the name", chosen.machine);
            status.refuse(&shown(&Presence { machine: engine.into(), ..chosen.clone() }), why);
            return Ok(());
        }
        if name.local.is_none() {
            let engine = config.engine.name();
            match Publisher::new(&sample.name, &options(config, engine)) {
                Ok(publisher) => name.local = Some(Local::Foreign(publisher, engine)),
                Err(e) => {
                    self.names.remove(&sample.name);
                    status.refuse(&sample.name, refusal(&e));
                    return Ok(());
                }
            }
            status.allow(&sample.name);
            self.update_status(status);
        }
        let local = self.names.get(&sample.name).and_then(|it| it.local.as_ref());
        if let Some(Local::Foreign(publisher, _)) = local {
            publisher.send_payload(&Payload::from_bytes(body.encoding, body.bytes))?;
            status.received(&sample.name, 0);
        }
        Ok(())
    }

    pub fn ended(&mut self, name: &str, status: &mut Status) {
        if self.names.get(name).is_some_and(|it| matches!(it.local, Some(Local::Foreign(..)))) {
            self.names.remove(name);
            self.update_status(status);
        }
    }

    /// Handles the answer to the query for a publisher's newest message.
    ///
    /// # Errors
    /// Errors of `sample`.
    pub fn newest(
        &mut self,
        presence: &Presence,
        newest: Newest,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        let sequence = self.missing.answered(presence);
        match newest {
            Newest::Sample(sample) => self.sample(sample, config, status),
            Newest::None => {
                self.open(&presence.name, presence.incarnation, 1, None, config, status);
                Ok(())
            }
            // The next message, or the answer to the next query, binds the publisher.
            Newest::Unknown => {
                if self.is_missing(presence, sequence) {
                    self.missing.again(presence.clone(), sequence, Instant::now());
                }
                Ok(())
            }
        }
    }

    /// Handles a newest number from another machine; if that message does not arrive soon, it is queried.
    ///
    /// Ignores publishers that are not chosen here.
    pub fn newest_number(&mut self, machine: &str, number: &NewestNumber) {
        let NewestNumber { name, incarnation, sequence } = number;
        let chosen = self.names.get(name).and_then(Name::chosen);
        let is_it = |it: &&Presence| it.machine == machine && it.incarnation == *incarnation;
        let Some(presence) = chosen.filter(is_it).cloned() else { return };
        if self.is_missing(&presence, *sequence) {
            self.missing.add(presence, *sequence, Instant::now());
        }
    }

    /// Returns whether a presence's message with this number, or its local publisher, is still missing.
    ///
    /// Returns false if another presence is chosen.
    fn is_missing(&self, presence: &Presence, sequence: u64) -> bool {
        let Some(name) = self.names.get(&presence.name) else { return false };
        let is_chosen = name.chosen() == Some(presence) && presence.pattern == Pattern::Publish;
        is_chosen
            && match &name.local {
                Some(Local::Publisher { last, .. }) => *last < sequence,
                Some(_) => false,
                None => true,
            }
    }

    /// Queries lost newest messages.
    ///
    /// # Errors
    /// Errors of the engine's query.
    pub fn query_missing(&mut self, engine: &dyn Engine) -> Result<()> {
        if self.missing.deadline().is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let mut missing = std::mem::take(&mut self.missing);
        let due = missing.due(Instant::now(), |presence, sequence| self.is_missing(presence, sequence));
        self.missing = missing;
        due.iter().try_for_each(|presence| engine.newest(presence))
    }
}

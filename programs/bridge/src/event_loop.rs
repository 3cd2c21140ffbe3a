//! The event loop: one thread waits for local names, the engine, commands and timers.
//!
//! `run` lives as long as the program. It calls `carry` for each session with the engine. A pause, a change of the
//! revoked certificates and the program's end each end a session, and all its exports and imports.
//!
//! A turn of the loop has this order:
//!
//! 1. Publish the status, if it has changed and the last time is long enough ago.
//! 2. Wait for a descriptor or the earliest timer.
//! 3. Pump exports and imports with ready descriptors; only mark links and streams.
//! 4. Take the inbox, which the engine's threads fill.
//! 5. Work on journals, links, timers of requests and repeated messages.
//! 6. If a name may have been created or removed, ask a thread to list this machine's names again.
//!
//! The loop waits for no program. Threads list names and connect to servers, and wake the loop through the inbox.
//! Connections to publishers are completed when their descriptors are ready.
//!
//! Each step handles a bounded number of messages per name, to prevent one name from delaying others.
//!
//! The status records problems with single names, and the loop continues. Errors of the engine, the service and the
//! directory listing end the program.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, Result, Value, registry, wait_any};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::clocks::{Clocks, Schedule, after};
use crate::config::{Config, is_journal};
use crate::directory::Watch;
use crate::engine::{Arrival, Engine, Pattern, Presence, Sample};
use crate::engines;
use crate::exports::Exports;
use crate::imports::Imports;
use crate::inbox::Inbox;
use crate::journals::Journals;
use crate::links::Links;
use crate::lookout::Lookout;
use crate::replays::Replays;
use crate::revocations::Revocations;
use crate::service::{LoopTask, Service};
use crate::status::{Shown, Status};

/// How often a name that a local program holds is tried again. A killed program leaves its file, which inotify does
/// not report.
const RETRY: Duration = Duration::from_secs(1);

/// How long the loop continues after its last answer to a remote controller, to let the answer leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// The approximate number of descriptors per name, with some subscribers or callers.
const DESCRIPTORS: usize = 16;
const NAMES: usize = 10_000;

/// Carries names until a command or a signal ends the program.
///
/// # Errors
/// Errors of starting the service, of opening the engine, and of the loop. The controller gets the error too.
pub fn run(config: &Config) -> Result<()> {
    let machine = config.machine()?;
    let description = format!("carries names of realm {} as {machine}", config.realm);
    let service = Service::start(&config.service, description)?;
    carry_until_end(config, &service).inspect_err(|error| service.fail(error))
}

fn carry_until_end(config: &Config, service: &Service) -> Result<()> {
    let (mut status, mut shown) = (Status::default(), Shown::new(&config.status)?);
    (status.connect, status.listen) = config.addresses();
    loop {
        let mut loop_task = carry(config, service, &mut status, &mut shown)?;
        // The session has ended, and all exports and imports with it.
        status.clear();
        if let LoopTask::Again = loop_task {
            status.note("warning", "certificates were revoked: every machine is met anew");
            continue;
        }
        // The task is done after the names are gone and the published status shows it.
        if let LoopTask::Pause(task) = loop_task {
            status.note("info", "paused: no name is carried");
            service.report(&mut status);
            shown.show_now(&mut status)?;
            task.done(&Value::Null)?;
            match service.wait_for_run(&status)? {
                Some(end) => loop_task = end,
                None => continue,
            }
        }
        if let LoopTask::End(Some(task)) = loop_task {
            task.done(&Value::Null)?;
        }
        return Ok(());
    }
}

/// Carries names in one session with the engine until a command must end it.
///
/// On return, every name is withdrawn, because the exports, imports and engine are dropped.
fn carry(config: &Config, service: &Service, status: &mut Status, shown: &mut Shown) -> Result<LoopTask> {
    let (inbox, watch) = (Inbox::new()?, Watch::new()?);
    // Before opening the engine: a change of the list in between counts as a change.
    let revocations = Revocations::watch(config, &watch, status)?;
    let engine = engines::open(config, &inbox)?;
    for pattern in config.import.iter().filter(|pattern| !is_journal(pattern)) {
        engine.import(pattern)?;
    }
    // Journals are in the state directory instead of the runtime directory.
    if config.export.iter().any(|pattern| is_journal(pattern)) {
        watch.also_names(&registry::state_directory()?)?;
    }
    let clocks = Clocks::default();
    let mut bridge = Bridge {
        config,
        engine: &*engine,
        exports: Exports::new(inbox.clone()),
        lookout: Lookout::start(inbox.clone())?,
        imports: Imports::new(inbox.clone(), clocks.clone(), config),
        links: Links::new(engine.id(), config.machine()?, inbox.clone(), clocks),
        clock: Schedule::default(),
        journals: Journals::new(inbox.clone()),
        replays: Replays::default(),
        status,
        shown,
        looked: Instant::now(),
        is_told: false,
        ends: None,
        most: most_names(config),
    };
    bridge.status.touch();
    bridge.look_around()?;
    let text = format!("carries names of realm {} as {}", config.realm, config.machine()?);
    bridge.status.note("info", text);
    let mut is_called = true;
    loop {
        let carries_control = bridge.imports.has_controller(service.controller());
        if is_called && let Some(loop_task) = service.next_loop_task(bridge.status, carries_control)? {
            let LoopTask::End(Some(task)) = loop_task else { return Ok(loop_task) };
            if !carries_control {
                return Ok(LoopTask::End(Some(task)));
            }
            // The answer travels through this bridge to the controller, so the links must work a little longer.
            task.done(&Value::Null)?;
            let until = after(Instant::now(), FAREWELL);
            while Instant::now() < until {
                bridge.ends = Some(until);
                bridge.turn(&inbox, &watch, service)?;
            }
            return Ok(LoopTask::End(None));
        }
        service.report(bridge.status);
        is_called = bridge.turn(&inbox, &watch, service)?;
        // Read only after an event of the watch, because reading in every turn would cost a system call per message.
        if bridge.is_told && revocations.as_ref().is_some_and(|it| it.has_changed(bridge.status)) {
            return Ok(LoopTask::Again);
        }
    }
}

/// Returns how many names one machine may have here: its share of this process's descriptors.
///
/// One machine must not use up the others' descriptors. Raises the soft limit to the hard limit first.
fn most_names(config: &Config) -> usize {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    // If it cannot be raised, there are fewer names.
    let _ = setrlimit(Resource::Nofile, limits);
    let open =
        getrlimit(Resource::Nofile).current.map_or(1 << 20, |it| usize::try_from(it).unwrap_or(1 << 20));
    let each = (open / DESCRIPTORS).checked_div(config.machines.len()).unwrap_or(open / DESCRIPTORS);
    each.clamp(16, NAMES)
}

struct Bridge<'a> {
    config: &'a Config,
    engine: &'a dyn Engine,
    exports: Exports,
    imports: Imports,
    links: Links,
    journals: Journals,
    replays: Replays,
    clock: Schedule,
    status: &'a mut Status,
    shown: &'a mut Shown,
    lookout: Lookout,
    looked: Instant,
    is_told: bool,
    ends: Option<Instant>,
    most: usize,
}

impl Bridge<'_> {
    /// Waits once and handles everything that is ready. Returns whether the service has a command.
    fn turn(&mut self, inbox: &Inbox, watch: &Watch, service: &Service) -> Result<bool> {
        let pause = self.shown.show(self.status)?;
        let (attempt, silent) = (self.exports.next_attempt(), self.exports.next_silent());
        let next = self.exports.deadline().into_iter().chain(attempt).chain(silent);
        let next = next.chain(self.links.deadline());
        let next = next.chain(self.imports.deadline()).chain(self.clock.next());
        let next = next.chain(self.journals.deadline(&self.links)).chain(self.replays.deadline(&self.links));
        let next = next.min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        let blocked =
            self.imports.is_blocked(self.status).then(|| RETRY.saturating_sub(self.looked.elapsed()));
        let ends = self.ends.map(|at| at.saturating_duration_since(Instant::now()));
        let pause = [pause, left, blocked, ends].into_iter().flatten().min();
        // The order of descriptors, for mapping indices back: service, inbox, watch, exports, imports, links, journal
        // streams.
        let exported: Vec<_> = self.exports.descriptors().collect();
        let imported: Vec<_> = self.imports.descriptors().collect();
        let (linked, linked_descriptors): (Vec<_>, Vec<_>) = self.links.descriptors().unzip();
        let (read, read_descriptors): (Vec<_>, Vec<_>) = self.journals.descriptors().unzip();
        let fixed: [BorrowedFd<'_>; 3] = [service.as_fd(), inbox.as_fd(), watch.as_fd()];
        let named = exported.iter().chain(&imported).map(|(_, descriptor)| descriptor.as_fd());
        let links = linked_descriptors.iter().chain(&read_descriptors).map(|descriptor| descriptor.as_fd());
        let descriptors: Vec<_> = fixed.into_iter().chain(named).chain(links).collect();
        let ready = match wait_any(&descriptors, pause) {
            // A timer or a signal: the steps below check their deadlines.
            Err(e) if matches!(e.kind(), ErrorKind::Timeout | ErrorKind::Interrupted) => Vec::new(),
            ready => ready?,
        };
        let of = |from: usize, names: &[(&str, _)]| -> Vec<String> {
            let place = |at: &usize| at.checked_sub(from).and_then(|at| names.get(at));
            ready.iter().filter_map(place).map(|(name, _)| (*name).to_owned()).collect()
        };
        let second = exported.len().saturating_add(3);
        let (out, asking) = (of(3, &exported), of(second, &imported));
        let first = second.saturating_add(imported.len());
        let woken: Vec<_> =
            ready.iter().filter_map(|at| linked.get(at.checked_sub(first)?)).copied().collect();
        let first = first.saturating_add(linked.len());
        let written: Vec<_> =
            ready.iter().filter_map(|at| read.get(at.checked_sub(first)?)).copied().collect();
        self.is_told = ready.contains(&2) && watch.drain();
        let mut look = self.is_told || blocked.is_some_and(|left| left.is_zero());
        look |= attempt.is_some_and(|at| at <= Instant::now());
        if silent.is_some_and(|at| at <= Instant::now()) {
            self.exports.show_silent(self.status);
        }
        for name in out {
            look |= self.exports.pump(&name, self.config, self.engine, self.status)?;
        }
        for name in asking {
            self.imports.pump(&name, self.engine, &mut self.links, self.config, self.status)?;
        }
        // Only marked here, and worked on after the packets that may have arrived for them.
        for link in woken {
            self.links.wake(link);
        }
        for stream in written {
            self.journals.wake(stream);
        }
        if ready.contains(&1) {
            for arrival in inbox.take() {
                self.take(arrival)?;
            }
            for (machine, number) in self.links.take_newest() {
                self.imports.newest_number(&machine, &number);
            }
            for withdrawn in self.links.take_withdrawn() {
                self.exports.withdraw(withdrawn, self.status);
            }
            self.status.dropped = inbox.dropped();
            look |= self.exports.take_joined(self.config, self.engine, self.status)?;
            self.take_listed()?;
            // A channel's listener did not answer: its program may have been killed, which leaves its name.
            look |= self.links.take_answers();
        }
        for opened in self.links.take_opened() {
            match is_journal(&opened.name) {
                true => self.journals.opened(opened, &mut self.links, self.config)?,
                false => self.replays.opened(opened, &self.exports, &mut self.links, self.config),
            }
        }
        look |= self.journals.work(&mut self.links, self.status)?;
        self.replays.work(&self.exports, &mut self.links);
        self.imports.recover(&mut self.links, self.status);
        self.links.work(self.engine, self.status)?;
        self.exports.expire(self.status);
        self.imports.take_anew(self.config, self.engine, self.status);
        self.imports.drop_given_up();
        self.imports.repeat(self.config, self.engine)?;
        self.imports.query_missing(self.engine)?;
        let numbers = self.exports.newest_numbers();
        self.links.send_newest(&numbers, |name, machine| self.config.gives(name, machine), self.engine)?;
        // Other machines need this clock only for deadlines of requests to this machine's servers.
        if self.clock.is_due(self.exports.has_servers() && self.links.has_bridges()) {
            self.links.send_clocks(self.engine)?;
        }
        if look {
            self.look_around()?;
        }
        Ok(ready.contains(&0))
    }

    /// Requests a listing of this machine's names, and retries imports, whose names may be free now.
    ///
    /// Exports are updated when the listing is ready.
    fn look_around(&mut self) -> Result<()> {
        self.looked = Instant::now();
        if !self.config.export.is_empty() {
            self.lookout.ask();
        }
        self.journals.retry();
        self.imports.retry(self.config, self.engine, self.status)
    }

    fn take_listed(&mut self) -> Result<()> {
        let Some(listed) = self.lookout.take()? else { return Ok(()) };
        self.exports.update(&listed, self.config, self.engine, self.status)?;
        self.journals.update(&listed, self.config, self.engine, self.status)
    }

    /// Handles one item of the inbox.
    ///
    /// Drops presences and samples of names that are not imported, that an engine sends back, or that exceed their
    /// machine's limit.
    fn take(&mut self, arrival: Arrival) -> Result<()> {
        let Bridge { config, engine, imports, exports, links, journals, status, most, .. } = self;
        match arrival {
            Arrival::Appeared(presence) if presence.pattern == Pattern::Journal => {
                // A remote presence may falsely claim to be a journal.
                let is_wanted = is_journal(&presence.name) && config.imports(&presence.name);
                if is_wanted && !journals.has(&presence) {
                    journals.appeared(presence, status);
                }
                Ok(())
            }
            Arrival::Gone(presence) if presence.pattern == Pattern::Journal => {
                journals.gone(&presence, links, status);
                Ok(())
            }
            Arrival::Appeared(presence) if exports.has(&presence) || !config.imports(&presence.name) => {
                Ok(())
            }
            Arrival::Appeared(Presence { ref name, ref machine, .. })
                if let Some(why) = imports.surplus(name, machine, *most) =>
            {
                status.refuse(name, why);
                Ok(())
            }
            Arrival::Appeared(presence) => imports.appeared(presence, config, *engine, status),
            Arrival::Gone(presence) => imports.gone(&presence, config, *engine, status),
            // A sample without an origin comes from a program without Linkspan, which has no presence. Its first
            // sample creates the name, so the limit applies here.
            Arrival::Sample(Sample { ref name, origin: None, .. })
                if config.imports(name)
                    && let Some(why) = imports.surplus(name, config.engine.name(), *most) =>
            {
                status.refuse(name, why);
                Ok(())
            }
            Arrival::Sample(sample) if config.imports(&sample.name) => {
                if let Some(origin) = sample.origin {
                    status.look_at_clock(&sample.name, origin.sent);
                }
                imports.sample(sample, config, status)
            }
            Arrival::Sample(_) => Ok(()),
            Arrival::Newest(presence, newest) => imports.newest(&presence, newest, config, status),
            Arrival::Ended(name) => {
                imports.ended(&name, status);
                Ok(())
            }
            Arrival::BridgeAppeared(bridge) => {
                if bridge.machine != links.machine() {
                    status.meet(&bridge.machine, true);
                }
                links.bridge_appeared(bridge, *engine)
            }
            Arrival::BridgeGone(bridge) => {
                if bridge.machine != links.machine() {
                    status.meet(&bridge.machine, false);
                }
                links.bridge_gone(bridge.id);
                Ok(())
            }
            Arrival::Packet(machine, bytes) => {
                // The engine's access control does not see names in links, so they are checked here.
                let channel = |name: &str| exports.channel(name).filter(|_| config.gives(name, &machine));
                match links.take(&machine, &bytes, *engine, channel)? {
                    // That machine's clock is known now; its servers have waited for it.
                    true => imports.retry(config, *engine, status),
                    false => Ok(()),
                }
            }
            Arrival::Refused(name, why) => {
                status.too_large(&name, &why);
                Ok(())
            }
            Arrival::Malformed(name, why) => {
                status.malformed(&name, &why);
                Ok(())
            }
            Arrival::Note(level, text) => {
                status.note(level, text);
                Ok(())
            }
            Arrival::Request(name, call, respond) => {
                match exports.request(&name, call, respond, config, status) {
                    // The server may have ended.
                    true => self.look_around(),
                    false => Ok(()),
                }
            }
        }
    }
}

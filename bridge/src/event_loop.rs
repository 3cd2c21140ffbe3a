//! The loop that everything goes through: one thread waits for the names here, for the engine and for the end.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Result, registry, wait_any};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::config::Config;
use crate::directory::Watch;
use crate::engine::zenoh::Zenoh;
use crate::engine::{Arrival, Engine};
use crate::exports::Exports;
use crate::imports::Imports;
use crate::inbox::Inbox;
use crate::status::{Shown, Status};

/// How often it is looked whether a name is free that a program of this machine had: where that was killed, nothing tells.
const RETRY: Duration = Duration::from_secs(1);

/// Carries names until a signal asks it to end.
pub fn run(config: &Config) -> Result<()> {
    let stop = stop_on_signals()?;
    let (inbox, watch) = (Inbox::new()?, Watch::new()?);
    let shown = Shown::new(&config.status)?;
    let engine = Zenoh::open(config, &inbox)?;
    for pattern in &config.import {
        engine.import(pattern)?;
    }
    let mut bridge = Bridge {
        config,
        engine: &engine,
        exports: Exports::default(),
        imports: Imports::default(),
        status: Status::default(),
        shown,
        looked: Instant::now(),
    };
    bridge.status.touch();
    bridge.look_around()?;
    eprintln!("linkspan-bridge: carries names of realm {} as {}", config.realm, config.machine()?);
    while !has_ended(&stop)? {
        bridge.turn(&inbox, &watch, &stop)?;
    }
    Ok(())
}

struct Bridge<'a> {
    config: &'a Config,
    engine: &'a dyn Engine,
    exports: Exports,
    imports: Imports,
    status: Status,
    shown: Shown,
    looked: Instant,
}

impl Bridge<'_> {
    /// One wait, and all that it brought.
    fn turn(&mut self, inbox: &Inbox, watch: &Watch, stop: &UnixStream) -> Result<()> {
        let pause = self.shown.show(&mut self.status)?;
        let left = self.exports.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let blocked =
            self.imports.is_blocked(&self.status).then(|| RETRY.saturating_sub(self.looked.elapsed()));
        let pause =
            [pause, left, blocked].into_iter().flatten().min().map(|it| it.max(Duration::from_millis(1)));
        let exported: Vec<_> = self.exports.descriptors().collect();
        let imported: Vec<_> = self.imports.descriptors().collect();
        let fixed: [BorrowedFd<'_>; 3] = [stop.as_fd(), inbox.as_fd(), watch.as_fd()];
        let named = exported.iter().chain(&imported).map(|(_, descriptor)| descriptor.as_fd());
        let descriptors: Vec<_> = fixed.into_iter().chain(named).collect();
        let ready = match wait_any(&descriptors, pause) {
            Err(e) if matches!(e.kind(), ErrorKind::Timeout | ErrorKind::Interrupted) => Vec::new(),
            ready => ready?,
        };
        let of = |from: usize, names: &[(&str, _)]| -> Vec<String> {
            let place = |at: &usize| at.checked_sub(from).and_then(|at| names.get(at));
            ready.iter().filter_map(place).map(|(name, _)| (*name).to_owned()).collect()
        };
        let (out, asking) = (of(3, &exported), of(3 + exported.len(), &imported));
        let mut look = ready.contains(&2) && watch.drain() || blocked.is_some_and(|left| left.is_zero());
        for name in out {
            look |= self.exports.pump(&name, self.engine, &mut self.status)?;
        }
        for name in asking {
            self.imports.pump(&name, self.engine, &mut self.status)?;
        }
        if ready.contains(&1) {
            for arrival in inbox.take() {
                self.take(arrival)?;
            }
            self.status.dropped = inbox.dropped();
        }
        self.exports.expire();
        if look { self.look_around() } else { Ok(()) }
    }

    /// Lists the names of this machine again, and updates exports and imports.
    fn look_around(&mut self) -> Result<()> {
        self.looked = Instant::now();
        if !self.config.export.is_empty() {
            let listed = registry::list()?;
            self.exports.update(&listed, self.config, self.engine, &mut self.status)?;
        }
        self.imports.retry(self.config, self.engine, &mut self.status)
    }

    fn take(&mut self, arrival: Arrival) -> Result<()> {
        let Bridge { config, engine, imports, exports, status, .. } = self;
        match arrival {
            Arrival::Appeared(presence) if exports.has(&presence) || !config.imports(&presence.name) => {
                Ok(())
            }
            Arrival::Appeared(presence) => imports.appeared(presence, config, *engine, status),
            Arrival::Gone(presence) => imports.gone(&presence, config, *engine, status),
            Arrival::Sample(sample) if config.imports(&sample.name) => imports.sample(sample, config, status),
            Arrival::Sample(_) => Ok(()),
            Arrival::Newest(presence, newest) => imports.newest(&presence, newest, config, status),
            Arrival::Ended(name) => {
                imports.ended(&name, status);
                Ok(())
            }
            Arrival::Request(name, body, respond) => {
                exports.request(&name, body, respond, config, status);
                Ok(())
            }
        }
    }
}

fn os(doing: &str) -> impl Fn(std::io::Error) -> Error {
    move |e| Error::os(doing, e.raw_os_error().unwrap_or(0))
}

/// A socket that is readable once a signal has asked for the end.
fn stop_on_signals() -> Result<UnixStream> {
    let install = || {
        let (stop, writer) = UnixStream::pair()?;
        stop.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM] {
            pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(stop)
    };
    install().map_err(os("watching for signals"))
}

fn has_ended(mut stop: &UnixStream) -> Result<bool> {
    match stop.read(&mut [0]) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
        Err(e) => Err(os("reading what signals came")(e)),
    }
}

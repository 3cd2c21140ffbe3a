//! The transports of this build, one line each. Nothing else in the core lists them.
//!
//! A name without a transport belongs to the first line. `kind`, `endpoint` and every layer above find a
//! transport through this table, so a build can omit a transport without another change.

#[cfg(debug_assertions)]
use std::sync::OnceLock;

use super::capability::Capabilities;
use super::connectionless::ConnectionlessDriver;
use super::driver::{ConnectionDriver, Driver};
use super::endpoint::Endpoint;
use super::kind::Transport;
use super::{dgram, fifo, file, journal, shm, spool, tcp, unix};
use crate::error::Result;

static DRIVERS: &[&dyn Driver] = &[
    &shm::Shm,
    &unix::Unix,
    &dgram::Dgram,
    &tcp::Tcp,
    &fifo::Fifo,
    &spool::Spool,
    &file::File,
    &journal::Journal,
];

/// A driver that tests of `linkspan` add to the table.
#[cfg(debug_assertions)]
static ADDED: OnceLock<&dyn Driver> = OnceLock::new();

/// Adds one more driver to the table of this process, if none was added before.
///
/// Only in debug builds, for the tests of `linkspan`.
#[cfg(debug_assertions)]
pub fn add_for_tests(driver: &'static dyn Driver) {
    ADDED.get_or_init(|| driver);
}

/// Iterates over the drivers of this build.
pub fn drivers() -> impl Iterator<Item = &'static dyn Driver> {
    let drivers = DRIVERS.iter();
    #[cfg(debug_assertions)]
    let drivers = drivers.chain(ADDED.get());
    drivers.copied()
}

/// Returns the driver of a name without a transport: shared memory.
pub(crate) fn default_driver() -> &'static dyn Driver {
    DRIVERS[0]
}

impl Transport {
    /// Iterates over the transports of this build.
    pub fn all() -> impl Iterator<Item = Transport> {
        drivers().map(|driver| Transport::of(driver.kind()))
    }

    /// Returns the transports with these capabilities, for an error: "shm:, unix: and tcp:".
    pub fn having(can: impl Fn(&Capabilities) -> bool) -> String {
        let all = Transport::all().filter(|one| can(one.capabilities()));
        let all: Vec<_> = all.map(|one| format!("{}:", one.name())).collect();
        match all.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            _ => all.concat(),
        }
    }

    /// Returns the transport with this word before the colon.
    pub(crate) fn named(name: &str) -> Option<Transport> {
        Transport::all().find(|transport| transport.name() == name)
    }

    pub(crate) fn default_transport() -> Transport {
        Transport::of(default_driver().kind())
    }

    /// Returns the implementation of this transport.
    pub fn driver(self) -> &'static dyn Driver {
        drivers().find(|driver| driver.kind().name == self.name()).unwrap_or_else(default_driver)
    }

    /// Returns the part that connects two sides with a hello.
    ///
    /// # Errors
    /// `TransportUnavailable` if the transport is connectionless or a store.
    pub fn connections(self) -> Result<&'static dyn ConnectionDriver> {
        self.driver().connections().ok_or_else(|| self.unavailable())
    }

    /// Returns the part that opens a link to a place.
    ///
    /// # Errors
    /// `TransportUnavailable` if its links begin with a hello.
    pub fn connectionless(self) -> Result<&'static dyn ConnectionlessDriver> {
        self.driver().connectionless().ok_or_else(|| self.unavailable())
    }
}

/// Returns whether this process can listen at an endpoint. It cannot at another machine's address.
///
/// # Errors
/// The errors of resolving a host name.
pub fn can_listen(endpoint: &Endpoint) -> Result<bool> {
    endpoint.transport().driver().connections().map_or(Ok(true), |driver| driver.can_listen(endpoint))
}

/// Returns the name that a file belongs to: `lab.fifo` for `lab.fifo.reply`, by default the file itself.
pub fn name_of(file: &str) -> &str {
    drivers().find_map(|driver| driver.name_of(file)).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_transport_supports_a_pattern_and_gives_reasons_against_the_others() {
        for transport in Transport::all() {
            let can = transport.capabilities();
            assert!(can.channel || can.request || can.publish, "{transport:?}");
            assert!(can.because.contains("use ") || can.because.contains("publish to it"), "{transport:?}");
            let error = transport.require(false, "the option x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.text().contains("the option x") && error.text().contains(can.because), "{error}");
        }
    }

    #[test]
    fn documents_have_the_table() {
        let rows = Transport::all().map(|transport| {
            let can = transport.capabilities();
            let all = [
                can.channel,
                can.request,
                can.publish,
                can.replies,
                can.sessions,
                can.keeps,
                can.durable,
                can.allow_lists,
                can.framing,
                can.cuts,
                can.many_peers,
            ];
            let mut row = [const { String::new() }; 12];
            row[0] = format!("`{}:`", transport.name());
            for (cell, can) in row[1..].iter_mut().zip(all) {
                if can {
                    *cell = "yes".into()
                }
            }
            row
        });
        let head = [
            "transport",
            "channel",
            "request",
            "publish",
            "replies",
            "sessions",
            "keeps",
            "durable",
            "allow lists",
            "framing",
            "cuts",
            "many peers",
        ];
        crate::documents::check("capabilities", &crate::documents::table(head, rows));
    }
}

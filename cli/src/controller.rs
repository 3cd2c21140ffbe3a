//! `linkspan controller`: what services dial, and what is asked about them.

use std::thread;

use clap::Args;
use linkspan::service::{Hub, HubOptions};
use linkspan::{Error, ErrorKind, Timeout, registry};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::display;
use crate::ending::{self, Ending};
use crate::stop::Stop;

/// `linkspan controller`
#[derive(Args, Debug)]
pub struct Asked {
    /// Listen here, any number of times; left out, at unix:controller and tcp://127.0.0.1:17170
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// Listen at unix:controller alone
    #[arg(long, conflicts_with = "listen")]
    pub no_tcp: bool,
    /// Do not say where it listens
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs it until a signal. SIGTERM is how a controller ends in good order: that is no error.
pub fn controller(asked: &Asked, stop: &Stop) -> Result<(), Ending> {
    let mut options = HubOptions::default();
    options.tcp = !asked.no_tcp;
    // The program has its own.
    options.handle_signals = false;
    let mut hub = Hub::listen(&asked.listen, &options).map_err(with_owner)?;
    if !asked.quiet {
        for endpoint in hub.endpoints() {
            ending::note(&format!("the controller listens at {endpoint}"));
        }
    }
    let bell =
        stop.bell().try_clone_to_owned().map_err(|e| Ending::Stream(format!("watching for signals: {e}")))?;
    let stopper = hub.stopper();
    // Whichever thread gets the signal, the loop hears of it; this one ends with the process.
    thread::spawn(move || {
        while let Err(Errno::INTR) = poll(&mut [PollFd::new(&bell, PollFlags::IN)], None) {}
        stopper.stop();
    });
    hub.run(Timeout::Forever)?;
    hub.close();
    match stop.signal() {
        Some(signal) if i32::from(signal) == signal_hook::consts::SIGINT => Ok(stop.check()?),
        _ => Ok(()),
    }
}

/// An error because of somebody else at a name says who that is, where it can be known.
fn with_owner(error: Error) -> Error {
    let named = error.endpoint().filter(|_| error.kind() == ErrorKind::AddressInUse).map(str::to_owned);
    let Some(endpoint) = named else { return error };
    // Who cannot be listed is not named: the error stays what it is.
    let listed = registry::list().unwrap_or_default().into_iter().find(|listed| listed.endpoint == endpoint);
    let Some(pid) = listed.as_ref().and_then(|listed| listed.pid) else { return error };
    let program = listed.and_then(|listed| listed.program).unwrap_or_else(|| "a program".to_owned());
    let text = format!(
        "{} with process {pid} listens there: end it first, or listen at another name with --listen",
        display::escaped(&program, false)
    );
    Error::new(ErrorKind::AddressInUse, text).on(endpoint)
}

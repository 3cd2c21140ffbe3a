//! `linkspan controller`: what services dial, and what is asked about them.

use std::io::{IsTerminal, stdout};
use std::thread;

use clap::Args;
use linkspan::service::{Hub, HubOptions};
use linkspan::{Error, ErrorKind, Timeout, registry};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::display;
use crate::ending::{self, Ending};
use crate::http;
use crate::output;
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
    /// Serve a page for browsers at this address of loopback and port, such as 127.0.0.1:8017; it opens with a token that is
    /// made anew each time
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<String>,
    /// Let --http be another address than loopback: whoever is on the way then reads all of it, the token too
    #[arg(long, requires = "http")]
    pub http_allow_remote: bool,
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
    let page = asked.http.as_deref().map(|address| page(address, asked, &hub)).transpose()?;
    let bell =
        stop.bell().try_clone_to_owned().map_err(|e| Ending::Stream(format!("watching for signals: {e}")))?;
    let stopper = hub.stopper();
    // Whichever thread gets the signal, the loop hears of it; this one ends with the process.
    thread::spawn(move || {
        while let Err(Errno::INTR) = poll(&mut [PollFd::new(&bell, PollFlags::IN)], None) {}
        stopper.stop();
    });
    hub.run(Timeout::Forever)?;
    drop(page);
    hub.close();
    match stop.signal() {
        Some(signal) if i32::from(signal) == signal_hook::consts::SIGINT => Ok(stop.check()?),
        _ => Ok(()),
    }
}

/// Serves the page, and says where it is. Its address is a key: it is shown to whoever sits there, and to no log.
fn page(address: &str, asked: &Asked, hub: &Hub) -> Result<http::Running, Ending> {
    let endpoints = hub.endpoints();
    // Over a local socket there is no token to be read first, and no name to be looked up.
    let local = endpoints.iter().find(|endpoint| endpoint.starts_with("unix:")).or(endpoints.first());
    let Some(controller) = local else {
        let text = "the page asks the controller at one of its own endpoints, and it has none";
        return Err(Error::new(ErrorKind::InvalidState, text).into());
    };
    let page = http::start(&http::Settings {
        address: address.to_owned(),
        allow_remote: asked.http_allow_remote,
        controller: controller.clone(),
    })?;
    if stdout().is_terminal() {
        output::write(format!("the page is at {}\n", page.address()).as_bytes())?;
    } else if !asked.quiet {
        ending::note(&format!(
            "the page is at {}; its whole address is in {}",
            page.host(),
            page.file().display()
        ));
    }
    Ok(page)
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

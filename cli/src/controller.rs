//! `linkspan controller`: what services dial, and what is asked about them.

#[cfg(feature = "web")]
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::thread;

use clap::Args;
use linkspan::service::{ControllerServer, ControllerServerOptions};
use linkspan::{Error, ErrorKind, Timeout, registry};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::display;
use crate::exit::Exit;
#[cfg(feature = "web")]
use crate::http;
#[cfg(feature = "web")]
use crate::output;
use crate::signals::Signals;
use crate::stderr;

/// `linkspan controller`
#[derive(Args, Debug)]
pub struct Asked {
    /// Listen here, any number of times; left out, at unix:controller and, where that port is free, tcp://127.0.0.1:17170
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// Listen at unix:controller alone
    #[arg(long, conflicts_with = "listen")]
    pub no_tcp: bool,
    /// Serve a page for browsers at this address of loopback and port, such as 127.0.0.1:8017; it opens with a token that is
    /// made anew each time, unless --http-token keeps it
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<String>,
    /// Let --http be another address than loopback: whoever is on the way then reads all of it, the token too
    #[arg(long, requires = "http")]
    pub http_allow_remote: bool,
    /// Keep the page's token in this file, so that it survives a restart; it is made with mode 0600 where there is none
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_token: Option<PathBuf>,
    /// Let the token in this file read the page, its interface and /metrics, and command nothing; made like that of --http-token
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_read_token: Option<PathBuf>,
    /// Do not say where it listens
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs it until a signal. SIGTERM is how a controller ends in good order: that is no error.
pub fn controller(asked: &Asked, signals: &Signals) -> Result<(), Exit> {
    let mut options = ControllerServerOptions::default();
    options.tcp = !asked.no_tcp;
    // The program has its own.
    options.handle_signals = false;
    let mut server = listen(asked, &mut options)?;
    if !asked.quiet {
        for endpoint in server.endpoints() {
            stderr::print_note(&format!("the controller listens at {endpoint}"));
        }
    }
    #[cfg(feature = "web")]
    let page = asked.http.as_deref().map(|address| page(address, asked, &server)).transpose()?;
    #[cfg(not(feature = "web"))]
    if asked.http.is_some() {
        return Err(crate::features::missing("the page of --http", "web", "").into());
    }
    let waker =
        signals.fd().try_clone_to_owned().map_err(|e| Exit::Io(format!("watching for signals: {e}")))?;
    let stopper = server.stopper();
    // Whichever thread gets the signal, the loop hears of it; this one ends with the process.
    thread::spawn(move || {
        while let Err(Errno::INTR) = poll(&mut [PollFd::new(&waker, PollFlags::IN)], None) {}
        stopper.stop();
    });
    server.run(Timeout::Forever)?;
    #[cfg(feature = "web")]
    drop(page);
    server.close();
    match signals.signal() {
        Some(signal) if i32::from(signal) == signal_hook::consts::SIGINT => Ok(signals.check()?),
        _ => Ok(()),
    }
}

/// Listens. The port of TCP is one for the whole machine: where nobody asked for it and another user's controller has it, this
/// one does without.
fn listen(asked: &Asked, options: &mut ControllerServerOptions) -> Result<ControllerServer, Exit> {
    match ControllerServer::listen(&asked.listen, options) {
        Err(error)
            if asked.listen.is_empty()
                && options.tcp
                && error.kind() == ErrorKind::AddressInUse
                && error.endpoint().is_some_and(|endpoint| endpoint.starts_with("tcp:")) =>
        {
            options.tcp = false;
            let server = ControllerServer::listen(&asked.listen, options).map_err(with_owner)?;
            stderr::print_note(&format!(
                "no TCP: {error}; local programs are served all the same (--no-tcp says that this is meant, --listen takes another port)"
            ));
            Ok(server)
        }
        listened => Ok(listened.map_err(with_owner)?),
    }
}

#[cfg(feature = "web")]
/// Serves the page, and says where it is. Its address is a key: it is shown to whoever sits there, and to no log.
fn page(address: &str, asked: &Asked, server: &ControllerServer) -> Result<http::Running, Exit> {
    let endpoints = server.endpoints();
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
        token: asked.http_token.clone(),
        reading: asked.http_read_token.clone(),
    })?;
    if stdout().is_terminal() {
        output::write(format!("the page is at {}\n", page.address()).as_bytes())?;
    } else if !asked.quiet {
        stderr::print_note(&format!(
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

//! `linkspan controller`: the server that services and their clients connect to.

#[cfg(feature = "web")]
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::sync::mpsc::channel;

use clap::Args;
use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, Timeout, one_line, registry};
use linkspan_controller::{ControllerServer, ControllerServerOptions};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::exit::Exit;
#[cfg(feature = "web")]
use crate::http;
#[cfg(feature = "web")]
use crate::output;
use crate::signals::Signals;
use crate::stderr;

/// `linkspan controller`
#[derive(Args, Debug)]
pub struct ControllerArgs {
    /// Listen at this endpoint; may be repeated; default: unix:controller, and tcp://127.0.0.1:17170 if the
    /// port is free
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// Listen only at unix:controller
    #[arg(long, conflicts_with = "listen")]
    pub no_tcp: bool,
    /// Serve a page for browsers at this loopback address and port, such as 127.0.0.1:8017; the page requires a token,
    /// which is new at each start unless --http-token stores it
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<String>,
    /// Allow a non-loopback address in --http: the traffic, with the token, is then readable on the network
    #[arg(long, requires = "http")]
    pub http_allow_remote: bool,
    /// Store the page's token in this file, to keep it over a restart; a new file gets mode 0600
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_token: Option<PathBuf>,
    /// File with a second token, which reads the page, its interface and /metrics but gives no commands; made as for
    /// --http-token
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_read_token: Option<PathBuf>,
    /// Do not print the endpoints
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs the controller until a signal; SIGTERM is its regular end.
pub fn controller(args: &ControllerArgs, signals: &Signals) -> Result<(), Exit> {
    let mut options = ControllerServerOptions::default();
    options.tcp = !args.no_tcp;
    // The program handles signals itself.
    options.handle_signals = false;
    let mut server = listen(args, &mut options)?;
    if !args.quiet {
        for endpoint in server.endpoints() {
            stderr::print_note(&format!("the controller listens at {endpoint}"));
        }
    }
    #[cfg(feature = "web")]
    let page = args.http.as_deref().map(|address| page(address, args, &server)).transpose()?;
    #[cfg(not(feature = "web"))]
    if args.http.is_some() {
        return Err(crate::features::missing("the page of --http", "web", "").into());
    }
    let waker =
        signals.fd().try_clone_to_owned().map_err(|e| Exit::Io(format!("watching for signals: {e}")))?;
    let stopper = server.stopper();
    let (failed, failure) = channel();
    // Stops the loop at a signal to any thread, and ends with the process.
    start_thread("stopper", move || {
        let waited = loop {
            match poll(&mut [PollFd::new(&waker, PollFlags::IN)], None) {
                Err(Errno::INTR) => {}
                waited => break waited,
            }
        };
        if let Err(e) = waited {
            let _ = failed.send(Error::os("watching for signals (ppoll)", e.raw_os_error()));
        }
        stopper.stop();
    })?;
    server.run(Timeout::Forever)?;
    if let Ok(error) = failure.try_recv() {
        return Err(error.into());
    }
    #[cfg(feature = "web")]
    drop(page);
    server.close();
    match signals.signal() {
        Some(signal) if i32::from(signal) == signal_hook::consts::SIGINT => Ok(signals.check()?),
        _ => Ok(()),
    }
}

/// Listens, without an unrequested TCP port that another user's controller has.
fn listen(args: &ControllerArgs, options: &mut ControllerServerOptions) -> Result<ControllerServer, Exit> {
    match ControllerServer::listen(&args.listen, options) {
        Err(error)
            if args.listen.is_empty()
                && options.tcp
                && error.kind() == ErrorKind::AddressInUse
                && error.endpoint().is_some_and(|endpoint| endpoint.starts_with("tcp:")) =>
        {
            options.tcp = false;
            let server = ControllerServer::listen(&args.listen, options).map_err(with_owner)?;
            stderr::print_note(&format!(
                "no TCP: {error}; local programs are served all the same (--no-tcp avoids this message, --listen takes another port)"
            ));
            Ok(server)
        }
        listened => Ok(listened.map_err(with_owner)?),
    }
}

#[cfg(feature = "web")]
/// Prints the page's address, which contains the token, only to terminals.
fn page(address: &str, args: &ControllerArgs, server: &ControllerServer) -> Result<http::Running, Exit> {
    let endpoints = server.endpoints();
    // A local socket needs no token.
    let local = endpoints.iter().find(|endpoint| endpoint.starts_with("unix:")).or(endpoints.first());
    let Some(controller) = local else {
        let text = "the page connects to the controller at one of its endpoints, and it has none";
        return Err(Error::new(ErrorKind::InvalidState, text).into());
    };
    let page = http::start(&http::Settings {
        address: address.to_owned(),
        allow_remote: args.http_allow_remote,
        controller: controller.clone(),
        token: args.http_token.clone(),
        reading: args.http_read_token.clone(),
    })?;
    if stdout().is_terminal() {
        output::write(format!("the page is at {}\n", page.address()).as_bytes())?;
    } else if !args.quiet {
        stderr::print_note(&format!(
            "the page is at {}; its whole address is in {}",
            page.host(),
            page.file().display()
        ));
    }
    Ok(page)
}

/// Adds the process that holds the name to an `AddressInUse` error.
fn with_owner(error: Error) -> Error {
    let named = error.endpoint().filter(|_| error.kind() == ErrorKind::AddressInUse).map(str::to_owned);
    let Some(endpoint) = named else { return error };
    // Without a listed process the error is unchanged.
    let listed = registry::list().unwrap_or_default().into_iter().find(|listed| listed.endpoint == endpoint);
    let Some(pid) = listed.as_ref().and_then(|listed| listed.pid) else { return error };
    let program = listed.and_then(|listed| listed.program).unwrap_or_else(|| "a program".to_owned());
    let text = format!(
        "{} with process {pid} listens there: end it first, or listen at another name with --listen",
        one_line(&program)
    );
    Error::new(ErrorKind::AddressInUse, text).on(endpoint)
}

//! `linkspan recording view`: a gateway that serves only a recording's files and its page.

use std::path::PathBuf;
use std::time::Duration;

use linkspan::page::{Origin, Token};
use linkspan::{Error, ErrorKind, Result, several_lines};
use linkspan_program::signals::Signals;
use linkspan_program::stdout;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::access::Settings;
use crate::part::Part;
use crate::rights::Rights;
use crate::server;
use crate::service::{Buffers, Made, made, raise_descriptors};
use crate::tokens::Tokens;

const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Serves a recording until a signal ends the program.
///
/// # Errors
/// Errors of the files and the address; `PermissionDenied` for an address that other machines reach.
pub fn run(paths: &[PathBuf], are: &[(u64, u64)], listen: &str, opens: bool) -> Result<()> {
    let signals = Signals::install()?;
    if paths.len() != are.len() {
        return Err(Error::new(
            ErrorKind::InvalidState,
            "each file needs its --is; use `linkspan recording view`",
        ));
    }
    raise_descriptors();
    let files = paths.iter().zip(are);
    let recording = files.map(|(path, is)| Part::open(path, *is)).collect::<Result<Vec<_>>>()?;
    let requested = server::parse(listen)?;
    if !requested.ip().is_loopback() {
        let text = format!(
            "{requested} is reached from other machines, and a recording is shown on this one alone; listen at 127.0.0.1 and use `ssh -L`"
        );
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let token = Token::draw()?;
    // The token allows no names: only the recording is served.
    let tokens = Tokens::new(None, Some((&token, Rights { name: "start".into(), ..Rights::default() })))?;
    let listener = server::listen(requested)?;
    let address = listener
        .local_addr()
        .map_err(|e| Error::os(format!("listening at {requested}"), e.raw_os_error().unwrap_or(0)))?;
    let settings = Settings {
        name_rate: 1.0,
        max_message_size: 4_096,
        ping: Duration::from_secs(3),
        origins: Vec::new(),
        behind_proxy: false,
        is_tls: false,
    };
    let origin = Origin { port: address.port(), remote: false, hosts: Vec::new() };
    let Made { gateway, stop, started, .. } =
        made(settings, origin, tokens, Buffers { all: 0, longest: 4_096 }, recording);
    let threads = server::serve(&gateway, started, &listener, None)?;
    drop(listener);
    let shown = format!("{}&recording=1", token.address(&address.to_string()));
    stdout::print_lines(&several_lines(&shown))?;
    if opens {
        let server = format!("http://{address}");
        gateway.opening.open(&server, shown.strip_prefix(&server).unwrap_or_default());
    }
    while signals.signal().is_none() && !threads.has_ended() {
        // The next check of `signals` finds the reason.
        let _ = poll(&mut [PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN)], Some(&LOOK));
    }
    stop.send_replace(true);
    threads.join();
    signals
        .signal()
        .map(|_| ())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a thread has ended in a defect"))
}

//! Runs a program once with a given input, a time limit and an output limit.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use linkspan::service::start_program;
use linkspan::{Error, ErrorKind, RemoteFailure, Result, Timeout};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::deadline::deadline;
use crate::signals::Signals;

#[derive(Clone, Copy)]
pub struct Bounds {
    pub time: Timeout,
    pub output: usize,
}

/// The last bytes of standard error, for the answer.
const COMPLAINT: usize = 2_000;
const PIECE: usize = 64 << 10;

pub type Outcome = std::result::Result<Vec<u8>, RemoteFailure>;

/// Runs a program with this input, in a process group that is finally killed.
///
/// Returns an error only if this program must stop or cannot start any program.
pub fn run(
    mut command: Command,
    name: &str,
    input: &[u8],
    bounds: Bounds,
    signals: &Signals,
) -> Result<Outcome> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = match start_program(&mut command) {
        Ok(child) => child,
        Err(e) => {
            let error = Error::os(format!("starting {name}"), e.raw_os_error().unwrap_or(0));
            return Ok(Err(failure(error.kind(), error.text())));
        }
    };
    let ran = go_on(&mut child, name, input, bounds, signals);
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // The group's number is not reused before the wait below.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(|e| os("waiting for the program", &e))?;
    let Ran { printed, complaint, cut } = ran?;
    if let Some(failure) = cut {
        return Ok(Err(failure));
    }
    if status.success() {
        return Ok(Ok(printed));
    }
    let complaint = String::from_utf8_lossy(&complaint);
    let complaint = complaint.trim();
    let separator = if complaint.is_empty() { "" } else { ": " };
    // After a signal, 128 plus its number, as in shells.
    let code = i64::from(exit_code(status));
    let text = format!("{name} ended with {status}{separator}{complaint}");
    Ok(Err(RemoteFailure::new(code, "ExitStatus", text)))
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

pub fn failure(kind: ErrorKind, text: &str) -> RemoteFailure {
    RemoteFailure::new(i64::from(kind.code()), kind.name(), text)
}

struct Ran {
    printed: Vec<u8>,
    complaint: Vec<u8>,
    /// Why it was killed.
    cut: Option<RemoteFailure>,
}

fn os(doing: &str, error: &std::io::Error) -> Error {
    Error::os(doing, error.raw_os_error().unwrap_or(0))
}

/// Writes its input and reads its output, until it has ended or has to end.
fn go_on(child: &mut Child, name: &str, mut input: &[u8], bounds: Bounds, signals: &Signals) -> Result<Ran> {
    let deadline = deadline(bounds.time);
    let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    for pipe in
        [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)]
    {
        let Some(pipe) = pipe else { continue };
        rustix::fs::fcntl_setfl(pipe, OFlags::NONBLOCK)
            .map_err(|e| Error::os("preparing the program's pipes", e.raw_os_error()))?;
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error::new(ErrorKind::Internal, "the program has no process ID"))?;
    let process = pidfd_open(pid, PidfdFlags::empty())
        .map_err(|e| Error::os("watching the program (pidfd_open)", e.raw_os_error()))?;
    let mut ran = Ran { printed: Vec::new(), complaint: Vec::new(), cut: None };
    loop {
        if input.is_empty() {
            stdin = None;
        }
        let mut watched =
            vec![PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
        watched.extend(stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        watched.extend(stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        watched.extend(stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let left = deadline.remaining();
        if left == Some(Duration::ZERO) {
            let text = format!("{name} took longer than --within allows and was killed");
            ran.cut = Some(failure(ErrorKind::Timeout, &text));
            return Ok(ran);
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut watched, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(Error::os("waiting for the program (ppoll)", e.raw_os_error())),
        }
        signals.check()?;
        let has_ended = !watched[1].revents().is_empty();
        drop(watched);
        if let Some(pipe) = &mut stdin {
            match pipe.write(&input[..input.len().min(PIECE)]) {
                Ok(written) => input = &input[written..],
                Err(e) if would_wait(&e) => {}
                // A program need not read all of its input.
                Err(_) => input = &[],
            }
        }
        take(&mut stdout, &mut ran.printed, has_ended, bounds.output + 1)?;
        take(&mut stderr, &mut ran.complaint, has_ended, usize::MAX)?;
        let more = ran.complaint.len().saturating_sub(COMPLAINT);
        ran.complaint.drain(..more);
        if ran.printed.len() > bounds.output {
            let text = format!("{name} printed more than {} bytes (--limit) and was killed", bounds.output);
            ran.cut = Some(failure(ErrorKind::TooLarge, &text));
            return Ok(ran);
        }
        if has_ended {
            return Ok(ran);
        }
    }
}

fn would_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}

/// One chunk, or with `all` the rest of an ended program's pipe, up to this length.
fn take<P: Read>(pipe: &mut Option<P>, into: &mut Vec<u8>, all: bool, most: usize) -> Result<()> {
    // Remaining processes may continue to print. The read does not wait for them, and is bounded.
    let most = if all { most.min(into.len().saturating_add(1 << 20).max(COMPLAINT)) } else { most };
    let mut piece = vec![0; PIECE];
    while let Some(from) = pipe {
        match from.read(&mut piece) {
            Ok(0) => *pipe = None,
            Ok(read) => into.extend_from_slice(&piece[..read]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) if would_wait(&e) => return Ok(()),
            Err(e) => return Err(os("reading what the program prints", &e)),
        }
        if !all || into.len() >= most {
            return Ok(());
        }
    }
    Ok(())
}

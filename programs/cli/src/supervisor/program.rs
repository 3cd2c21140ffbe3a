//! Starts the program, and reports how it ended.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Instant;

use linkspan::service::{NOTIFY_VARIABLES, end_with_us, start_program};
use rustix::process::{Pid, WaitStatus};

use super::args::RunArgs;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
}

impl ExitStatus {
    pub fn of(status: WaitStatus) -> Option<ExitStatus> {
        status
            .exit_status()
            .map(ExitStatus::Code)
            .or_else(|| status.terminating_signal().map(ExitStatus::Signal))
    }

    pub fn is_success(self) -> bool {
        self == ExitStatus::Code(0)
    }

    /// As shells show it.
    pub fn exit_code(self) -> u8 {
        match self {
            ExitStatus::Code(code) => u8::try_from(code).unwrap_or(1),
            ExitStatus::Signal(signal) => 128u8.saturating_add(u8::try_from(signal).unwrap_or(127)),
        }
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "exit code {code}"),
            ExitStatus::Signal(signal) => match signal_hook::low_level::signal_name(*signal) {
                Some(name) => write!(f, "{name}"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

pub struct Program {
    pub pid: Pid,
    pub began: Instant,
    /// Whether this process stopped it with SIGSTOP.
    pub is_stopped: bool,
}

pub struct Pipes {
    pub out: Option<ChildStdout>,
    pub err: Option<ChildStderr>,
}

impl Program {
    /// In a new process group; it dies with this process.
    pub fn start(args: &RunArgs) -> io::Result<(Program, Pipes)> {
        let mut command = Command::new(&args.program[0]);
        command.args(&args.program[1..]);
        // A background process of a terminal would be stopped when reading.
        command.stdin(if io::stdin().is_terminal() { Stdio::null() } else { Stdio::inherit() });
        let (mut child, pid) = spawn(command, args)?;
        let pipes = Pipes { out: child.stdout.take(), err: child.stderr.take() };
        Ok((Program { pid, began: Instant::now(), is_stopped: false }, pipes))
    }
}

/// Starts a process in a new group, with pipes, without the variables of this process's supervisor.
pub fn spawn(mut command: Command, args: &RunArgs) -> io::Result<(Child, Pid)> {
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = &args.cwd {
        command.current_dir(directory);
    }
    for name in NOTIFY_VARIABLES {
        command.env_remove(name);
    }
    end_with_us(&mut command);
    let child = start_program(&mut command)?;
    if let Some(out) = &child.stdout {
        rustix::io::ioctl_fionbio(out, true)?;
    }
    if let Some(err) = &child.stderr {
        rustix::io::ioctl_fionbio(err, true)?;
    }
    let pid =
        Pid::from_raw(child.id().cast_signed()).ok_or_else(|| io::Error::other("a process without an ID"))?;
    Ok((child, pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_is_reported_as_shells_do() {
        for (end, text, code) in [
            (ExitStatus::Code(0), "exit code 0", 0),
            (ExitStatus::Code(3), "exit code 3", 3),
            (ExitStatus::Signal(9), "SIGKILL", 137),
            (ExitStatus::Signal(42), "signal 42", 170),
        ] {
            assert_eq!((end.to_string().as_str(), end.exit_code()), (text, code));
        }
    }
}

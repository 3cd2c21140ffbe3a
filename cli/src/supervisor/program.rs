//! Starts the program, and reports how it ended.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Instant;

use linkspan::service::{NOTIFY_VARIABLES, end_with_us};
use rustix::fs::Access;
use rustix::io::Errno;
use rustix::process::{Pid, WaitStatus};

use super::args::RunArgs;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
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

/// The program while it lives.
pub struct Program {
    pub pid: Pid,
    pub began: Instant,
    /// Whether this process stopped it with SIGSTOP.
    pub is_stopped: bool,
}

/// Its standard output and standard error, non-blocking.
pub struct Pipes {
    pub out: Option<ChildStdout>,
    pub err: Option<ChildStderr>,
}

impl Program {
    /// Starts it in a process group of its own; it dies with this process.
    pub fn start(args: &RunArgs) -> io::Result<(Program, Pipes)> {
        let mut command = Command::new(&args.program[0]);
        command.args(&args.program[1..]);
        // A background process of a terminal would be stopped when it reads from it.
        command.stdin(if io::stdin().is_terminal() { Stdio::null() } else { Stdio::inherit() });
        let (mut child, pid) = spawn(command, args)?;
        let pipes = Pipes { out: child.stdout.take(), err: child.stderr.take() };
        Ok((Program { pid, began: Instant::now(), is_stopped: false }, pipes))
    }
}

/// Starts a process of the service's in a process group of its own, with its output in pipes, and without the variables
/// by which it could send messages to the supervisor of this process.
pub fn spawn(mut command: Command, args: &RunArgs) -> io::Result<(Child, Pid)> {
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = &args.cwd {
        command.current_dir(directory);
    }
    for name in NOTIFY_VARIABLES {
        command.env_remove(name);
    }
    end_with_us(&mut command);
    let child = command.spawn()?;
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

/// Returns the error that starting it would return, without starting it.
pub fn find_program(args: &RunArgs) -> io::Result<()> {
    if let Some(directory) = &args.cwd {
        rustix::fs::access(directory, Access::EXEC_OK)?;
    }
    let program = Path::new(&args.program[0]);
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        let path = args.cwd.as_ref().map_or_else(|| program.to_owned(), |cwd| cwd.join(program));
        return executable(&path);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/bin:/usr/bin").to_owned());
    let found: Vec<io::Result<()>> =
        std::env::split_paths(&path).map(|folder: PathBuf| executable(&folder.join(program))).collect();
    let is_refused =
        found.iter().any(|one| matches!(one, Err(e) if e.kind() == io::ErrorKind::PermissionDenied));
    match found.into_iter().any(|one| one.is_ok()) {
        true => Ok(()),
        false if is_refused => Err(Errno::ACCESS.into()),
        false => Err(Errno::NOENT.into()),
    }
}

fn executable(path: &Path) -> io::Result<()> {
    rustix::fs::access(path, Access::EXISTS)?;
    if path.is_dir() {
        return Err(Errno::ACCESS.into());
    }
    Ok(rustix::fs::access(path, Access::EXEC_OK)?)
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

    #[test]
    fn missing_program_is_detected_beforehand() {
        let look = |program: &str, cwd: Option<&str>| {
            let mut line = vec!["linkspan", "service", "run"];
            line.extend(cwd.iter().flat_map(|cwd| ["--cwd", cwd]));
            line.extend(["--", program]);
            let args = crate::supervisor::args::from_command_line(line.into_iter().map(Into::into)).unwrap();
            find_program(&args).map_err(|e| e.kind())
        };
        assert_eq!(look("sh", None), Ok(()));
        assert_eq!(look("/bin/sh", Some("/")), Ok(()));
        assert_eq!(look("bin/sh", Some("/")), Ok(()));
        assert_eq!(look("bin/sh", Some("/nowhere")), Err(io::ErrorKind::NotFound));
        assert_eq!(look("linkspan-no-such-program", None), Err(io::ErrorKind::NotFound));
        assert_eq!(look("/etc", None), Err(io::ErrorKind::PermissionDenied));
    }
}

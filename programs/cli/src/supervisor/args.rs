//! The command line of `linkspan service run -- PROGRAM`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use linkspan::{Error, ErrorKind, Result};
use linkspan_program::start;
use rustix::process::Signal;

use crate::quantity::duration;

/// Run a program without Linkspan as a service: its controller pauses, resumes and ends it
///
/// PAUSE stops the program and all processes that it started (SIGSTOP), RUN resumes them (SIGCONT), SHUTDOWN sends
/// SIGTERM and, after the time of --grace, SIGKILL. Commands of your own replace the signals: --checkpoint, --pause and
/// --resume, --data, --backup. `sh -c` runs them, with the program's process ID in the environment variable
/// LINKSPAN_PID and the arguments of the controller's command, as JSON, in LINKSPAN_ARGUMENTS.
///
/// The program's output goes to standard output and standard error, and into the service's log. The program reads
/// standard input, unless that is a terminal. It should run in the foreground: when it ends, the processes that it
/// started are ended too. It ends with this program, even if that is killed; only processes outside its process group
/// (setsid) survive a SIGKILL.
///
/// Exit codes: 0 after SHUTDOWN or SIGTERM, 137 if the program was killed after --grace, its own exit code (or 128 plus
/// the signal's number) if it ended on its own and is not restarted, 126 or 127 if it could not be started.
#[derive(Parser, Debug)]
#[command(
    name = "linkspan service run",
    after_help = "Examples:
  linkspan service run --name camera -- ./grab-frames --rate 10
  linkspan service run --restart on-failure -- python3 logger.py
  linkspan service run --name db --checkpoint 'sqlite3 power.db \"pragma wal_checkpoint(truncate)\"' -- ./logger power.db"
)]
pub struct RunArgs {
    /// The service's name; default: the program's
    #[arg(long)]
    pub name: Option<String>,
    /// The controller's endpoint; default: $LINKSPAN_CONTROLLER, else unix:controller
    #[arg(long, value_name = "ENDPOINT")]
    pub controller: Option<String>,
    /// Refuse to start, or end, if the controller has another service of this name; default: run without a
    /// controller until the other service has ended
    #[arg(long)]
    pub exclusive: bool,
    /// A description in one line
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Pause by this command instead of SIGSTOP
    #[arg(long, value_name = "COMMAND", requires = "resume")]
    pub pause: Option<String>,
    /// Resume by this command instead of SIGCONT
    #[arg(long, value_name = "COMMAND", requires = "pause")]
    pub resume: Option<String>,
    /// Checkpoint by this command, also before the end; without it, CHECKPOINT fails
    #[arg(long, value_name = "COMMAND")]
    pub checkpoint: Option<String>,
    /// The data is the output of this command: a value as JSON, else text; default: facts about the process
    #[arg(long, value_name = "COMMAND")]
    pub data: Option<String>,
    /// Support BACKUP, by this command
    #[arg(long, value_name = "COMMAND")]
    pub backup: Option<String>,
    /// Kill a command and all processes that it started after this time, or before the caller's time-out
    #[arg(long, value_name = "SECONDS", default_value = "30", allow_hyphen_values = true, value_parser = duration)]
    pub command_timeout: Duration,
    /// The signal that ends the program
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = signal)]
    pub shutdown_signal: Signal,
    /// Kill the program this long after --shutdown-signal
    #[arg(long, value_name = "SECONDS", default_value = "10", allow_hyphen_values = true, value_parser = duration)]
    pub grace: Duration,
    /// Restart the program when it has ended on its own
    #[arg(long, value_enum, default_value = "no")]
    pub restart: Policy,
    /// Wait this long before the first restart, and twice as long before each further one
    #[arg(long, value_name = "SECONDS", default_value = "1", allow_hyphen_values = true, value_parser = duration)]
    pub restart_delay: Duration,
    /// Restart at most this often in this time, then be FAILED until RUN; 0/1s sets no limit
    #[arg(long, value_name = "TIMES/SECONDSs", default_value = "5/60s", value_parser = limit)]
    pub restart_limit: Limit,
    /// Do not start the program before RUN
    #[arg(long)]
    pub paused: bool,
    /// Run the program and the commands in this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub cwd: Option<PathBuf>,
    /// The program and its arguments, after --
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

/// The programs that are restarted after they ended on their own.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Never
    No,
    /// If a signal ended it, or its exit code was not 0
    OnFailure,
    /// However it ended
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub window: Duration,
}

/// Parses `service run … -- PROGRAM`; returns none for any other command line. Ends the process with 2 if it is
/// malformed.
pub fn from_command_line(arguments: impl IntoIterator<Item = OsString>) -> Option<RunArgs> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let is_it = matches!(&arguments[..], [_, a, b, ..] if a == "service" && b == "run");
    let mut words = vec![OsString::from("linkspan service run")];
    words.extend(arguments.iter().skip(3).cloned());
    (is_it && arguments.iter().any(|one| one == "--")).then(|| start::parsed(RunArgs::try_parse_from(words)))
}

impl RunArgs {
    /// Returns the service's name; default: that of the program.
    pub fn service_name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let name = Path::new(&self.program[0]).file_stem().unwrap_or_default().to_string_lossy();
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        name.chars().map(allowed).collect()
    }

    pub fn program_name(&self) -> String {
        self.program[0].to_string_lossy().into_owned()
    }
}

fn limit(text: &str) -> Result<Limit> {
    let parts = text.split_once('/').and_then(|(count, window)| {
        let window = duration(window).ok()?;
        Some(Limit { count: count.parse().ok()?, window })
    });
    parts.ok_or_else(|| {
        let text = format!("{text:?} is not a limit: write it as 5/60s, which is five times in 60 seconds");
        Error::new(ErrorKind::WrongType, text)
    })
}

const SIGNALS: [(&str, Signal); 8] = [
    ("TERM", Signal::TERM),
    ("INT", Signal::INT),
    ("HUP", Signal::HUP),
    ("QUIT", Signal::QUIT),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("ALRM", Signal::ALARM),
    ("KILL", Signal::KILL),
];

fn signal(text: &str) -> Result<Signal> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let known =
        SIGNALS.into_iter().find(|(known, signal)| *known == name || signal.as_raw().to_string() == name);
    known.map(|(_, signal)| signal).ok_or_else(|| {
        let known: Vec<_> = SIGNALS.iter().map(|(name, _)| *name).collect();
        Error::new(
            ErrorKind::OutOfRange,
            format!("{text:?} is not a signal to end by: there are {}", known.join(" ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<RunArgs> {
        from_command_line(line.split(' ').map(OsString::from))
    }

    #[test]
    fn program_needs_two_dashes() {
        assert!(of("linkspan service run power").is_none());
        assert!(of("linkspan send lab/a -- -1").is_none());
        let args =
            of("linkspan service run --grace 0.5 --restart on-failure -- ./my*logger.py --name x").unwrap();
        assert_eq!(args.service_name(), "my-logger");
        assert_eq!(args.program[1..], ["--name", "x"]);
        assert_eq!((args.grace, args.restart), (Duration::from_millis(500), Policy::OnFailure));
        assert_eq!(args.restart_limit, Limit { count: 5, window: Duration::from_secs(60) });
    }

    #[test]
    fn values_are_parsed_or_refused() {
        assert_eq!(signal("SIGUSR1").unwrap(), Signal::USR1);
        assert_eq!(signal("15").unwrap(), Signal::TERM);
        assert!(signal("STOP").unwrap_err().text().contains("TERM INT"));
        assert_eq!(limit("3/0.5s").unwrap(), Limit { count: 3, window: Duration::from_millis(500) });
        for wrong in ["3", "x/5s", "3/-1s"] {
            assert_eq!(limit(wrong).unwrap_err().kind(), ErrorKind::WrongType, "{wrong}");
        }
        assert!(RunArgs::try_parse_from(["run", "--pause", "x", "--", "y"]).is_err(), "who pauses resumes");
    }
}

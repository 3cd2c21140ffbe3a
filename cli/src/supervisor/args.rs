//! The command line of `linkspan service run -- PROGRAM`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use linkspan::{Error, ErrorKind, Result};
use rustix::process::Signal;

/// Run a program that knows nothing of Linkspan as a service: paused, resumed and ended by its controller
///
/// PAUSE stops the program with all that it started (SIGSTOP), RUN lets it go on (SIGCONT), SHUTDOWN asks it to end
/// (SIGTERM) and after the grace kills it (SIGKILL). Commands that are given do better: --checkpoint, --pause and
/// --resume, --data, --backup. They are run by `sh -c` with LINKSPAN_PID, the program's process, and
/// LINKSPAN_ARGUMENTS, what came with the command as JSON, in their environment.
///
/// What the program prints goes to standard output and standard error as before, and into the service's log. It reads
/// standard input, unless that is a terminal. It should stay in the foreground: when it ends, what it started is ended too.
/// It dies with this program, even where that is killed; only what has left its process group (setsid) survives a SIGKILL.
///
/// Ends with 0 after SHUTDOWN or SIGTERM, with 137 where the program had to be killed for it, with the program's own
/// exit code (128 and the signal's number) where it ended by itself and is not restarted, with 126 or 127 where it could
/// not be started.
#[derive(Parser, Debug)]
#[command(
    name = "linkspan service run",
    after_help = "Examples:
  linkspan service run --name camera -- ./grab-frames --rate 10
  linkspan service run --restart on-failure -- python3 logger.py
  linkspan service run --name db --checkpoint 'sqlite3 power.db \"pragma wal_checkpoint(truncate)\"' -- ./logger power.db"
)]
pub struct RunArgs {
    /// The service's name; left out, the program's
    #[arg(long)]
    pub name: Option<String>,
    /// Where the controller listens; left out, $LINKSPAN_CONTROLLER, else unix:controller
    #[arg(long, value_name = "ENDPOINT")]
    pub controller: Option<String>,
    /// A line about it for people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Pauses by this command, and not by SIGSTOP
    #[arg(long, value_name = "COMMAND", requires = "resume")]
    pub pause: Option<String>,
    /// Goes on by this command, and not by SIGCONT
    #[arg(long, value_name = "COMMAND", requires = "pause")]
    pub resume: Option<String>,
    /// Checkpoints by this command, also before it ends; without it, CHECKPOINT fails
    #[arg(long, value_name = "COMMAND")]
    pub checkpoint: Option<String>,
    /// The data is what this command prints: a value as JSON, else text; without it, what is known of the process
    #[arg(long, value_name = "COMMAND")]
    pub data: Option<String>,
    /// Takes BACKUP, which is done by this command
    #[arg(long, value_name = "COMMAND")]
    pub backup: Option<String>,
    /// Kill such a command with all that it started after so many seconds, or before the time of whoever asked has passed
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub command_timeout: Duration,
    /// The signal that asks the program to end
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = signal)]
    pub shutdown_signal: Signal,
    /// Kill it so many seconds after that
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub grace: Duration,
    /// Start it again when it has ended by itself
    #[arg(long, value_enum, default_value = "no")]
    pub restart: Policy,
    /// Wait so many seconds before that; twice as many each further time
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub restart_delay: Duration,
    /// Start it again at most so often in so many seconds, and then be FAILED until RUN; 0/1s never gives up
    #[arg(long, value_name = "TIMES/SECONDSs", default_value = "5/60s", value_parser = limit)]
    pub restart_limit: Limit,
    /// Do not start it before RUN
    #[arg(long)]
    pub paused: bool,
    /// Run it, and the given commands, in this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub cwd: Option<PathBuf>,
    /// The program and its arguments, behind --
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

/// Whether a program that has ended by itself is started again.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Never
    No,
    /// Where it was ended by a signal, or with another code than 0
    OnFailure,
    /// However it ended
    Always,
}

/// So many restarts in this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub window: Duration,
}

/// `service run … -- PROGRAM` on the command line; none where something else is there. A malformed one ends here, with 2.
pub fn from_command_line(arguments: impl IntoIterator<Item = OsString>) -> Option<RunArgs> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let is_it = matches!(&arguments[..], [_, a, b, ..] if a == "service" && b == "run");
    let mut words = vec![OsString::from("linkspan service run")];
    words.extend(arguments.iter().skip(3).cloned());
    (is_it && arguments.iter().any(|one| one == "--")).then(|| RunArgs::parse_from(words))
}

impl RunArgs {
    /// The service's name, from the program's where none is given.
    pub fn service_name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let name = Path::new(&self.program[0]).file_stem().unwrap_or_default().to_string_lossy();
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        name.chars().map(allowed).collect()
    }

    /// The program as it was written.
    pub fn program_name(&self) -> String {
        self.program[0].to_string_lossy().into_owned()
    }
}

fn seconds(text: &str) -> Result<Duration> {
    // Beyond that no clock counts.
    let number = text.parse().ok().filter(|seconds: &f64| (0.0..=1e9).contains(seconds));
    let number = number.ok_or_else(|| {
        Error::new(ErrorKind::WrongType, format!("{text:?} is no number of seconds from 0 to a billion"))
    })?;
    Ok(Duration::from_secs_f64(number))
}

fn limit(text: &str) -> Result<Limit> {
    let parts = text.split_once('/').and_then(|(count, window)| {
        let window = seconds(window.strip_suffix('s').unwrap_or(window)).ok()?;
        Some(Limit { count: count.parse().ok()?, window })
    });
    parts.ok_or_else(|| {
        let text = format!("{text:?} is no limit: 5/60s is five times in 60 seconds");
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
            format!("{text:?} is no signal to end by: there are {}", known.join(" ")),
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
    fn only_a_program_behind_two_dashes_is_adopted() {
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
    fn words_are_read_or_refused() {
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

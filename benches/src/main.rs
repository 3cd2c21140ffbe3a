//! The benchmark: one command, one table of ours beside the floor measured in the same run.
//!
//! `linkspan-bench` conducts; it starts itself again as `linkspan-bench work CASE`, once for everything that is
//! measured, and each such worker forks its far end, so that both ends are processes of their own.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a program whose purpose is to print a table

mod conductor;
mod cpu;
mod ends;
mod environment;
mod floor;
mod ours;
mod report;
mod rows;
mod statistics;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

/// Anything that can go wrong here ends in a line of text.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const HELP: &str = "\
linkspan-bench: what Linkspan costs, beside the floor measured in the same run

  linkspan-bench                 everything, in about five minutes
  linkspan-bench --quick         few repetitions, in under half a minute: shows that it works, says nothing of speed
  linkspan-bench --only TEXT     the rows whose name contains TEXT
  linkspan-bench --write FILE    writes the table to FILE as well
  linkspan-bench --list          the names of the rows
  linkspan-bench work CASE …     one worker, driven from standard input (see benches/README.md)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("linkspan-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// True when everything of ours could be measured.
fn run(arguments: &[String]) -> Result<bool> {
    if arguments.first().is_some_and(|a| ["work", "far", "pinned"].contains(&a.as_str())) {
        worker::work(arguments)?;
        return Ok(true);
    }
    let mut plan = conductor::Plan { repetitions: 31, round: Duration::from_millis(4), only: None };
    let mut write = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().cloned().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => (plan.repetitions, plan.round) = (3, Duration::from_millis(1)),
            "--only" => plan.only = Some(value()?),
            "--write" => write = Some(value()?),
            "--repetitions" => plan.repetitions = value()?.parse()?,
            "--list" => {
                rows::all().iter().for_each(|row| println!("{}", row.what));
                return Ok(true);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(true);
            }
            _ => return Err(format!("no argument is called {argument}; try --help").into()),
        }
    }
    let measured = conductor::conduct(&rows::all(), &plan)?;
    let report = report::render(&measured, &plan);
    print!("{}", report.text);
    if let Some(path) = write {
        std::fs::write(&path, report.markdown).map_err(|e| format!("writing {path}: {e}"))?;
    }
    Ok(measured.iter().all(|row| row.ours.is_ok()))
}

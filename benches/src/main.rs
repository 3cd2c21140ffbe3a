//! The benchmark: one command prints a table that compares ours with a floor measured in that run.
//!
//! `linkspan-bench` schedules the measurements. For each, it starts itself as `linkspan-bench work CASE`, and each such
//! worker forks its far end as a separate process.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a program whose purpose is to print a table

mod cases;
mod cpu;
mod ends;
mod environment;
mod floor;
mod growth;
mod ours;
mod oversubscribed;
mod rate;
mod report;
mod result;
mod rows;
mod schedule;
mod statistics;
mod worker;
mod worker_process;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use result::Result;

const HELP: &str = "\
linkspan-bench: what Linkspan costs, beside the floor measured in the same run

  linkspan-bench                 every row, every rate and every curve, in at most 15 minutes
  linkspan-bench --quick         few repetitions and short curves, in at most 2 minutes: shows that it works
  linkspan-bench --smoke         one repetition of ours and the floors, without peers: shows that everything of ours runs
  linkspan-bench --only TEXT     the rows, rates and curves whose name contains TEXT
  linkspan-bench --write FILE    writes the table to FILE as well, and the curves as SVG into plots/ beside it
  linkspan-bench --minutes N     the longest that the run may take
  linkspan-bench --repetitions N turns of each worker
  linkspan-bench --list          the names of the rows, rates and curves
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

/// Returns true if everything of ours could be measured.
fn run(arguments: &[String]) -> Result<bool> {
    if arguments.first().is_some_and(|a| ["work", "far", "pinned"].contains(&a.as_str())) {
        cases::work(arguments)?;
        return Ok(true);
    }
    let started = Instant::now();
    let mut plan = schedule::Plan {
        repetitions: 31,
        round: Duration::from_millis(4),
        only: None,
        again: 2,
        row: Duration::from_secs(8),
        quick: false,
        peers: true,
        until: started,
    };
    let mut write = None;
    let mut minutes = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().cloned().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => {
                plan = schedule::Plan {
                    repetitions: 3,
                    round: Duration::from_millis(1),
                    again: 0,
                    row: Duration::from_secs(2),
                    quick: true,
                    ..plan
                };
            }
            "--smoke" => {
                // A debug build on a busy machine takes longer.
                minutes = Some(9.0);
                plan = schedule::Plan {
                    repetitions: 1,
                    round: Duration::from_micros(100),
                    again: 0,
                    quick: true,
                    peers: false,
                    ..plan
                };
            }
            "--only" => plan.only = Some(value()?),
            "--write" => write = Some(PathBuf::from(value()?)),
            "--minutes" => minutes = Some(value()?.parse::<f64>()?),
            "--repetitions" => plan.repetitions = value()?.parse()?,
            "--list" => {
                rows::all().iter().for_each(|row| println!("{}", row.what));
                rate::all().iter().for_each(|row| println!("{}", row.what));
                growth::all().iter().for_each(|plot| println!("{}", plot.what));
                return Ok(true);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(true);
            }
            _ => return Err(format!("no argument is called {argument}; try --help").into()),
        }
    }
    // The last minute is for writing the results.
    let minutes = minutes.unwrap_or(if plan.quick { 1.9 } else { 14.5 });
    plan.until = started + Duration::from_secs_f64(minutes * 60.0);
    let directory = environment::Directory::new()?;
    // Slow rows must leave time for the rates and the curves.
    let (rates, curves) = if plan.quick { (15, 20) } else { (80, 240) };
    let until = |left| schedule::Plan {
        until: plan.until.checked_sub(Duration::from_secs(left)).unwrap_or(started),
        ..plan.clone()
    };
    let rows = schedule::measure_rows(&rows::all(), &until(rates + curves));
    let rates = rate::measure_rates(&rate::all(), &until(curves));
    let plots = growth::measure_curves(&growth::all(), &plan);
    drop(directory);
    let report = report::render(&rows, &rates, &plots, &plan, started.elapsed());
    print!("{}", report.text);
    if let Some(path) = write {
        std::fs::write(&path, report.markdown).map_err(|e| format!("writing {}: {e}", path.display()))?;
        growth::draw(&plots, &path.with_file_name("plots"))?;
    }
    let rates_are_whole = rates.iter().all(|row| row.ours.iter().all(Result::is_ok));
    Ok(rows.iter().all(|row| row.ours.is_ok())
        && rates_are_whole
        && plots.iter().all(growth::Measured::is_whole))
}

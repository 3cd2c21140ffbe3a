//! Prints samples as text or as JSON, without a terminal.

use std::time::Instant;

use linkspan::{Controller, Error, Timestamp, Value, Wait};

use super::args::TopArgs;
use super::columns::{Cell, Table};
use super::model::{Samples, arranged};
use super::sampler::{self, ANSWER_TIMEOUT, CONNECT_TIMEOUT, error_line};
use crate::exit::Exit;
use crate::signals::Signals;
use crate::{input, output, table};

/// With `--once` only the second sample, which has rates.
pub fn print(args: &TopArgs, signals: &Signals) -> Result<(), Exit> {
    let started_at = Instant::now();
    let mut endpoints = Samples::default();
    let mut services = Samples::default();
    let mut controller = None;
    for number in 0u64.. {
        let sampled_at = Instant::now();
        endpoints.take(Table::Endpoints, sampler::list_endpoints()?, started_at.elapsed().as_secs_f64());
        let known = read_services(args, &mut controller, signals);
        signals.check()?;
        let (records, problem) = match known {
            Ok(records) => (records, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        services.take(Table::Services, records, started_at.elapsed().as_secs_f64());
        if number > 0 || !args.once {
            match args.json {
                true => output::json(&line(&endpoints, &services, problem.as_ref()))?,
                false => output::write(text(&endpoints, &services, problem.as_ref()).as_bytes())?,
            }
            if args.once {
                break;
            }
        }
        input::stay(signals, Some(sampled_at + args.every))?;
        signals.check_stdout()?;
    }
    Ok(())
}

/// The controller stays connected between samples.
fn read_services(
    args: &TopArgs,
    connected: &mut Option<Controller>,
    signals: &Signals,
) -> Result<Vec<Value>, Error> {
    let mut check = || signals.check();
    let controller = match connected.take() {
        Some(controller) => controller,
        None => args.at.connect(Wait::new(CONNECT_TIMEOUT).tick(&mut check))?,
    };
    let records = sampler::list_services(&controller, Wait::new(ANSWER_TIMEOUT).tick(&mut check))?;
    *connected = Some(controller);
    Ok(records)
}

fn line(endpoints: &Samples, services: &Samples, problem: Option<&Error>) -> Value {
    Value::map([
        ("at", Value::from(Timestamp::now())),
        ("endpoints", endpoints.to_value(Table::Endpoints)),
        ("services", services.to_value(Table::Services)),
        ("problem", problem.map(error_line).into()),
    ])
}

fn text(endpoints: &Samples, services: &Samples, problem: Option<&Error>) -> String {
    let lines = |kind: Table, samples: &Samples| {
        let mut rows = vec![kind.columns().iter().map(|column| column.title.to_owned()).collect::<Vec<_>>()];
        let arranged = arranged(&samples.rows(kind), "", 0, false);
        rows.extend(arranged.iter().map(|row| row.cells.iter().map(Cell::shown).collect()));
        table::text(&rows)
    };
    let services = match problem {
        Some(problem) => format!("{}\n", error_line(problem)),
        None => lines(Table::Services, services),
    };
    format!("{}\n{services}", lines(Table::Endpoints, endpoints))
}

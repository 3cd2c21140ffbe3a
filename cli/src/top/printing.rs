//! Looks as text or as JSON, for where there is no terminal.

use std::time::Instant;

use linkspan::{Controller, Error, Timestamp, Value, Wait};

use super::Top;
use super::columns::{Cell, Kind};
use super::looking::{self, COMING, PATIENCE, told};
use super::model::{Looks, arranged};
use crate::ending::Ending;
use crate::stop::Stop;
use crate::{input, output, table};

/// One look after the other; with `--once` the second one alone, which has the rates since the first.
pub fn print(asked: &Top, stop: &Stop) -> Result<(), Ending> {
    let begun = Instant::now();
    let mut endpoints = Looks::default();
    let mut services = Looks::default();
    let mut controller = None;
    for number in 0u64.. {
        let looked = Instant::now();
        endpoints.take(Kind::Endpoints, looking::open_endpoints()?, begun.elapsed().as_secs_f64());
        let known =
            look_for_services(asked, &mut controller, stop).map_err(|e| looking::absent(&asked.at, e));
        stop.check()?;
        let (records, trouble) = match known {
            Ok(records) => (records, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        services.take(Kind::Services, records, begun.elapsed().as_secs_f64());
        if number > 0 || !asked.once {
            match asked.json {
                true => output::json(&line(&endpoints, &services, trouble.as_ref()))?,
                false => output::write(text(&endpoints, &services, trouble.as_ref()).as_bytes())?,
            }
            if asked.once {
                break;
            }
        }
        input::stay(stop, Some(looked + asked.every))?;
        stop.check_reader()?;
    }
    Ok(())
}

/// The services of the controller, which stays connected from look to look.
fn look_for_services(
    asked: &Top,
    connected: &mut Option<Controller>,
    stop: &Stop,
) -> Result<Vec<Value>, Error> {
    let mut check = || stop.check();
    let controller = match connected.take() {
        Some(controller) => controller,
        None => asked.at.connect(Wait::new(COMING).tick(&mut check))?,
    };
    let records = looking::records(&controller, Wait::new(PATIENCE).tick(&mut check))?;
    *connected = Some(controller);
    Ok(records)
}

fn line(endpoints: &Looks, services: &Looks, trouble: Option<&Error>) -> Value {
    Value::map([
        ("at", Value::from(Timestamp::now())),
        ("endpoints", endpoints.to_value(Kind::Endpoints)),
        ("services", services.to_value(Kind::Services)),
        ("trouble", trouble.map(told).into()),
    ])
}

fn text(endpoints: &Looks, services: &Looks, trouble: Option<&Error>) -> String {
    let lines = |kind: Kind, looks: &Looks| {
        let mut rows = vec![kind.columns().iter().map(|column| column.title.to_owned()).collect::<Vec<_>>()];
        let arranged = arranged(&looks.rows(kind), "", 0, false);
        rows.extend(arranged.iter().map(|row| row.cells.iter().map(Cell::shown).collect()));
        table::text(&rows)
    };
    let services = match trouble {
        Some(trouble) => format!("{}\n", told(trouble)),
        None => lines(Kind::Services, services),
    };
    format!("{}\n{services}", lines(Kind::Endpoints, endpoints))
}

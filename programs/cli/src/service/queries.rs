//! Queries to a controller, each with an answer that is printed.

use linkspan::{Command, Value, Wait};

use super::args::{CallArgs, ServiceArgs, StatsArgs, ValueArgs};
use super::connection::QueryArgs;
use super::record::{print, shown_state, word};
use crate::exit::Exit;
use crate::signals::Signals;
use crate::{input, output, table};

pub fn list(args: &QueryArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.connect(signals)?;
    let mut check = || signals.check();
    let services = controller.services(Wait::new(deadline.remaining()).tick(&mut check))?;
    let services = services.as_array()?;
    if args.json {
        return services.iter().try_for_each(output::json);
    }
    let titles = ["NAME", "STATE", "VIEW", "BUSY", "STEPS", "PID", "PROGRAM"];
    let mut rows = vec![titles.map(String::from).to_vec()];
    rows.extend(services.iter().map(row));
    let mut text = table::text(&rows);
    for service in services {
        for (key, what) in [("problem", ""), ("reason", "it says ")] {
            let wrong = word(service, key);
            if !wrong.is_empty() {
                text += &format!("{}: {what}{wrong}\n", word(service, "name"));
            }
        }
    }
    output::write(text.as_bytes())
}

fn row(service: &Value) -> Vec<String> {
    let word = |key: &str| match word(service, key) {
        text if text.is_empty() => "-".to_owned(),
        text => text,
    };
    let number = |key: &str| {
        service.at(key).and_then(Value::as_u64).map_or_else(|_| "-".to_owned(), |number| number.to_string())
    };
    let busy = service.at("busy").and_then(Value::as_f64);
    let busy = busy.map_or_else(|_| "-".to_owned(), |seconds| format!("{seconds:.1}"));
    vec![
        word("name"),
        shown_state(service),
        word("view"),
        busy,
        number("steps"),
        number("pid"),
        word("program"),
    ]
}

pub fn status(args: &ServiceArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.query.connect(signals)?;
    let mut check = || signals.check();
    let record = controller.status(&args.name, Wait::new(deadline.remaining()).tick(&mut check))?;
    print(&record, &args.query)
}

pub fn stats(args: &StatsArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.query.connect(signals)?;
    let mut check = || signals.check();
    let wait = Wait::new(deadline.remaining()).tick(&mut check);
    let stats = match &args.name {
        Some(name) => controller.command(name, &Command::Stats, &Value::Null, wait),
        None => controller.stats(wait),
    };
    print(&stats?, &args.query)
}

pub fn ask(args: &ServiceArgs, command: &Command, signals: &Signals) -> Result<(), Exit> {
    command_of(&args.query, &args.name, command, &Value::Null, signals)
}

pub fn ask_with(args: &ValueArgs, command: &Command, signals: &Signals) -> Result<(), Exit> {
    command_of(&args.query, &args.name, command, &given(args.value.as_deref(), signals)?, signals)
}

pub fn call(args: &CallArgs, signals: &Signals) -> Result<(), Exit> {
    let command = Command::from_name(&args.verb)?;
    command_of(&args.query, &args.name, &command, &given(args.value.as_deref(), signals)?, signals)
}

fn given(value: Option<&str>, signals: &Signals) -> Result<Value, Exit> {
    value.map_or(Ok(Value::Null), |text| input::value(text, signals))
}

fn command_of(
    query: &QueryArgs,
    service: &str,
    command: &Command,
    arguments: &Value,
    signals: &Signals,
) -> Result<(), Exit> {
    let (controller, deadline) = query.connect(signals)?;
    let mut check = || signals.check();
    let wait = Wait::new(deadline.remaining()).tick(&mut check);
    let value = controller.command(service, command, arguments, wait);
    print(&value.map_err(|e| e.on(service))?, query)
}

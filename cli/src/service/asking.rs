//! Questions to a controller, each with an answer that is printed.

use linkspan::{Command, Error, Value, Wait};

use super::arguments::{Arguments, Call, One, Stats};
use super::at::Asking;
use crate::ending::Ending;
use crate::stop::Stop;
use crate::{display, input, output, table};

/// Lists the services.
pub fn list(asked: &Asking, stop: &Stop) -> Result<(), Ending> {
    let (controller, budget) = asked.connect(stop)?;
    let mut check = || stop.check();
    let services = controller.services(Wait::new(budget.left()).tick(&mut check))?;
    let services = services.as_array()?;
    if asked.json {
        return services.iter().try_for_each(output::json);
    }
    let titles = ["NAME", "STATE", "VIEW", "BUSY", "STEPS", "PID", "PROGRAM"];
    let mut rows = vec![titles.map(String::from).to_vec()];
    rows.extend(services.iter().map(row));
    let mut text = table::text(&rows);
    for service in services {
        for (key, what) in [("trouble", ""), ("reason", "it says ")] {
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

/// The state as people are shown it: of one that has gone without a word nobody knows it, and its last one would look true.
pub fn shown_state(record: &Value) -> String {
    match word(record, "view") {
        view if view == "DISCONNECTED" => view,
        _ => word(record, "state"),
    }
}

/// The text there. What came from another process may hold anything.
pub fn word(record: &Value, key: &str) -> String {
    display::escaped(record.at(key).and_then(Value::as_text).unwrap_or_default(), false)
}

/// Prints the record of a service.
pub fn status(asked: &One, stop: &Stop) -> Result<(), Ending> {
    let (controller, budget) = asked.asking.connect(stop)?;
    let mut check = || stop.check();
    let record = controller.status(&asked.name, Wait::new(budget.left()).tick(&mut check))?;
    print(&record, &asked.asking)
}

/// Prints the counters of a service, or of the controller.
pub fn stats(asked: &Stats, stop: &Stop) -> Result<(), Ending> {
    let (controller, budget) = asked.asking.connect(stop)?;
    let mut check = || stop.check();
    let wait = Wait::new(budget.left()).tick(&mut check);
    let stats = match &asked.name {
        Some(name) => controller.command(name, &Command::Stats, &Value::Null, wait),
        None => controller.stats(wait),
    };
    print(&stats?, &asked.asking)
}

/// Sends a command without anything to go by, and prints the value that it gives.
pub fn ask(asked: &One, command: &Command, stop: &Stop) -> Result<(), Ending> {
    command_of(&asked.asking, &asked.name, command, &Value::Null, stop)
}

/// Sends a command with what was given to go by, and prints the value that it gives.
pub fn ask_with(asked: &Arguments, command: &Command, stop: &Stop) -> Result<(), Ending> {
    command_of(&asked.asking, &asked.name, command, &given(asked.value.as_deref(), stop)?, stop)
}

/// Sends a command of any name, and prints the value that it gives.
pub fn call(asked: &Call, stop: &Stop) -> Result<(), Ending> {
    let command = Command::from_name(&asked.verb)?;
    command_of(&asked.asking, &asked.name, &command, &given(asked.value.as_deref(), stop)?, stop)
}

/// The value of an argument, or null where there is none.
fn given(value: Option<&str>, stop: &Stop) -> Result<Value, Error> {
    value.map_or(Ok(Value::Null), |text| input::value(text, stop))
}

fn command_of(
    asking: &Asking,
    service: &str,
    command: &Command,
    arguments: &Value,
    stop: &Stop,
) -> Result<(), Ending> {
    let (controller, budget) = asking.connect(stop)?;
    let mut check = || stop.check();
    let wait = Wait::new(budget.left()).tick(&mut check);
    let value = controller.command(service, command, arguments, wait);
    print(&value.map_err(|e| e.on(service))?, asking)
}

pub fn print(value: &Value, asking: &Asking) -> Result<(), Ending> {
    match asking.json {
        true => output::json(value),
        false => output::write((display::lines(value) + "\n").as_bytes()),
    }
}

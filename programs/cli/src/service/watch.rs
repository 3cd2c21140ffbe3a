//! Prints the log, and changes as they happen.

use std::collections::HashMap;

use linkspan::service::{Controller, WatchOptions};
use linkspan::{ErrorKind, Timestamp, Value, Wait};

use super::args::{LogsArgs, WatchArgs};
use super::record::{shown_state, word};
use crate::exit::Exit;
use crate::signals::Signals;
use crate::stderr;
use crate::{display, output};

pub fn logs(args: &LogsArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.query.connect(signals)?;
    let mut check = || signals.check();
    if args.follow {
        // Before the log, so nothing is lost.
        let services = args.name.iter().cloned().collect();
        controller.watch(&WatchOptions { services, ..WatchOptions::default() })?;
    }
    let name = args.name.as_deref();
    let entries = match controller.log(name, args.lines, Wait::new(deadline.remaining()).tick(&mut check)) {
        // It may connect later: report that, and wait for it.
        Err(error) if args.follow && error.kind() == ErrorKind::NotFound => {
            stderr::print_note(error.text());
            Value::Array(Vec::new())
        }
        entries => entries?,
    };
    let entries = entries.as_array()?;
    for entry in entries {
        print_entry(entry, args.query.json)?;
    }
    if !args.follow {
        return Ok(());
    }
    follow(&controller, signals, |push| match push.at("entry") {
        // An entry that was pushed while the log was read is in both.
        Ok(entry) if !entries.contains(entry) => print_entry(entry, args.query.json),
        _ => Ok(()),
    })
}

fn print_entry(entry: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return output::json(entry);
    }
    let at = entry.at("at").map(display::lines).unwrap_or_default();
    let of = match word(entry, "service") {
        none if none.is_empty() => "controller".to_owned(),
        name => name,
    };
    output::write(format!("{at} {of} {}: {}\n", word(entry, "level"), word(entry, "text")).as_bytes())
}

pub fn watch(args: &WatchArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, _) = args.query.connect(signals)?;
    controller.watch(&WatchOptions { data_every: args.data, services: args.names.clone() })?;
    // Only programs get an event without a change.
    let mut shown = HashMap::new();
    follow(&controller, signals, |push| {
        if args.query.json {
            return output::json(push);
        }
        let Some((name, line)) = line(push) else { return Ok(()) };
        if shown.get(&name) == Some(&line) {
            return Ok(());
        }
        let written = output::write(format!("{} {line}\n", Timestamp::now()).as_bytes());
        shown.insert(name, line);
        written
    })
}

/// Returns a push as text: its subject and its content.
fn line(push: &Value) -> Option<(String, String)> {
    let name = word(push, "name");
    let line = match push.at("what").and_then(Value::as_text).ok()? {
        "service" => {
            let record = push.at("service").ok()?;
            let mut words = vec![word(record, "name"), shown_state(record), word(record, "view")];
            words.extend(
                ["problem", "reason"]
                    .map(|key| word(record, key))
                    .into_iter()
                    .filter(|text| !text.is_empty()),
            );
            return Some((words[0].clone(), words.join(" ")));
        }
        "gone" => return Some((name.clone(), format!("{name} is known no longer"))),
        "data" => {
            let value = display::lines(push.at("value").ok()?);
            let gap = if value.contains('\n') { '\n' } else { ' ' };
            format!("{name} data:{gap}{value}")
        }
        "missed" => format!("{} changes were too many to be sent", display::lines(push.at("count").ok()?)),
        // Another command shows the log.
        _ => return None,
    };
    Some((format!("the data of {name}"), line))
}

/// Prints events until a signal, or until no process reads them.
fn follow(
    controller: &Controller,
    signals: &Signals,
    mut print: impl FnMut(&Value) -> Result<(), Exit>,
) -> Result<(), Exit> {
    let mut check = || signals.check_stdout();
    loop {
        match print(&controller.next(Wait::new(None).tick(&mut check))?) {
            // As JSON, its data exceeds the longest message. Later events follow.
            Err(Exit::Error(error)) if error.kind() == ErrorKind::TooLarge => {
                stderr::print_line(&format!("an event is not printed: {}", stderr::described(&error)));
            }
            printed => printed?,
        }
    }
}

//! Many services in one process, each in a thread: `crowd FIRST COUNT` runs COUNT services from `crowd/FIRST` on until
//! SHUTDOWN.
//!
//! Each supports the command `add` with a number. Its data is the list of all added numbers in order.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use std::process::ExitCode;
use std::thread;

use linkspan::{Command, Result, ServiceLoop, ServiceOptions, Value};

fn serve(name: &str) -> Result<()> {
    let mut options = ServiceOptions::default();
    options.commands = vec!["add".into()];
    let tasks = ServiceLoop::start(name, &options)?;
    let mut numbers: Vec<Value> = Vec::new();
    while let Some(task) = tasks.next(None)? {
        let value = match task.command() {
            Command::Own(_) => {
                numbers.push(task.arguments().clone());
                Value::from(numbers.len() as u64)
            }
            Command::GetData => Value::Array(numbers.clone()),
            _ => Value::Null,
        };
        task.done(&value)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let (Some(Ok(first)), Some(Ok(count))) = (words.next(), words.next()) else { return ExitCode::from(2) };
    let serve = |at: usize| thread::spawn(move || serve(&format!("crowd/{at}")));
    let services: Vec<_> = (first..first + count).map(serve).collect();
    // Waits for each thread, even after a failed one.
    let failed =
        services.into_iter().map(thread::JoinHandle::join).filter(|ended| !matches!(ended, Ok(Ok(()))));
    ExitCode::from(u8::from(failed.count() > 0))
}

//! A service in Rust under the control of tests. See README.md.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for people and tests to read")]

use std::process::exit;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use linkspan::service::{Service, ServiceOptions, run};
use linkspan::{Error, ErrorKind, RemoteFailure, Result, Value};

/// Whether to abandon the current command.
type GivenUp = Arc<(Mutex<bool>, Condvar)>;

struct Counter {
    rows: i64,
    settings: Value,
    given_up: GivenUp,
}

impl Counter {
    /// Takes this long, or until the command is abandoned.
    fn dawdle(&self, seconds: f64) -> Result<Value> {
        let (flag, changed) = &*self.given_up;
        let mut given_up = flag.lock().unwrap_or_else(PoisonError::into_inner);
        *given_up = false;
        println!("dawdling");
        let long = Duration::from_secs_f64(seconds);
        let (given_up, _) =
            changed.wait_timeout_while(given_up, long, |up| !*up).unwrap_or_else(PoisonError::into_inner);
        if *given_up {
            return Err(Error::new(ErrorKind::Cancelled, "dawdling was given up"));
        }
        Ok(Value::from("dawdled"))
    }
}

impl Service for Counter {
    fn step(&mut self) -> Result<()> {
        self.rows += 1;
        Ok(())
    }
    fn on_pause(&mut self) -> Result<()> {
        println!("closed with {} rows", self.rows);
        Ok(())
    }
    fn on_checkpoint(&mut self) -> Result<()> {
        println!("checkpointed");
        Ok(())
    }
    fn data(&mut self) -> Result<Value> {
        Ok(Value::map([("rows", Value::from(self.rows)), ("settings", self.settings.clone())]))
    }
    fn on_config(&mut self, settings: &Value) -> Result<Value> {
        if *settings != Value::Null {
            self.settings = settings.clone();
        }
        Ok(self.settings.clone())
    }
    fn on_backup(&mut self, arguments: &Value) -> Result<Value> {
        Ok(Value::map([("to", arguments.clone()), ("rows", self.rows.into())]))
    }
    fn command(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        match name {
            "echo" => Ok(arguments.clone()),
            "dawdle" => self.dawdle(arguments.as_f64()?),
            "break" => Err(Error::remote(RemoteFailure {
                code: 7,
                kind: "counter.broken".into(),
                text: "asked to fail".into(),
                data: Vec::new(),
            })),
            _ => Err(Error::new(ErrorKind::NoSpace, "the disk is full, let us say")),
        }
    }
    fn commands(&self) -> Vec<String> {
        ["CONFIG", "BACKUP", "echo", "dawdle", "break", "fill"].map(str::to_owned).into()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        println!("usage: service NAME [paused]");
        exit(2);
    };
    let given_up = GivenUp::default();
    let mut options = ServiceOptions::default();
    options.every = Some(Duration::from_millis(20));
    options.paused = arguments.next().as_deref() == Some("paused");
    options.description = "counts rows".into();
    let flag = given_up.clone();
    options.on_cancel = Some(Arc::new(move || {
        *flag.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        flag.1.notify_all();
    }));
    let mut counter = Counter { rows: 0, settings: Value::Null, given_up };
    if let Err(error) = run(&mut counter, &name, &options) {
        println!("{error}");
        exit(1);
    }
    println!("stopped");
}

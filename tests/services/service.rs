//! The service in Rust, with hooks. See README.md.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linkspan::{Error, ErrorKind, RemoteFailure, Result, Service, ServiceOptions, Value};

struct Peer {
    gates: PathBuf,
    cancelled: Arc<AtomicBool>,
    steps: u64,
    breaks: bool,
}

impl Peer {
    fn gate(&self, name: &str) -> Result<()> {
        self.cancelled.store(false, Ordering::Release);
        while self.gates.join(name).exists() {
            if self.cancelled.load(Ordering::Acquire) {
                return Err(Error::new(ErrorKind::Cancelled, "the wait at a gate was cancelled"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Service for Peer {
    fn on_start(&mut self) -> Result<()> {
        self.gate("START")
    }

    fn step(&mut self) -> Result<()> {
        self.gate("STEP")?;
        if self.breaks {
            return Err(Error::new(ErrorKind::Internal, "asked to break"));
        }
        self.steps += 1;
        Ok(())
    }

    fn on_pause(&mut self) -> Result<()> {
        self.gate("PAUSE")
    }

    fn on_resume(&mut self) -> Result<()> {
        self.gate("RUN")
    }

    fn on_checkpoint(&mut self) -> Result<()> {
        self.gate("CHECKPOINT")
    }

    fn on_stop(&mut self) -> Result<()> {
        self.gate("SHUTDOWN")
    }

    fn data(&mut self) -> Result<Value> {
        self.gate("GET_DATA")?;
        Ok(Value::map([("language", Value::from("rust")), ("steps", self.steps.into())]))
    }

    fn on_config(&mut self, settings: &Value) -> Result<Value> {
        Ok(settings.clone())
    }

    fn on_backup(&mut self, arguments: &Value) -> Result<Value> {
        Ok(arguments.clone())
    }

    fn command(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        match name {
            "echo" => Ok(arguments.clone()),
            "break" => {
                self.breaks = true;
                Ok(Value::Null)
            }
            _ => Err(Error::remote(RemoteFailure {
                code: 7,
                kind: "peer.fail".into(),
                text: "asked to fail".into(),
                data: Vec::new(),
            })),
        }
    }

    fn commands(&self) -> Vec<String> {
        ["CONFIG", "BACKUP", "echo", "fail", "break"].map(str::to_owned).to_vec()
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(gates)) = (arguments.next(), arguments.next()) else { return ExitCode::from(2) };
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut options = ServiceOptions::default();
    options.every = Some(Duration::from_millis(20));
    options.paused = arguments.next().as_deref() == Some("ready");
    let seen = cancelled.clone();
    options.on_cancel = Some(Arc::new(move || seen.store(true, Ordering::Release)));
    let mut peer = Peer { gates: gates.into(), cancelled, steps: 0, breaks: false };
    ExitCode::from(u8::from(linkspan::run(&mut peer, &name, &options).is_err()))
}

//! Threads that read endpoints and services at each interval, and report changes in between.

use std::time::{Duration, Instant};

use linkspan::service::WatchOptions;
use linkspan::{Error, ErrorKind, Value};

use super::sampler::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, list_endpoints, list_services};
use crate::service::ControllerArgs;

pub enum Update {
    /// All endpoints, or the error of listing them, and the time in seconds of a monotonic clock.
    Endpoints(Result<Vec<Value>, Error>, f64),
    /// All services, or why they are not available.
    Services(Result<Vec<Value>, Error>, f64),
    Service(Value),
    Gone(String),
}

pub fn endpoints(every: Duration, send: impl Fn(Update) -> bool) {
    let started_at = Instant::now();
    loop {
        let sampled_at = Instant::now();
        let records = list_endpoints();
        // A silent name takes time, so counts are from before.
        if !send(Update::Endpoints(records, started_at.elapsed().as_secs_f64())) {
            return;
        }
        std::thread::sleep(every.saturating_sub(sampled_at.elapsed()));
    }
}

pub fn services(at: &ControllerArgs, every: Duration, send: impl Fn(Update) -> bool) {
    let started_at = Instant::now();
    while let Err(error) = follow(at, every, started_at, &send) {
        if !send(Update::Services(Err(error), started_at.elapsed().as_secs_f64())) {
            return;
        }
        std::thread::sleep(every);
    }
}

/// Until the controller is lost, which is an error, or the view ends.
fn follow(
    at: &ControllerArgs,
    every: Duration,
    started_at: Instant,
    send: &impl Fn(Update) -> bool,
) -> Result<(), Error> {
    let controller = at.connect(CONNECT_TIMEOUT)?;
    controller.watch(&WatchOptions::default())?;
    loop {
        let sampled_at = Instant::now();
        let records = list_services(&controller, ANSWER_TIMEOUT)?;
        if !send(Update::Services(Ok(records), started_at.elapsed().as_secs_f64())) {
            return Ok(());
        }
        loop {
            match controller.next(every.saturating_sub(sampled_at.elapsed())) {
                Ok(push) => {
                    if update_from(push).is_some_and(|news| !send(news)) {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                Err(error) => return Err(error),
            }
        }
    }
}

fn update_from(push: Value) -> Option<Update> {
    match push.at("what").and_then(Value::as_text).ok()? {
        "service" => push.at("service").ok().cloned().map(Update::Service),
        "gone" => push.at("name").and_then(Value::as_text).ok().map(|name| Update::Gone(name.to_owned())),
        _ => None,
    }
}

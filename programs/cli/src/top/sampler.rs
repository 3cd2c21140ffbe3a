//! Reads the open endpoints and the services of a controller, for one sample.

use std::time::Duration;

use linkspan::registry::{self, Listed};
use linkspan::service::Controller;
use linkspan::{Error, Value, Wait, one_line};

pub fn error_line(error: &Error) -> String {
    let text = format!("{} ({}): {}", error.kind().name(), error.kind().code(), error.text());
    one_line(&text).to_string()
}

pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time to find out that no controller runs.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

pub fn list_endpoints() -> Result<Vec<Value>, Error> {
    Ok(registry::list()?.iter().map(Listed::to_value).collect())
}

pub fn list_services<'a>(controller: &Controller, wait: impl Into<Wait<'a>>) -> Result<Vec<Value>, Error> {
    Ok(controller.services(wait)?.as_array()?.to_vec())
}

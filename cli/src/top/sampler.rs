//! Reads the open endpoints and the services of a controller, for one sample.

use std::time::Duration;

use linkspan::registry::{self, Listed};
use linkspan::service::Controller;
use linkspan::{Error, ErrorKind, Value, Wait, one_line};

use crate::service::ControllerArgs;

/// Returns an error in a line of the screen.
pub fn error_line(error: &Error) -> String {
    let text = format!("{} ({}): {}", error.kind().name(), error.kind().code(), error.text());
    one_line(&text).to_string()
}

/// The time-out of an answer of a controller.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time to find that there is none.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Returns the endpoints that are open here, as maps.
pub fn list_endpoints() -> Result<Vec<Value>, Error> {
    Ok(registry::list()?.iter().map(Listed::to_value).collect())
}

/// Returns the text for a missing controller, which is no error.
pub fn no_controller(at: &ControllerArgs, error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Disconnected => {
            let text = format!("no controller at {}: `linkspan controller` is one", at.endpoint());
            Error::new(error.kind(), text)
        }
        _ => error,
    }
}

/// Returns all services of a controller.
pub fn list_services<'a>(controller: &Controller, wait: impl Into<Wait<'a>>) -> Result<Vec<Value>, Error> {
    Ok(controller.services(wait)?.as_array()?.to_vec())
}

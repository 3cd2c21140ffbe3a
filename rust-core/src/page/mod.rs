//! The rules of the controller's page, for every web server that serves it.
//!
//! The shell program serves the page, and so does a PHP application. Both use this module for access, the
//! HTTP status and body of an error, and the meaning of a command in a request's body; neither has rules of
//! its own. Nothing here opens a socket or waits: the web server passes in what it received, and sends the
//! result.
//!
//! The order of a request:
//!
//! 1. [`Origin::check`] refuses requests for another name and those that another site's page made. It comes before everything
//!    else, for the page's files too.
//! 2. [`bearer`] and [`Token::is`] for every address but the page's own files.
//! 3. [`CommandBody::decode`] for a command, [`log_lines`] for the log.
//! 4. [`Problem`] for whatever fails; [`answer_status`] for an answer that is not a failure.
//! 5. [`SECURITY_HEADERS`] on every response.

mod access;
mod command;
mod event;
mod limits;
mod problem;
mod token;

pub use access::{Origin, RequestHead, SECURITY_HEADERS, bearer, check_content, wrong_token};
pub use command::{CommandBody, answer_status, log_lines};
pub use event::{Event, MAX_EVENT_DATA};
pub use limits::{
    DEFAULT_LOG_LINES, DEFAULT_WITHIN, MAX_BODY, MAX_LOG_LINES, MAX_WITHIN, SNAPSHOT_LOG_LINES,
};
pub use problem::{Problem, status};
pub use token::{Token, random_id, read_private};

#[cfg(test)]
mod tests;

//! What is asked for and answered: services, their commands, the log, and what happens.

use std::sync::Arc;
use std::time::Duration;

use axum::body;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use linkspan::service::CommandRequest;
use linkspan::{Answer, Command, Encoding, ErrorKind, Map, Outcome, Timeout, Value, codec};
use percent_encoding::percent_decode_str;
use tokio::sync::watch;
use tokio::time::timeout;

use super::feed::Feed;
use super::metrics;
use super::pool::Pool;
use super::problem::{Problem, json};
use super::token;

/// The longest body of a request.
const BODY_LIMIT: usize = 64 << 10;
/// How long the body of a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Questions that the controller answers by itself, at once; and commands, which wait for services.
const QUESTIONS: usize = 6;
const COMMANDS: usize = 16;
/// How long the controller may take for a question.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the answer to a command may come after the time that the command had: the controller says so when it has passed.
const GRACE: Duration = Duration::from_secs(2);
/// How long a command has where nothing is said, and at most.
const WITHIN: f64 = 30.0;
const WITHIN_AT_MOST: f64 = 600.0;
/// Lines of the log, where nothing is said, and at most.
const LINES: usize = 200;
const LINES_AT_MOST: usize = 2000;

/// What the answers are made from.
pub struct ControllerClient {
    questions: Arc<Pool>,
    commands: Arc<Pool>,
    feed: Arc<Feed>,
    stopped: watch::Receiver<bool>,
}

impl ControllerClient {
    /// Asks the controller at `controller`; streams end when `stopped` turns true.
    pub fn new(controller: &str, feed: Arc<Feed>, stopped: watch::Receiver<bool>) -> ControllerClient {
        ControllerClient {
            questions: Pool::new(controller, QUESTIONS),
            commands: Pool::new(controller, COMMANDS),
            feed,
            stopped,
        }
    }
}

/// A handler's answer.
type Answered = Result<Response, Problem>;
type Step = Result<Path<String>, PathRejection>;

fn decoded<T>(steps: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    steps.map(|Path(steps)| steps).map_err(|error| {
        let text = format!("the address cannot be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, text)
    })
}

/// A parameter behind the `?`.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// Every service's record.
pub async fn services(State(client): State<Arc<ControllerClient>>) -> Answered {
    let services = client.questions.ask(|controller| controller.services(PATIENCE)).await?;
    Ok(json(StatusCode::OK, &services))
}

/// What is measured, in Prometheus' text form.
pub async fn metrics(State(client): State<Arc<ControllerClient>>) -> Answered {
    let asked =
        client.questions.ask(|controller| Ok((controller.stats(PATIENCE)?, controller.services(PATIENCE)?)));
    let (figures, services) = asked.await?;
    Ok(([(CONTENT_TYPE, metrics::KIND)], metrics::text(&figures, &services)).into_response())
}

/// The record of one.
pub async fn status(State(client): State<Arc<ControllerClient>>, name: Step) -> Answered {
    let name = decoded(name)?;
    let record = client.questions.ask(move |controller| controller.status(&name, PATIENCE)).await?;
    Ok(json(StatusCode::OK, &record))
}

/// What became of a command.
pub async fn answer(
    State(client): State<Arc<ControllerClient>>,
    steps: Result<Path<(String, String)>, PathRejection>,
) -> Answered {
    let (name, id) = decoded(steps)?;
    let answer = client.questions.ask(move |controller| controller.answer(&name, &id, PATIENCE)).await?;
    Ok(json(status_of(&answer), &answer.to_value()))
}

/// Gives a service a command.
pub async fn command(State(client): State<Arc<ControllerClient>>, name: Step, request: Request) -> Answered {
    let name = decoded(name)?;
    check_kind(request.headers())?;
    let (order, wait) = order(&read(request.into_body()).await?)?;
    let (id, within) = (order.id.clone(), order.within);
    let asked = client.commands.ask(move |controller| match wait {
        true => controller.request(&name, &order, within + GRACE),
        false => controller.begin(&name, &order.command, &order.arguments, within, Timeout::After(PATIENCE)),
    });
    let answer = asked.await?;
    debug_assert!(!wait || answer.id == id, "the answer to {id} is one to {}", answer.id);
    match Problem::of_answer(&answer) {
        Some(problem) => Err(problem),
        None => Ok(json(status_of(&answer), &answer.to_value())),
    }
}

/// The last lines of the log.
pub async fn log(State(client): State<Arc<ControllerClient>>, RawQuery(query): RawQuery) -> Answered {
    let service = parameter(query.as_deref(), "service").filter(|name| !name.is_empty());
    let lines = match parameter(query.as_deref(), "lines") {
        None => LINES,
        Some(text) => text.parse().ok().filter(|n| (1..=LINES_AT_MOST).contains(n)).ok_or_else(|| {
            let text = format!("lines={text}: ask for 1 to {LINES_AT_MOST} lines");
            Problem::new(StatusCode::BAD_REQUEST, ErrorKind::OutOfRange, text)
        })?,
    };
    let log =
        client.questions.ask(move |controller| controller.log(service.as_deref(), lines, PATIENCE)).await?;
    Ok(json(StatusCode::OK, &log))
}

/// What happens, for as long as it is read.
pub async fn events(State(client): State<Arc<ControllerClient>>, headers: HeaderMap) -> Answered {
    super::events::stream(&client.feed, &headers, client.stopped.clone())
}

fn status_of(answer: &Answer) -> StatusCode {
    if answer.outcome == Outcome::Accepted { StatusCode::ACCEPTED } else { StatusCode::OK }
}

/// A form of another page can send text and forms, but never this type.
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let text = format!("a command is sent as application/json, not compressed; this one came as {kind:?}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorKind::Unsupported, text))
}

async fn read(body: Body) -> Result<body::Bytes, Problem> {
    match timeout(BODY_TIME, body::to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let too_long = std::error::Error::source(&error).is_some_and(|e| e.is::<LengthLimitError>());
            Err(match too_long {
                true => {
                    let text = format!("a request's body has at most {BODY_LIMIT} bytes");
                    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::TooLarge, text)
                }
                false => {
                    let text = format!("the request's body could not be read: {error}");
                    Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, text)
                }
            })
        }
        Err(_) => {
            let text = format!("the request's body was not whole after {} s", BODY_TIME.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, ErrorKind::Timeout, text))
        }
    }
}

/// The command in a body, and whether its end is waited for.
fn order(body: &[u8]) -> Result<(CommandRequest, bool), Problem> {
    let value = codec::decode(body, Encoding::Json)?;
    let map = value.as_map()?;
    if let Some(other) =
        map.keys().find(|key| !["command", "arguments", "id", "within", "wait"].contains(&key.as_str()))
    {
        let text =
            format!("{other:?} is no part of a command: it has command, arguments, id, within and wait");
        return Err(Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, text));
    }
    let word = map.get("command").ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, "the body says no command")
    })?;
    let command = Command::from_name(word.as_text()?)?;
    let wait = map.get("wait").map_or(Ok(true), Value::as_bool)?;
    let mut order = Map::new();
    order.insert("command".into(), command.name().into());
    let id = match map.get("id") {
        Some(id) => id.as_text()?.to_owned(),
        None => token::id()?,
    };
    order.insert("id".into(), id.into());
    let within = match map.get("within") {
        None => WITHIN,
        Some(Value::Int(seconds)) => *seconds as f64,
        Some(seconds) => seconds.as_f64()?,
    };
    if !(within > 0.0 && within <= WITHIN_AT_MOST) {
        let text = format!("within is {within}: give seconds, more than 0 and at most {WITHIN_AT_MOST}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, ErrorKind::OutOfRange, text));
    }
    order.insert("within".into(), within.into());
    if let Some(arguments) = map.get("arguments") {
        order.insert("arguments".into(), arguments.clone());
    }
    Ok((CommandRequest::from_value(&Value::Map(order))?, wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> StatusCode {
        order(body.as_bytes()).err().unwrap_or_else(|| panic!("{body} is taken")).into_response().status()
    }

    #[test]
    fn a_command_is_read_as_it_was_meant() {
        let (order, wait) =
            order(br#"{"command": "calibrate", "arguments": {"volts": 5}, "id": "a1", "within": 2.5}"#)
                .unwrap();
        assert_eq!((&*order.id, order.within, wait), ("a1", Duration::from_millis(2500), true));
        assert_eq!(order.command, Command::Own("calibrate".into()));
        assert_eq!(order.arguments, Value::map([("volts", 5)]));
        let (order, wait) = super::order(br#"{"command": "PAUSE", "wait": false, "within": 7}"#).unwrap();
        assert!(!order.id.is_empty() && !wait && order.epoch.is_none());
        assert_ne!(order.id, super::order(br#"{"command": "PAUSE"}"#).unwrap().0.id);
    }

    #[test]
    fn what_is_no_command_is_a_bad_request() {
        for body in [
            "",
            "{",
            "[]",
            "7",
            "null",
            "{}",
            r#"{"command": 7}"#,
            r#"{"command": "STEP"}"#,
            r#"{"command": "EXPLODE"}"#,
            r#"{"command": "PAUSE", "id": ""}"#,
            r#"{"command": "PAUSE", "within": 0}"#,
            r#"{"command": "PAUSE", "within": 1e9}"#,
            r#"{"command": "PAUSE", "within": "soon"}"#,
            r#"{"command": "PAUSE", "wait": 1}"#,
            r#"{"command": "PAUSE", "epoch": 1}"#,
            "{\"command\": \"PA\u{0}USE\"}",
        ] {
            assert_eq!(refused(body), StatusCode::BAD_REQUEST, "{body}");
        }
        let long = format!(r#"{{"command": "PAUSE", "id": "{}"}}"#, "x".repeat(65));
        assert_eq!(refused(&long), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter(Some("lines=5&service=lab%2Fpower"), "service").as_deref(), Some("lab/power"));
        assert_eq!(parameter(Some("lines=5"), "service"), None);
    }
}

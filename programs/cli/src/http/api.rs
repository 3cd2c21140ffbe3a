//! Requests and responses: services, commands, the log, events.

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
use linkspan::page::{self, CommandBody, MAX_BODY};
use linkspan::{Answer, ErrorKind, Timeout};
use percent_encoding::percent_decode_str;
use tokio::sync::watch;
use tokio::time::timeout;

use super::feed::Feed;
use super::metrics;
use super::pool::Pool;
use super::problem::{Problem, json, status};

const BODY_TIME: Duration = Duration::from_secs(10);
/// The most concurrent queries, which the controller answers at once; and commands, which wait for services.
const QUESTIONS: usize = 6;
const COMMANDS: usize = 16;
/// How long the controller may take for a query.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much later than a command's deadline its answer may arrive.
///
/// The controller answers when the deadline has passed.
const GRACE: Duration = Duration::from_secs(2);

pub struct ControllerClient {
    questions: Arc<Pool>,
    commands: Arc<Pool>,
    feed: Arc<Feed>,
    stopped: watch::Receiver<bool>,
}

impl ControllerClient {
    pub fn new(controller: &str, feed: Arc<Feed>, stopped: watch::Receiver<bool>) -> ControllerClient {
        ControllerClient {
            questions: Pool::new(controller, QUESTIONS),
            commands: Pool::new(controller, COMMANDS),
            feed,
            stopped,
        }
    }
}

type Answered = Result<Response, Problem>;
type Step = Result<Path<String>, PathRejection>;

fn decoded<T>(steps: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    steps.map(|Path(steps)| steps).map_err(|error| {
        let text = format!("the address cannot be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, ErrorKind::Malformed, text)
    })
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

pub async fn services(State(client): State<Arc<ControllerClient>>) -> Answered {
    let services = client.questions.ask(|controller| controller.services(PATIENCE)).await?;
    Ok(json(StatusCode::OK, &services))
}

pub async fn metrics(State(client): State<Arc<ControllerClient>>) -> Answered {
    let pending =
        client.questions.ask(|controller| Ok((controller.stats(PATIENCE)?, controller.services(PATIENCE)?)));
    let (figures, services) = pending.await?;
    Ok(([(CONTENT_TYPE, metrics::KIND)], metrics::text(&figures, &services)).into_response())
}

pub async fn service(State(client): State<Arc<ControllerClient>>, name: Step) -> Answered {
    let name = decoded(name)?;
    let record = client.questions.ask(move |controller| controller.status(&name, PATIENCE)).await?;
    Ok(json(StatusCode::OK, &record))
}

pub async fn answer(
    State(client): State<Arc<ControllerClient>>,
    steps: Result<Path<(String, String)>, PathRejection>,
) -> Answered {
    let (name, id) = decoded(steps)?;
    let answer = client.questions.ask(move |controller| controller.answer(&name, &id, PATIENCE)).await?;
    Ok(json(status_of(&answer), &answer.to_value()))
}

pub async fn command(State(client): State<Arc<ControllerClient>>, name: Step, request: Request) -> Answered {
    let name = decoded(name)?;
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    page::check_content(kind, request.headers().contains_key(CONTENT_ENCODING))?;
    let CommandBody { request, wait } = CommandBody::decode(&read(request.into_body()).await?)?;
    let (id, within) = (request.id.clone(), request.within);
    let pending = client.commands.ask(move |controller| match wait {
        true => controller.request(&name, &request, within.saturating_add(GRACE)),
        false => {
            controller.begin(&name, &request.command, &request.arguments, within, Timeout::After(PATIENCE))
        }
    });
    let answer = pending.await?;
    debug_assert!(!wait || answer.id == id, "the answer to {id} is one to {}", answer.id);
    match page::Problem::of_answer(&answer) {
        Some(problem) => Err(problem.into()),
        None => Ok(json(status_of(&answer), &answer.to_value())),
    }
}

pub async fn log(State(client): State<Arc<ControllerClient>>, RawQuery(query): RawQuery) -> Answered {
    let service = parameter(query.as_deref(), "service").filter(|name| !name.is_empty());
    let lines = page::log_lines(parameter(query.as_deref(), "lines").as_deref())?;
    let log =
        client.questions.ask(move |controller| controller.log(service.as_deref(), lines, PATIENCE)).await?;
    Ok(json(StatusCode::OK, &log))
}

pub async fn events(State(client): State<Arc<ControllerClient>>, headers: HeaderMap) -> Answered {
    super::events::stream(&client.feed, &headers, client.stopped.clone())
}

fn status_of(answer: &Answer) -> StatusCode {
    status(page::answer_status(answer))
}

async fn read(body: Body) -> Result<body::Bytes, Problem> {
    match timeout(BODY_TIME, body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let too_long = std::error::Error::source(&error).is_some_and(|e| e.is::<LengthLimitError>());
            Err(match too_long {
                true => page::Problem::body_too_long().into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter(Some("lines=5&service=lab%2Fpower"), "service").as_deref(), Some("lab/power"));
        assert_eq!(parameter(Some("lines=5"), "service"), None);
    }
}

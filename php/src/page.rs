//! `Linkspan\ControllerPage` and `Linkspan\Problem`: the core's rules of the controller's page for PHP.

use std::path::Path;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, ZendObject, Zval};
use linkspan::page::{self, CommandBody, Event, Origin, RequestHead, Token};
use linkspan::{Error, ErrorKind, Map, RemoteFailure, Result, Value};

use crate::call::call_php;
use crate::edge::{PhpResult, edge};
use crate::from_wire::{table_from, zval_from};
use crate::received::Answer;
use crate::scalars::{AnyString, Text};
use crate::to_wire::PhpValue;
use crate::zend::{self, Made, into_zval, made, try_made, try_made_some};

#[php_class]
#[php(name = "Linkspan\\Problem", flags = zend::FINAL)]
pub struct Problem(page::Problem);

/// Returns `None` for null.
fn got(error: &ZendObject, getter: &str) -> Result<Option<Value>> {
    let called = call_php(|| error.try_call_method(getter, Vec::new()))?;
    let zval = called.map_err(|_| {
        let text = format!("a problem is made of a LinkspanException, and this object has no {getter}()");
        Error::new(ErrorKind::WrongType, text)
    })?;
    Ok(Some(PhpValue(&zval).to_value()?).filter(|value| *value != Value::Null))
}

fn text(error: &ZendObject, getter: &str) -> Result<String> {
    let value = got(error, getter)?.unwrap_or(Value::Null);
    Ok(value.as_text().map_err(|e| e.under_key(getter))?.to_owned())
}

fn kind_named(name: &str) -> Option<ErrorKind> {
    ErrorKind::ALL.iter().copied().find(|kind| kind.name() == name)
}

fn problem_of(error: &ZendObject) -> Result<page::Problem> {
    let kind = kind_named(&text(error, "getKind")?).unwrap_or(ErrorKind::Internal);
    if got(error, "getRemoteType")?.is_none() {
        return Ok(page::Problem::new(page::status(kind), kind, text(error, "getMessage")?));
    }
    let code = got(error, "getRemoteCode")?.map_or(Ok(0), |code| code.as_i64())?;
    let failure = RemoteFailure::new(code, text(error, "getRemoteType")?, text(error, "getRemoteText")?);
    Ok(page::Problem::remote(kind, &failure))
}

#[php_impl]
impl Problem {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| {
            Err(Error::new(
                ErrorKind::InvalidState,
                "use Problem::of, ofAnswer, unreachable, method or create",
            ))
        })
    }

    pub fn of(error: &ZendObject) -> PhpResult<Made<Problem>> {
        edge(|| try_made(|| problem_of(error).map(Problem)))
    }

    pub fn of_answer(answer: &Answer) -> PhpResult<Option<Made<Problem>>> {
        edge(|| try_made_some(|| Ok(page::Problem::of_answer(&answer.0).map(Problem))))
    }

    pub fn unreachable(error: &ZendObject) -> PhpResult<Made<Problem>> {
        edge(|| {
            try_made(|| {
                let problem = problem_of(error)?;
                Ok(Problem(page::Problem::unreachable(&Error::new(problem.kind(), problem.detail()))))
            })
        })
    }

    pub fn method(allow: &str) -> Made<Problem> {
        made(|| Problem(page::Problem::method(allow)))
    }

    pub fn create(status: i64, kind: &str, detail: &str) -> PhpResult<Made<Problem>> {
        edge(|| {
            try_made(|| {
                let status = u16::try_from(status)
                    .ok()
                    .filter(|status| (400..600).contains(status))
                    .ok_or_else(|| {
                        let text = format!("{status} is no HTTP status of an error, which is 400 to 599");
                        Error::new(ErrorKind::OutOfRange, text)
                    })?;
                let kind = kind_named(kind).ok_or_else(|| {
                    Error::new(
                        ErrorKind::OutOfRange,
                        format!("{kind:?} is not a kind of error; ErrorKind has the table"),
                    )
                })?;
                Ok(Problem(page::Problem::new(status, kind, detail)))
            })
        })
    }

    #[php(getter)]
    pub fn get_status(&self) -> i64 {
        i64::from(self.0.status())
    }

    #[php(getter)]
    pub fn get_kind(&self) -> Text {
        Text::of(self.0.kind().name())
    }

    #[php(getter)]
    pub fn get_detail(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(self.0.detail()))
    }

    #[php(getter)]
    pub fn get_headers(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| headers(self.0.headers()))
    }

    #[php(getter)]
    pub fn get_body(&self) -> PhpResult<Text> {
        edge(|| Text::within_limit(ext_php_rs::zend::BailoutGuard::new(self.0.body()?).as_slice()))
    }
}

fn headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<ZBox<ZendHashTable>> {
    let map: Map = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    table_from(Value::Map(map))
}

/// Returns a text variable of `$_SERVER`.
fn variable<'a>(server: &'a ZendHashTable, name: &str) -> Option<&'a str> {
    server.get(name).and_then(Zval::str)
}

fn answered(problem: std::result::Result<(), page::Problem>) -> PhpResult<Option<Made<Problem>>> {
    edge(|| try_made_some(|| Ok(problem.err().map(Problem))))
}

#[php_class]
#[php(name = "Linkspan\\ControllerPage", flags = zend::FINAL)]
pub struct ControllerPage {
    token_file: String,
    hosts: Vec<String>,
}

#[php_impl]
impl ControllerPage {
    pub const MAX_BODY: i64 = page::MAX_BODY as i64;
    pub const SNAPSHOT_LOG_LINES: i64 = page::SNAPSHOT_LOG_LINES as i64;

    #[php(optional = hosts)]
    pub fn __construct(token_file: &str, hosts: Option<&ZendHashTable>) -> PhpResult<Self> {
        edge(|| {
            let hosts = hosts.map_or(Ok(Vec::new()), |hosts| {
                let host = |zval: &Zval| PhpValue(zval).to_value()?.as_text().map(str::to_owned);
                zend::Entries::new(hosts)
                    .map(|(_, zval)| host(zval).map_err(|e| e.under_key("hosts")))
                    .collect()
            })?;
            Ok(ControllerPage { token_file: token_file.to_owned(), hosts })
        })
    }

    pub fn check_origin(&self, server: &ZendHashTable) -> PhpResult<Option<Made<Problem>>> {
        let get = |name| variable(server, name);
        let target = get("REQUEST_URI").unwrap_or("");
        let head = RequestHead {
            method: get("REQUEST_METHOD").unwrap_or(""),
            path: target.split('?').next().unwrap_or(""),
            // PHP's servers put the host of an absolute-form target into HTTP_HOST.
            authority: None,
            is_https: get("HTTPS") == Some("on"),
            // An address that does not parse is not this machine's.
            peer: Some(get("REMOTE_ADDR").and_then(|peer| peer.parse().ok()).unwrap_or([0, 0, 0, 0].into())),
            host: get("HTTP_HOST"),
            origin: get("HTTP_ORIGIN"),
            fetch_site: get("HTTP_SEC_FETCH_SITE"),
            fetch_mode: get("HTTP_SEC_FETCH_MODE"),
            fetch_dest: get("HTTP_SEC_FETCH_DEST"),
        };
        let port = get("SERVER_PORT").and_then(|port| port.parse().ok()).unwrap_or(0);
        answered(Origin { port, remote: false, hosts: self.hosts.clone() }.check(&head))
    }

    pub fn check_token(&self, server: &ZendHashTable) -> PhpResult<Option<Made<Problem>>> {
        let check = || {
            let shown = page::bearer(variable(server, "HTTP_AUTHORIZATION").map(str::as_bytes))?;
            // An unusable file allows no request.
            let refused = |text: String| page::Problem::new(403, ErrorKind::PermissionDenied, text);
            let token =
                Token::from_file(Path::new(&self.token_file)).map_err(|e| refused(e.text().to_owned()))?;
            let token = token.ok_or_else(|| {
                refused(format!(
                    "there is no file {:?} with the page's token; make it with mode 0600",
                    self.token_file
                ))
            })?;
            if token.is(shown) { Ok(()) } else { Err(page::wrong_token()) }
        };
        answered(check())
    }

    pub fn security_headers() -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| headers(page::SECURITY_HEADERS))
    }

    /// Returns a map, or the problem.
    pub fn decode_command(server: &ZendHashTable, body: AnyString<'_>) -> PhpResult<Zval> {
        let decode = || {
            let kind = variable(server, "CONTENT_TYPE").unwrap_or("");
            page::check_content(kind, server.get("HTTP_CONTENT_ENCODING").is_some())?;
            CommandBody::decode(body.0)
        };
        edge(|| match decode() {
            Ok(CommandBody { request, wait }) => {
                let map = Value::map([
                    ("id", Value::from(&*request.id)),
                    ("command", request.command.name().into()),
                    ("arguments", request.arguments),
                    ("within", request.within.as_secs_f64().into()),
                    ("wait", wait.into()),
                ]);
                zval_from(map)
            }
            Err(problem) => try_made(|| Ok(Problem(problem))).map(into_zval),
        })
    }

    /// Returns a number, or the problem.
    #[php(optional = parameter)]
    pub fn log_lines(parameter: Option<&Zval>) -> PhpResult<Zval> {
        // A parameter that is not text, such as lines[]=1, is not a number either.
        let text = parameter.filter(|zval| !zval.is_null()).map(|zval| zval.str().unwrap_or(""));
        edge(|| match page::log_lines(text) {
            Ok(lines) => zval_from(Value::from(lines as u64)),
            Err(problem) => try_made(|| Ok(Problem(problem))).map(into_zval),
        })
    }

    pub fn answer_status(answer: &Answer) -> i64 {
        i64::from(page::answer_status(&answer.0))
    }

    /// Returns the name and the JSON; `None` if the page does not show the event.
    pub fn event(event: &Zval) -> PhpResult<Option<ZBox<ZendHashTable>>> {
        edge(|| {
            let Some(Event { name, json }) = Event::of(&PhpValue(event).to_value()?)? else {
                return Ok(None);
            };
            table_from(Value::map([("name", name.into()), ("json", Value::from(json))])).map(Some)
        })
    }
}

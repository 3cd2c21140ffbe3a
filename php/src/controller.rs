//! `Linkspan\Controller` and `Linkspan\ServiceHandle`: commands and queries for services.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, Zval};
use ext_php_rs::zend::BailoutGuard;
use linkspan::service::{self, Command, CommandRequest};
use linkspan::{Error, ErrorKind, Options, Result, Timeout, Value, Wait};

use crate::edge::{PhpResult, edge};
use crate::from_wire::{table_from, zval_from};
use crate::options::{self, FOREVER, Seconds, Waiter};
use crate::received::Answer;
use crate::scalars::Text;
use crate::to_wire::PhpValue;
use crate::watch::Watch;
use crate::zend::{self, Made, into_zval, try_made};

/// The default number of lines of a log.
const LINES: i64 = 100;

struct Controlling {
    inner: Arc<service::Controller>,
    options: Options,
    waiter: Waiter,
}

impl Controlling {
    fn ask<T>(
        &self,
        timeout: Seconds,
        call: impl FnOnce(&service::Controller, Wait<'_>) -> Result<T>,
    ) -> Result<T> {
        self.waiter.wait(timeout, |wait| call(&self.inner, wait))
    }
}

/// Returns a connection for a single object, left by an earlier request if possible.
///
/// No two objects share a connection, because a fiber may call through the second while the first waits.
fn connection(endpoint: &str, options: &Options, waiter: &Waiter) -> Result<Arc<service::Controller>> {
    const KEPT_AND_OURS: usize = 2;
    let kept =
        waiter.wait(Seconds::DEFAULT, |wait| service::Controller::persistent(endpoint, options, wait))?;
    if Arc::strong_count(&kept) == KEPT_AND_OURS {
        return Ok(kept);
    }
    let own = waiter.wait(Seconds::DEFAULT, |wait| service::Controller::connect(endpoint, options, wait))?;
    Ok(Arc::new(own))
}

fn within(timeout: Seconds, options: &Options) -> Result<Duration> {
    match timeout.or(options.timeout)? {
        Timeout::After(within) => Ok(within),
        Timeout::Default | Timeout::Forever => Ok(Duration::MAX),
    }
}

#[php_class]
#[php(name = "Linkspan\\Controller", flags = zend::FINAL)]
pub struct Controller(Rc<Controlling>);

#[php_impl]
impl Controller {
    #[php(optional = endpoint)]
    pub fn __construct(endpoint: Option<&str>, options: &[&Zval]) -> PhpResult<Self> {
        edge(|| {
            let (options, waiter) = options::of_call(options)?;
            let endpoint = endpoint.map_or_else(service::Controller::default_endpoint, str::to_owned);
            let inner = connection(&endpoint, &options, &waiter)?;
            Ok(Controller(Rc::new(Controlling { inner, options, waiter })))
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn services(&self, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table_from(self.0.ask(timeout, |it, wait| it.services(wait))?))
    }

    pub fn service(&self, name: &str) -> PhpResult<Made<ServiceHandle>> {
        edge(|| try_made(|| Ok(ServiceHandle { controller: self.0.clone(), name: name.to_owned() })))
    }

    #[php(defaults(lines = LINES, timeout = Seconds::DEFAULT))]
    pub fn log(&self, lines: i64, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table_from(self.0.ask(timeout, |it, wait| it.log(None, count(lines)?, wait))?))
    }

    #[php(defaults(timeout = FOREVER))]
    pub fn watch(
        &self,
        services: Option<&ZendHashTable>,
        data_every: Option<f64>,
        timeout: Seconds,
    ) -> PhpResult<Made<Watch>> {
        edge(|| {
            try_made(|| {
                let what = service::WatchOptions {
                    services: services.map(names).transpose()?.unwrap_or_default(),
                    data_every: data_every.map(seconds).transpose()?,
                };
                let Controlling { inner, options, waiter } = &*self.0;
                // On a shared connection, pushed events would arrive among the answers of a later request.
                let own = waiter.wait(Seconds::DEFAULT, |wait| {
                    service::Controller::connect(inner.endpoint(), options, wait)
                })?;
                own.watch(&what)?;
                Ok(Watch::new(own, waiter.again(), timeout))
            })
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn forget(&self, service: &str, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.0.ask(timeout, |it, wait| it.forget(service, wait)))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn stats(&self, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table_from(self.0.ask(timeout, |it, wait| it.stats(wait))?))
    }

    pub fn endpoint(&self) -> Text {
        Text::of(self.0.inner.endpoint())
    }

    pub fn close(&self) {
        self.0.inner.close();
    }
}

#[php_class]
#[php(name = "Linkspan\\ServiceHandle", flags = zend::FINAL)]
pub struct ServiceHandle {
    controller: Rc<Controlling>,
    name: String,
}

impl ServiceHandle {
    /// Returns the result, or, without `wait`, the first answer.
    fn send_command(
        &self,
        command: Command,
        arguments: Value,
        timeout: Seconds,
        wait: bool,
    ) -> PhpResult<Zval> {
        edge(|| {
            if wait {
                let value = self
                    .controller
                    .ask(timeout, |it, wait| it.command(&self.name, &command, &arguments, wait))?;
                drop((command, arguments));
                return zval_from(value);
            }
            // The time-out is that of the completion. The acceptance arrives at once, and a missed deadline as an
            // answer.
            let within = within(timeout, &self.controller.options)?;
            let what = BailoutGuard::new((command, arguments));
            let begin = |it: &service::Controller, wait: Wait<'_>| {
                it.begin(&self.name, &what.0, &what.1, within, wait)
            };
            try_made(|| self.controller.ask(Seconds::DEFAULT, begin).map(Answer)).map(into_zval)
        })
    }

    fn simply(&self, command: Command, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.send_command(command, Value::Null, timeout, wait)
    }
}

#[php_impl]
impl ServiceHandle {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "use Controller::service")))
    }

    #[php(getter)]
    pub fn get_name(&self) -> Text {
        Text::of(&self.name)
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn status(&self, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table_from(self.controller.ask(timeout, |it, wait| it.status(&self.name, wait))?))
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn get_data(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::GetData, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn pause(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::Pause, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn run(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::Run, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn checkpoint(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::Checkpoint, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn shutdown(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::Shutdown, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true), optional = settings)]
    pub fn config(&self, settings: Option<&Zval>, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.send_command(Command::Config, edge(|| value(settings))?, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn backup(&self, path: &str, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.send_command(Command::Backup, Value::map([("path", path)]), timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true), optional = id)]
    pub fn cancel(&self, id: Option<&str>, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        let id = id.map_or(Value::Null, |id| Value::map([("id", id)]));
        self.send_command(Command::Cancel, id, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn describe(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::Describe, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true))]
    pub fn stats(&self, timeout: Seconds, wait: bool) -> PhpResult<Zval> {
        self.simply(Command::Stats, timeout, wait)
    }

    #[php(defaults(lines = LINES, timeout = Seconds::DEFAULT))]
    pub fn log(&self, lines: i64, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| {
            let name = Some(self.name.as_str());
            table_from(self.controller.ask(timeout, |it, wait| it.log(name, count(lines)?, wait))?)
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT, wait = true), optional = arguments)]
    pub fn command(
        &self,
        command: &Zval,
        arguments: Option<&Zval>,
        timeout: Seconds,
        wait: bool,
    ) -> PhpResult<Zval> {
        let (command, arguments) = edge(|| Ok((command_of(command)?, value(arguments)?)))?;
        self.send_command(command, arguments, timeout, wait)
    }

    #[php(defaults(timeout = Seconds::DEFAULT), optional = arguments)]
    pub fn order(
        &self,
        id: &str,
        command: &Zval,
        arguments: Option<&Zval>,
        epoch: Option<&Zval>,
        timeout: Seconds,
    ) -> PhpResult<Made<Answer>> {
        edge(|| {
            let order = BailoutGuard::new(CommandRequest {
                id: id.into(),
                command: command_of(command)?,
                arguments: value(arguments)?,
                within: within(timeout, &self.controller.options)?,
                epoch: match value(epoch)? {
                    Value::Null => None,
                    epoch => Some(epoch.as_u64().map_err(|e| e.under_key("epoch"))?),
                },
            });
            try_made(|| {
                self.controller.ask(timeout, |it, wait| it.request(&self.name, &order, wait)).map(Answer)
            })
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn forget(&self, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.controller.ask(timeout, |it, wait| it.forget(&self.name, wait)))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn answer(&self, id: &str, timeout: Seconds) -> PhpResult<Made<Answer>> {
        edge(|| {
            try_made(|| self.controller.ask(timeout, |it, wait| it.answer(&self.name, id, wait)).map(Answer))
        })
    }
}

/// Returns null if the value is missing.
fn value(given: Option<&Zval>) -> Result<Value> {
    given.map_or(Ok(Value::Null), |zval| PhpValue(zval).to_value())
}

/// Reads a case of the enum, or the name of a service's own command.
fn command_of(given: &Zval) -> Result<Command> {
    let name = PhpValue(given).to_value()?;
    Command::from_name(name.as_text().map_err(|e| e.under_key("command"))?)
}

fn names(list: &ZendHashTable) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(list.len());
    for (i, (_, zval)) in zend::Entries::new(list).enumerate() {
        let name = PhpValue(zval).to_value().and_then(|value| value.as_text().map(str::to_owned));
        names.push(name.map_err(|e| e.under_index(i).under_key("services"))?);
    }
    Ok(names)
}

fn seconds(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        Error::new(ErrorKind::OutOfRange, format!("a period of {seconds} s: give seconds from 0 upwards"))
            .under_key("data_every")
    })
}

fn count(lines: i64) -> Result<usize> {
    usize::try_from(lines).map_err(|_| {
        Error::new(ErrorKind::OutOfRange, format!("{lines} lines of a log: give a number from 0 upwards"))
    })
}

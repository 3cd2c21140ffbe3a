//! The client of a controller: lists services, sends them commands and watches them.
//!
//! Requests and events use two channels. If the controller restarts during a request, the channel sends it again.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command::{Answer, Command, error_of, read_failure};
use super::protocol::{CommandRequest, MAX_WITHIN, MIN_DATA_PERIOD, check_known_name, margin};
use crate::deadline::{Timeout, Wait, Waiting};
use crate::engine::service_side::{self, LINGER, Pattern, PersistentObjects, Turns};
use crate::engine::{Channel, Delivery, Message, Options, Payload};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::sys::fork::{Born, OfProcess};
use crate::sys::{environment, random};
use crate::value::{Map, Value};

/// The options of [`Controller::watch`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchOptions {
    /// The period of sampling the services' data, at least 10 ms; only changes are sent. `None` for never.
    pub data_every: Option<Duration>,
    /// The names of the services, registered or not; empty for all.
    pub services: Vec<String>,
}

/// A client of a controller: lists the registered services and sends them commands.
///
/// The controller is the program `linkspan controller`, or the server in the crate `linkspan-controller`.
///
/// ```no_run
/// # use linkspan_os::deadline::Timeout;
/// # use linkspan_service::service::{Command, Controller};
/// # use linkspan_value::Value;
/// # fn main() -> linkspan_value::Result<()> {
/// let controller = Controller::connect_default(Timeout::Default)?;
/// controller.command("power", &Command::Pause, &Value::Null, Timeout::Default)?;
/// println!("{}", controller.status("power", Timeout::Default)?.at("state")?.as_text()?);
/// # Ok(())
/// # }
/// ```
///
/// Requests are idempotent: if the controller restarts during one, the client sends it again. A command keeps its id,
/// so the service carries it out once. Any number of threads may send requests, which take turns. One thread at a time
/// may wait in [`Controller::next`].
pub struct Controller {
    channel: Channel,
    options: Options,
    shown: String,
    first_controller: AtomicU64,
    watching: OfProcess<Mutex<Option<Arc<Watching>>>>,
    turns: Turns,
    born: Born,
}

static CONTROLLERS: PersistentObjects<Controller> = PersistentObjects::new();

struct Watching {
    channel: Channel,
    wanted: Mutex<Payload>,
}

impl Controller {
    /// The default endpoint.
    pub const ENDPOINT: &str = "unix:controller";

    /// Connects to a controller, and reconnects after each lost connection.
    ///
    /// Fails with `NotFound` if none listens by the deadline, and with `InvalidState` if another object listens. The
    /// options `timeout`, `client_id`, `on_wait` and others apply; the client itself sets delivery and idempotence.
    pub fn connect<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Controller> {
        let mut options = options.clone();
        service_side::set_pattern(&mut options, Pattern::Controller);
        options.idempotent = true;
        options.delivery = Some(Delivery::AtLeastOnce);
        let mut waiting = Waiting::start(wait.into(), options.timeout);
        let channel = Channel::dial(endpoint, &options)?;
        let controller = Controller {
            shown: channel.endpoint().to_owned(),
            channel,
            options,
            first_controller: AtomicU64::new(0),
            watching: Mutex::default().into(),
            turns: Turns::default(),
            born: Born::default(),
        };
        controller.receive_hello(&mut waiting).map_err(|e| controller.explain(e))?;
        Ok(controller)
    }

    /// As [`Controller::connect`], but shares the client of an earlier call with equal arguments.
    pub fn persistent<'a>(
        endpoint: &str,
        options: &Options,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Arc<Controller>> {
        let is_usable = |kept: &Controller| !kept.channel.is_closed();
        CONTROLLERS.get(endpoint, options, is_usable, || Controller::connect(endpoint, options, wait))
    }

    /// Connects to [`Controller::default_endpoint`] with the default options.
    pub fn connect_default<'a>(wait: impl Into<Wait<'a>>) -> Result<Controller> {
        Controller::connect(&Controller::default_endpoint(), &Options::default(), wait)
    }

    /// Returns `$LINKSPAN_CONTROLLER`, or [`Controller::ENDPOINT`] if it is not set.
    pub fn default_endpoint() -> String {
        let named =
            environment::variable("LINKSPAN_CONTROLLER").and_then(|endpoint| endpoint.into_string().ok());
        named.unwrap_or_else(|| Controller::ENDPOINT.to_owned())
    }

    /// Returns the endpoint with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    fn receive_hello(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let hello = step(waiting, |wait| self.channel.recv(wait))?;
        self.note_hello(&hello);
        Ok(())
    }

    /// Records the incarnation of the controller that answered first.
    ///
    /// Commands carry it, so that a restarted controller knows that it may have missed their beginning.
    fn note_hello(&self, message: &Message) {
        if let Ok(number) = message.get("controller").and_then(Value::as_u64) {
            let first = self.first_controller.load(Ordering::Relaxed) == 0;
            if first {
                self.first_controller.store(number, Ordering::Relaxed);
            }
        }
    }

    /// Fails with `InvalidState` in a process other than the one that connected.
    fn check(&self) -> Result<()> {
        self.born.check().map_err(|e| e.on(&self.shown))
    }

    fn start<'a>(&self, wait: impl Into<Wait<'a>>) -> Waiting<'a> {
        Waiting::start(wait.into(), self.options.timeout)
    }

    fn call(&self, question: Value, waiting: &mut Waiting<'_>) -> Result<Value> {
        self.check()?;
        let _turn = self.turns.acquire("asks", waiting).map_err(|e| e.on(&self.shown))?;
        while self.channel.try_recv().is_ok() {}
        let reply = step(waiting, |wait| self.channel.call(&question, wait));
        reply.and_then(|message| message.value().cloned()).map_err(|e| self.explain(e))
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, &self.shown)
    }

    /// Returns the records of all services sorted by name: an array of maps as in [`Controller::status`].
    pub fn services<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Value> {
        let mut waiting = self.start(wait);
        let mut services: Vec<Value> = Vec::new();
        loop {
            let after = match services.last() {
                Some(last) => last.at("name")?.clone(),
                None => "".into(),
            };
            let page = self.call(request_map("services", [("after", after)]), &mut waiting)?;
            services.extend_from_slice(page.at("services")?.as_array()?);
            if !page.at("more")?.as_bool()? {
                return Ok(Value::Array(services));
            }
        }
    }

    /// Returns the record of one service from the controller's registry, a map.
    ///
    /// `NotFound` for an unknown name; the error lists known names.
    ///
    /// | key | value |
    /// |---|---|
    /// | `name` | the name |
    /// | `view` | CONNECTED, STALE, DISCONNECTED or GONE |
    /// | `state`, `since` | the state and its beginning, a timestamp |
    /// | `busy`, `doing` | the seconds and the name of the current task; absent while idle |
    /// | `steps` | the number of steps |
    /// | `reason`, `problem` | a problem that the service, or the controller, reports; "" for none |
    /// | `epoch`, `pid`, `program`, `description`, `source` | the introduction |
    /// | `commands` | its own commands |
    /// | `every` | the period in seconds; absent without one |
    /// | `first_seen`, `last_seen` | timestamps |
    /// | `connections` | their number |
    /// | `answered` | counts of `accepted`, `done`, `failed`, `rejected` |
    /// | `open` | the commands in progress |
    /// | `allowed` | the commands that its state permits now; none while it is disconnected |
    pub fn status<'a>(&self, service: &str, wait: impl Into<Wait<'a>>) -> Result<Value> {
        self.call(request_map("status", [("service", service.into())]), &mut self.start(wait))
    }

    /// Sends a command to a service, waits until it is done, and returns its value.
    ///
    /// The given time is also the command's deadline. Until then a disconnected service may reconnect.
    ///
    /// | error | reason |
    /// |---|---|
    /// | `InvalidState` | the state forbids the command |
    /// | `Timeout` | it was not done in time |
    /// | `Disconnected` | the service did not reconnect, or restarted |
    /// | `NotFound` | unknown name |
    /// | `Remote` | the error of the service's own code |
    pub fn command<'a>(
        &self,
        service: &str,
        command: &Command,
        arguments: &Value,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Value> {
        let mut waiting = self.start(wait);
        let within = waiting.deadline().remaining().map_or(MAX_WITHIN, |left| left - margin(left));
        let request = CommandRequest {
            id: id()?,
            command: command.clone(),
            arguments: arguments.clone(),
            within,
            epoch: None,
        };
        let answer = self.send_command(service, &request, "done", &mut waiting)?;
        answer.into_result().map_err(|e| e.on(service))
    }

    /// Sends a command with `within` as its time, and waits only until it is accepted.
    ///
    /// [`Controller::answer`] returns its final answer by its id.
    pub fn begin<'a>(
        &self,
        service: &str,
        command: &Command,
        arguments: &Value,
        within: Duration,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Answer> {
        let request = CommandRequest {
            id: id()?,
            command: command.clone(),
            arguments: arguments.clone(),
            within,
            epoch: None,
        };
        self.send_command(service, &request, "accepted", &mut self.start(wait))
    }

    /// Sends a command with the caller's id, deadline and incarnation, and returns its final answer.
    ///
    /// The outcome may be a failure. An id stands for one command, and returns one answer for ten minutes.
    pub fn request<'a>(
        &self,
        service: &str,
        request: &CommandRequest,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Answer> {
        self.send_command(service, request, "done", &mut self.start(wait))
    }

    /// Returns a random id for a command.
    pub fn new_id() -> Result<Box<str>> {
        id()
    }

    /// As [`Controller::request`], but waits only until the command is accepted.
    pub fn begin_request<'a>(
        &self,
        service: &str,
        request: &CommandRequest,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Answer> {
        self.send_command(service, request, "accepted", &mut self.start(wait))
    }

    fn send_command(
        &self,
        service: &str,
        request: &CommandRequest,
        until: &str,
        waiting: &mut Waiting<'_>,
    ) -> Result<Answer> {
        let Value::Map(mut map) = request_map("command", [("service", service.into())]) else {
            return Err(Error::new(ErrorKind::Internal, "a request is a map"));
        };
        let Value::Map(request) = request.to_value() else {
            return Err(Error::new(ErrorKind::Internal, "a command request is a map"));
        };
        map.extend(request);
        map.insert("wait".into(), until.into());
        map.insert("controller".into(), self.first_controller.load(Ordering::Relaxed).into());
        Answer::from_value(&self.call(Value::Map(map), waiting)?)
    }

    /// Returns the answer to a command: the final answer, or ACCEPTED while it is in progress.
    ///
    /// `NotFound` for an id that was not used in the last ten minutes.
    pub fn answer<'a>(&self, service: &str, id: &str, wait: impl Into<Wait<'a>>) -> Result<Answer> {
        let request = request_map("answer", [("service", service.into()), ("id", id.into())]);
        Answer::from_value(&self.call(request, &mut self.start(wait))?)
    }

    /// Returns the last lines of the log of the controller or of one service, the oldest first.
    ///
    /// The array has maps with `at` (timestamp), `service` (null for none), `level` and `text`.
    pub fn log<'a>(&self, service: Option<&str>, lines: usize, wait: impl Into<Wait<'a>>) -> Result<Value> {
        let lines = ("lines", Value::from(lines as u64));
        let request = match service {
            Some(service) => request_map("log", [lines, ("service", service.into())]),
            None => request_map("log", [lines]),
        };
        self.call(request, &mut self.start(wait))
    }

    /// Removes a disconnected service from the registry. `InvalidState` while it is connected.
    pub fn forget<'a>(&self, service: &str, wait: impl Into<Wait<'a>>) -> Result<()> {
        self.call(request_map("forget", [("service", service.into())]), &mut self.start(wait)).map(drop)
    }

    /// Returns statistics of the controller, a map.
    ///
    /// | key | value |
    /// |---|---|
    /// | `services`, `views` | the number of services, and the number per view |
    /// | `links`, `clients`, `watchers` | counts |
    /// | `open` | the commands in progress |
    /// | `commands` | counts of `accepted`, `done`, `failed`, `rejected` |
    /// | `messages` | counts of `received`, `sent` |
    /// | `memory` | bytes |
    /// | `processor`, `uptime` | seconds |
    /// | `endpoints` | the endpoints |
    /// | `controller` | the number of this incarnation |
    pub fn stats<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Value> {
        self.call(request_map("stats", []), &mut self.start(wait))
    }

    /// Subscribes [`Controller::next`] to events about these services: their records, then changes.
    ///
    /// The client subscribes again if the controller restarts. A second call replaces the first.
    pub fn watch(&self, what: &WatchOptions) -> Result<()> {
        self.check()?;
        for name in &what.services {
            check_known_name(name)?;
        }
        let mut map = Map::new();
        map.insert("what".into(), "watch".into());
        map.insert("services".into(), what.services.clone().into());
        if let Some(every) = what.data_every {
            if every < MIN_DATA_PERIOD {
                let text = format!("data every {every:?}: from {MIN_DATA_PERIOD:?} upwards is possible");
                return Err(Error::new(ErrorKind::OutOfRange, text));
            }
            map.insert("data_every".into(), every.as_secs_f64().into());
        }
        let wanted = self.channel.encode(&Value::Map(map))?;
        let mut watching = self.watching();
        if let Some(watching) = &*watching {
            let mut old = watching.wanted();
            *old = wanted;
            return watching.send_request(&old);
        }
        let mut options = self.options.clone();
        (options.idempotent, options.delivery) = (false, Some(Delivery::BestEffort));
        // The controller answers requests on the newest link of each incarnation, so this link needs its own
        // incarnation.
        options.client_id = None;
        let channel = Channel::dial(&self.shown, &options)?;
        *watching = Some(Arc::new(Watching { channel, wanted: Mutex::new(wanted) }));
        Ok(())
    }

    /// Returns the next event, a map with `what` and more keys.
    ///
    /// | `what` | more keys |
    /// |---|---|
    /// | `service` | `service`: its record |
    /// | `gone` | `name` of a removed service |
    /// | `data` | `name`, `at`, `value` |
    /// | `log` | `entry` |
    /// | `missed` | `count` of events that were not read in time; the current records follow |
    ///
    /// Waits forever by default; `Timeout` after the given time. `InvalidState` before [`Controller::watch`].
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Value> {
        let mut waiting = Waiting::start(wait.into(), Timeout::Forever);
        let watching = self.watched()?;
        loop {
            let message =
                step(&mut waiting, |wait| watching.channel.recv(wait)).map_err(|e| self.explain(e))?;
            let value = message.value()?;
            match value.at("what")?.as_text()? {
                "hello" => watching.send_request(&watching.wanted())?,
                "refused" => return Err(error_of(read_failure(value)?).on(&self.shown)),
                _ => return Ok(value.clone()),
            }
        }
    }

    /// Returns a descriptor for an event loop: readable while [`Controller::next`] may have an event.
    pub fn fileno(&self) -> Result<RawFd> {
        self.watched()?.channel.fileno()
    }

    fn watched(&self) -> Result<Arc<Watching>> {
        self.check()?;
        self.watching().clone().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, "nothing is watched yet: call watch first").on(&self.shown)
        })
    }

    fn watching(&self) -> MutexGuard<'_, Option<Arc<Watching>>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the client: a thread that waits in it gets `InvalidState`.
    ///
    /// Commands in progress are still carried out.
    pub fn close(&self) {
        if self.check().is_err() {
            return;
        }
        // Requests have returned, so nothing remains to be sent.
        let _ = self.channel.close(LINGER);
        if let Some(watching) = &*self.watching() {
            let _ = watching.channel.close(LINGER);
        }
    }
}

impl Watching {
    fn wanted(&self) -> MutexGuard<'_, Payload> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the watch request. Without a controller, the next hello triggers it.
    fn send_request(&self, wanted: &Payload) -> Result<()> {
        match service_side::send_as(&self.channel, Kind::Event, wanted, Wait::none()) {
            Err(e) if !service_side::is_not_ready(&e) && e.kind() != ErrorKind::Disconnected => Err(e),
            _ => Ok(()),
        }
    }
}

fn step<'w, T>(waiting: &mut Waiting<'w>, call: impl FnOnce(Wait<'_>) -> Result<T>) -> Result<T> {
    let left = waiting.deadline().remaining();
    if !waiting.is_ticking() {
        return call(Wait::new(left));
    }
    let mut tick = || waiting.woke(true);
    call(Wait::new(left).tick(&mut tick))
}

fn request_map<const N: usize>(what: &str, with: [(&str, Value); N]) -> Value {
    Value::map([("what", what.into())].into_iter().chain(with))
}

fn id() -> Result<Box<str>> {
    random::digits::<8>().map(Into::into)
}

fn explain(error: Error, shown: &str) -> Error {
    if let Some(failure) = error.remote_failure() {
        return error_of(failure.clone()).on(shown);
    }
    match error.kind() {
        ErrorKind::NotFound => {
            let text = format!(
                "no controller at {shown}: start `linkspan controller`, or {} ({})",
                environment::advice(
                    "say where it is with LINKSPAN_CONTROLLER",
                    "name its endpoint in the call, or by --controller: a program that runs with more rights than its caller reads no variable for it"
                ),
                error.text()
            );
            Error::new(ErrorKind::NotFound, text).on(shown)
        }
        _ => error,
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("endpoint", &self.shown).finish_non_exhaustive()
    }
}

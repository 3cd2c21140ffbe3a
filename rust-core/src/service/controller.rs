//! The client of a controller: asks it for services, has them carry out commands, watches them.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command::{Answer, Command, error_of};
use super::protocol::{CommandRequest, MAX_WITHIN, MIN_DATA_PERIOD, check_service_name, margin};
use crate::channel::greeting::{self, Pattern};
use crate::channel::persistent::Kept;
use crate::channel::turns::Turns;
use crate::channel::{Channel, Delivery, Options, PARTING};
use crate::deadline::{Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::value::{Map, Value};

/// What [`Controller::watch`] is to tell of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchOptions {
    /// How often the data of the services are looked for; none for never. From 10 ms upwards. They are told when they have
    /// changed.
    pub data_every: Option<Duration>,
    /// The services, which need not have come yet; none for all.
    pub services: Vec<String>,
}

/// A client of the program `linkspan controller`, or of a [`ControllerServer`](super::ControllerServer): it lists the services that have come there, and
/// gives them commands.
///
/// ```no_run
/// # use linkspan::{Command, Controller, Timeout, Value};
/// # fn main() -> linkspan::Result<()> {
/// let controller = Controller::connect_default(Timeout::Default)?;
/// controller.command("power", &Command::Pause, &Value::Null, Timeout::Default)?;
/// println!("{}", controller.status("power", Timeout::Default)?.at("state")?.as_text()?);
/// # Ok(())
/// # }
/// ```
///
/// Every question may be asked again as the same: when the controller starts anew while one is under way, it is asked again by
/// itself, and a command under its old id, which the service carries out once. Any number of threads may ask, and take turns; one
/// at a time may wait in [`Controller::next`].
pub struct Controller {
    channel: Channel,
    options: Options,
    shown: String,
    /// The incarnation of the controller that was met first.
    first_controller: AtomicU64,
    watching: Mutex<Option<Arc<Watching>>>,
    /// Threads that ask do so one after the other.
    turns: Turns,
}

/// Those that outlive the call that made them.
static CONTROLLERS: Kept<Controller> = Kept::new();

/// A link of its own for what comes without being asked for.
struct Watching {
    channel: Channel,
    /// What is to be told; said anew to each incarnation of the controller.
    wanted: Mutex<Payload>,
}

impl Controller {
    /// Where controllers listen.
    pub const ENDPOINT: &str = "unix:controller";

    /// Connects to a controller and waits until there is one; connects again whenever it has gone and come back. `NotFound`
    /// where none listened until the deadline, `InvalidState` where something else does. Of the options `timeout`, `client_id`,
    /// `on_wait` and the like apply; delivery and idempotence are its own.
    pub fn connect<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Controller> {
        let mut options = options.clone();
        options.pattern = Pattern::Controller;
        options.idempotent = true;
        options.delivery = Some(Delivery::AtLeastOnce);
        let mut waiting = wait.into().start(options.timeout);
        let channel = Channel::dial(endpoint, &options)?;
        let controller = Controller {
            shown: channel.endpoint().to_owned(),
            channel,
            options,
            first_controller: AtomicU64::new(0),
            watching: Mutex::default(),
            turns: Turns::default(),
        };
        controller.receive_hello(&mut waiting).map_err(|e| controller.explain(e))?;
        Ok(controller)
    }

    /// Like [`Controller::connect`], or gives the one that an earlier call with the same endpoint and options made in this thread.
    pub fn persistent<'a>(
        endpoint: &str,
        options: &Options,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Arc<Controller>> {
        let is_usable = |kept: &Controller| !kept.channel.is_closed();
        CONTROLLERS.get(endpoint, options, is_usable, || Controller::connect(endpoint, options, wait))
    }

    /// Connects to `$LINKSPAN_CONTROLLER`, else to [`Controller::ENDPOINT`], with the options as they are.
    pub fn connect_default<'a>(wait: impl Into<Wait<'a>>) -> Result<Controller> {
        Controller::connect(&Controller::default_endpoint(), &Options::default(), wait)
    }

    /// `$LINKSPAN_CONTROLLER`, else [`Controller::ENDPOINT`].
    pub fn default_endpoint() -> String {
        match std::env::var("LINKSPAN_CONTROLLER") {
            Ok(endpoint) if !endpoint.is_empty() => endpoint,
            _ => Controller::ENDPOINT.to_owned(),
        }
    }

    /// The endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Waits for the controller's first word.
    fn receive_hello(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let hello = step(waiting, |wait| self.channel.recv(wait))?;
        self.note_hello(&hello);
        Ok(())
    }

    fn note_hello(&self, message: &Message) {
        if let Ok(number) = message.get("controller").and_then(Value::as_u64) {
            let first = self.first_controller.load(Ordering::Relaxed) == 0;
            if first {
                self.first_controller.store(number, Ordering::Relaxed);
            }
        }
    }

    fn start<'a>(&self, wait: impl Into<Wait<'a>>) -> Waiting<'a> {
        wait.into().start(self.options.timeout)
    }

    fn call(&self, question: Value, waiting: &mut Waiting<'_>) -> Result<Value> {
        let _turn = self.turns.hold("asks", waiting).map_err(|e| e.on(&self.shown))?;
        // Its first words after it had been away.
        while self.channel.try_recv().is_ok() {}
        let asked = step(waiting, |wait| self.channel.call(&question, wait));
        asked.and_then(|message| message.value().cloned()).map_err(|e| self.explain(e))
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, &self.shown)
    }

    /// The records of all services, in the order of their names: an array of maps as [`Controller::status`] gives them.
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

    /// The record of one service, without asking it; `NotFound` for a name that nobody has, naming those that somebody has.
    ///
    /// A map: `name`; `view` (CONNECTED, STALE, DISCONNECTED, GONE); `state`; `since` (a timestamp); `busy` (seconds) and
    /// `doing`, absent while it waits; `steps`; `reason`, of its own trouble, and `trouble`, what the controller finds wrong with
    /// it, both "" for nothing; `epoch`, `pid`, `program`, `description`, `commands` (those it takes beside the usual ones),
    /// `every` (seconds, absent without a period), `source`; `first_seen` and `last_seen` (timestamps); `connections`; `answered`
    /// (`accepted`, `done`, `failed`, `rejected`: counts); `open` (commands under way); `allowed` (the commands that its state
    /// permits now; none while it is away).
    pub fn status<'a>(&self, service: &str, wait: impl Into<Wait<'a>>) -> Result<Value> {
        self.call(request_map("status", [("service", service.into())]), &mut self.start(wait))
    }

    /// Has a service carry out a command, and waits until that is done; gives its value.
    ///
    /// The time given is the command's own deadline, too. A service that is away is waited for until then. `InvalidState`
    /// where the state forbids it; `Timeout` where it was not done in time; `Disconnected` where the service did not come back, or
    /// came back as another incarnation; `NotFound` for an unknown name; `Remote` with what the service's own code raised.
    pub fn command<'a>(
        &self,
        service: &str,
        command: &Command,
        arguments: &Value,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Value> {
        let mut waiting = self.start(wait);
        let within = waiting.deadline().left().map_or(MAX_WITHIN, |left| left - margin(left));
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

    /// Has a service begin with a command, which then has `within` to be done: waits no longer than until it is accepted.
    /// [`Controller::answer`] tells by the answer's id what has become of it.
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

    /// The full form: id, deadline and incarnation as the caller says. Gives the final answer, whatever it is. The same id
    /// again is the same command, and gives the same answer for ten minutes.
    pub fn request<'a>(
        &self,
        service: &str,
        request: &CommandRequest,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Answer> {
        self.send_command(service, request, "done", &mut self.start(wait))
    }

    /// An id for an order, drawn by chance.
    pub fn new_id() -> Result<Box<str>> {
        id()
    }

    /// As [`Controller::order`], and waits no longer than until it is accepted.
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

    /// What has become of a command: its final answer, or ACCEPTED while it is under way. `NotFound` for an id that nobody has
    /// used in the last ten minutes.
    pub fn answer<'a>(&self, service: &str, id: &str, wait: impl Into<Wait<'a>>) -> Result<Answer> {
        let request = request_map("answer", [("service", service.into()), ("id", id.into())]);
        Answer::from_value(&self.call(request, &mut self.start(wait))?)
    }

    /// The last lines of the controller's log, or of one service: an array of maps with `at` (timestamp), `service` (null for
    /// what is about none), `level` and `text`, the oldest first.
    pub fn log<'a>(&self, service: Option<&str>, lines: usize, wait: impl Into<Wait<'a>>) -> Result<Value> {
        let lines = ("lines", Value::from(lines as u64));
        let request = match service {
            Some(service) => request_map("log", [lines, ("service", service.into())]),
            None => request_map("log", [lines]),
        };
        self.call(request, &mut self.start(wait))
    }

    /// Forgets a service that is away. `InvalidState` while it is connected.
    pub fn forget<'a>(&self, service: &str, wait: impl Into<Wait<'a>>) -> Result<()> {
        self.call(request_map("forget", [("service", service.into())]), &mut self.start(wait)).map(drop)
    }

    /// The figures of the controller, a map: `services`, `views` (how many are in each), `links`, `clients`, `watchers`, `open`
    /// (commands under way), `commands` (`accepted`, `done`, `failed`, `rejected`), `messages` (`received`, `sent`), `memory` (bytes),
    /// `processor` and `uptime` (seconds), `endpoints`, `controller` (the number of this incarnation).
    pub fn stats<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Value> {
        self.call(request_map("stats", []), &mut self.start(wait))
    }

    /// From now on [`Controller::next`] tells of these services: first how each is, then what changes. When the controller has
    /// started anew, it is asked for the same by itself. Called again, it watches the new ones instead.
    pub fn watch(&self, what: &WatchOptions) -> Result<()> {
        for name in &what.services {
            check_service_name(name)?;
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
            return watching.say(&old);
        }
        let mut options = self.options.clone();
        (options.idempotent, options.delivery) = (false, Some(Delivery::BestEffort));
        // It is another incarnation to the controller, which answers questions over the newest link of each.
        options.client_id = None;
        let channel = Channel::dial(&self.shown, &options)?;
        *watching = Some(Arc::new(Watching { channel, wanted: Mutex::new(wanted) }));
        Ok(())
    }

    /// The next thing that has happened to what is watched, a map with `what`: `service` (and `service`, its record), `gone` (and
    /// `name`: it was forgotten), `data` (and `name`, `at`, `value`), `log` (and `entry`), `missed` (and `count`: things that were not
    /// told because they were not taken; how each service is follows).
    ///
    /// Waits for ever by default; `Timeout` once the time given has passed. `InvalidState` before [`Controller::watch`].
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Value> {
        let mut waiting = wait.into().start(Timeout::Forever);
        let watching = self.watched()?;
        loop {
            let message =
                step(&mut waiting, |wait| watching.channel.recv(wait)).map_err(|e| self.explain(e))?;
            let value = message.value()?;
            match value.at("what")?.as_text()? {
                "hello" => watching.say(&watching.wanted())?,
                "refused" => {
                    let failure = RemoteFailure {
                        code: value.at("code")?.as_i64()?,
                        kind: value.at("type")?.as_text()?.to_owned(),
                        text: value.at("text")?.as_text()?.to_owned(),
                        data: Vec::new(),
                    };
                    return Err(error_of(failure).on(&self.shown));
                }
                _ => return Ok(value.clone()),
            }
        }
    }

    /// A descriptor for an event loop: readable while [`Controller::next`] may have something.
    pub fn fileno(&self) -> Result<RawFd> {
        self.watched()?.channel.fileno()
    }

    fn watched(&self) -> Result<Arc<Watching>> {
        self.watching().clone().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, "nothing is watched yet: call watch first").on(&self.shown)
        })
    }

    fn watching(&self) -> MutexGuard<'_, Option<Arc<Watching>>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it: a thread that waits in it gets `InvalidState`. Commands that are under way are carried out.
    pub fn close(&self) {
        // Nothing is on its way that somebody would have to take first.
        let _ = self.channel.close(PARTING);
        if let Some(watching) = &*self.watching() {
            let _ = watching.channel.close(PARTING);
        }
    }
}

impl Watching {
    fn wanted(&self) -> MutexGuard<'_, Payload> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wanted. Where nobody is there, the next one is told when it says hello.
    fn say(&self, wanted: &Payload) -> Result<()> {
        match self.channel.send_as(Kind::Event, wanted, Wait::none()) {
            Err(e) if !crate::channel::is_not_now(&e) && e.kind() != ErrorKind::Disconnected => Err(e),
            _ => Ok(()),
        }
    }
}

/// One step of a call that has several: it has the time that is left.
fn step<'w, T>(waiting: &mut Waiting<'w>, call: impl FnOnce(Wait<'_>) -> Result<T>) -> Result<T> {
    let left = waiting.deadline().left();
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
    Ok(format!("{:016x}", greeting::random()?).into())
}

fn explain(error: Error, shown: &str) -> Error {
    if let Some(failure) = error.remote_failure() {
        return error_of(failure.clone()).on(shown);
    }
    match error.kind() {
        ErrorKind::NotFound => {
            let text = format!(
                "no controller at {shown}: start `linkspan controller`, or say where it is with LINKSPAN_CONTROLLER ({})",
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

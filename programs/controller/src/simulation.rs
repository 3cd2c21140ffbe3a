//! Random histories of the server's state: services connect, disconnect, restart and violate the protocol; clients send
//! requests and disconnect; time passes.
//!
//! With `LINKSPAN_SEED=…` the test begins with the history of that seed, and prints its steps.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::client_protocol::{ClientCommand, ClientRequest, WatchRequest};
use crate::histories::{Random, Seed, given_seed};
use crate::rate_limit::Limits;
use crate::state::{Action, Moment, ServerState};
use linkspan::service::CommandRequest;
use linkspan::service::server_side::{Introduction, LogLine, Report, RequestInfo, ToController, ToService};
use linkspan::{Answer, Command, Error, ErrorKind, Outcome, State, Timestamp, Value};

const HISTORIES: u64 = 600;
const STEPS: usize = 250;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

struct Service {
    name: &'static str,
    epoch: u64,
    link: u64,
    inbox: VecDeque<CommandRequest>,
    /// Its final answers. A repeated id receives its earlier answer.
    answers: HashMap<Box<str>, Answer>,
    starting: bool,
    /// The commands that waited for it when it connected: it gets them once it has started.
    waited: BTreeSet<String>,
}

impl Service {
    fn state(&self) -> State {
        if self.starting { State::Starting } else { State::Running }
    }
}

/// A request of a client without a reply yet.
struct PendingRequest {
    deadline: Duration,
    wanted: (&'static str, String),
    until_accepted: bool,
}

/// The number of occurrences of each tested situation in all histories.
#[derive(Debug, Default)]
struct Coverage {
    done: u64,
    accepted: u64,
    rejected: u64,
    failed: u64,
    refused: u64,
    resent: u64,
    refused_services: u64,
    restarted: u64,
    held: u64,
    pushes: u64,
    data: u64,
    closed_links: u64,
    without_client: u64,
}

struct World<'a> {
    random: Random,
    state: ServerState,
    now: Duration,
    services: Vec<Service>,
    /// The number of links so far.
    links: u64,
    epochs: u64,
    open_requests: BTreeMap<RequestInfo, PendingRequest>,
    requests: u64,
    left_clients: BTreeSet<u64>,
    /// The incarnations that each command was sent to.
    sent_to: HashMap<(String, String), BTreeSet<u64>>,
    /// How often each incarnation carried out each command.
    carried_out: HashMap<(String, String, u64), u64>,
    /// The commands that were sent over each link.
    on_link: HashMap<u64, BTreeSet<String>>,
    coverage: &'a mut Coverage,
    verbose: bool,
}

fn limits() -> Limits {
    Limits {
        services: 3,
        gone: 1,
        open: 6,
        open_per_client: 8,
        finished: 12,
        events: 20,
        lines: 8,
        heartbeat: Duration::from_secs(1),
        away: Duration::from_secs(8),
        settling: Duration::from_secs(4),
        finished_for: Duration::from_secs(20),
        rate: 10.0,
        burst: 40.0,
        malformed: 3.0,
        ..Limits::default()
    }
}

impl World<'_> {
    fn moment(&self) -> Moment {
        Moment { since: self.now, at: Timestamp(self.now.as_nanos() as i64) }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=4 => self.client_sends_command(),
            5..=7 => self.service_handles_command(),
            8..=9 => self.service_connects(),
            10 => self.service_disconnects(),
            11 => self.service_sends_message(),
            12 => self.client_disconnects(),
            13 => self.watch(),
            14 => self.client_sends_other_request(),
            _ => self.advance_time(),
        }
        self.run_actions();
    }

    fn client_sends_command(&mut self) {
        let session = 1 + self.random.below(3) as u64;
        if self.left_clients.contains(&session) {
            return;
        }
        self.requests += 1;
        let to = RequestInfo { session, number: self.requests, idempotent: true };
        let name = NAMES[self.random.below(NAMES.len())];
        // A small range makes ids repeat.
        let id = format!("i{}", self.random.below(60));
        // An id that the server no longer knows means a new command.
        let key = (name.into(), id.as_str().into());
        if !self.state.archive.contains(&key) && !self.state.open_keys().contains(&key) {
            self.sent_to.remove(&(name.to_owned(), id.clone()));
            for service in self.services.iter_mut().filter(|service| service.name == name) {
                service.waited.remove(&id);
            }
        }
        let commands = [Command::Pause, Command::GetData, Command::Run, Command::Shutdown];
        // An id mostly keeps its command.
        let pick =
            if self.random.one_in(20) { self.random.below(4) } else { id.len() + id.as_bytes()[1] as usize };
        let command = commands[pick % 4].clone();
        let within = Duration::from_millis(self.random.below(5000) as u64);
        let epoch = match self.random.below(6) {
            0 => Some(1 + self.random.below(self.epochs as usize + 1) as u64),
            _ => None,
        };
        let until_accepted = self.random.one_in(4);
        let controller = self.random.one_in(2).then_some(if self.random.one_in(2) { 99 } else { 1 });
        let wanted = ClientCommand {
            service: name.into(),
            id: id.clone(),
            command,
            arguments: Value::Null,
            within,
            epoch,
            until_accepted,
            controller,
        };
        self.open_requests
            .insert(to, PendingRequest { deadline: self.now + within, wanted: (name, id), until_accepted });
        let now = self.moment();
        self.state.request(to, ClientRequest::Command(wanted), 10, now);
    }

    fn service_handles_command(&mut self) {
        if self.services.is_empty() {
            return;
        }
        let at = self.random.below(self.services.len());
        let accepted_only = self.random.one_in(4);
        let outcome =
            [Outcome::Done, Outcome::Done, Outcome::Failed, Outcome::Rejected][self.random.below(4)];
        let service = &mut self.services[at];
        let Some(command) = service.inbox.pop_front() else { return };
        let answer = |outcome: Outcome| Answer {
            id: command.id.clone(),
            outcome,
            state: State::Running,
            value: Value::from(service.epoch),
            failure: matches!(outcome, Outcome::Failed | Outcome::Rejected)
                .then(|| linkspan::service::server_side::failure_of(&Error::new(ErrorKind::Internal, "no"))),
        };
        let mut answers = Vec::new();
        match service.answers.get(&command.id) {
            Some(known) => answers.push(known.clone()),
            None => {
                if outcome != Outcome::Rejected {
                    answers.push(answer(Outcome::Accepted));
                }
                if outcome == Outcome::Done {
                    let key = (service.name.to_owned(), command.id.to_string(), service.epoch);
                    *self.carried_out.entry(key).or_default() += 1;
                }
                let last = answer(outcome);
                service.answers.insert(command.id.clone(), last.clone());
                if !accepted_only {
                    answers.push(last);
                }
            }
        }
        let link = service.link;
        let now = self.moment();
        for answer in answers {
            self.state.message_received(link, ToController::Answer(answer), 50, now);
        }
    }

    fn introduction(&self, name: &str, epoch: u64, state: State) -> ToController {
        ToController::Introduction(Introduction {
            name: name.into(),
            epoch,
            pid: 1,
            program: "p".into(),
            description: String::new(),
            commands: Vec::new(),
            unsupported: Vec::new(),
            adopted: false,
            every: None,
            report: self.report(state),
        })
    }

    fn report(&self, state: State) -> Report {
        let since = self.moment().at;
        Report { state, since, busy: None, doing: None, steps: 0, reason: String::new() }
    }

    /// Connects a service: a new incarnation, or a known one with an unclosed old link.
    fn service_connects(&mut self) {
        let name = NAMES[self.random.below(NAMES.len())];
        self.links += 1;
        let link = self.links;
        let now = self.moment();
        self.state.service_connected(link, "test", linkspan::service::server_side::Owner::Anyone, None, now);
        if self.random.one_in(10) {
            // This service sends nothing, and its link is closed.
            return;
        }
        let old = self.services.iter().position(|service| service.name == name);
        let again = self.random.one_in(2);
        match old {
            Some(old) if again => {
                // A new link of this incarnation loses messages in flight on the old link.
                let service = &mut self.services[old];
                service.link = link;
                service.inbox.clear();
                let state = service.state();
                let (epoch, open) = (service.epoch, self.open_of(name));
                let introduction = self.introduction(name, epoch, state);
                self.state.message_received(link, introduction, 50, now);
                self.run_actions();
                self.check_resent(link, name, open);
            }
            _ => {
                self.epochs += 1;
                let epoch = self.epochs;
                self.coverage.restarted += 1;
                let (inbox, answers) = (VecDeque::new(), HashMap::new());
                let (starting, waited) = (self.random.one_in(2), self.open_of(name));
                let service = Service { name, epoch, link, inbox, answers, starting, waited };
                let state = service.state();
                self.services.push(service);
                let introduction = self.introduction(name, epoch, state);
                self.state.message_received(link, introduction, 50, now);
                self.run_actions();
                if self.services.iter().any(|service| service.link == link) {
                    let open = self.open_of(name);
                    self.check_resent(link, name, open);
                }
            }
        }
    }

    fn open_of(&self, name: &str) -> BTreeSet<String> {
        let keys = self.state.open_keys().into_iter().filter(|(of, _)| **of == *name);
        keys.map(|(_, id)| id.to_string()).filter(|id| !id.starts_with("look-")).collect()
    }

    /// Checks that the commands which were open before and are open now were sent over the new link.
    fn check_resent(&mut self, link: u64, name: &str, open: BTreeSet<String>) {
        let still = self.open_of(name);
        let given = self.on_link.get(&link).cloned().unwrap_or_default();
        let Some(service) = self.services.iter().find(|service| service.link == link) else { return };
        for id in open.intersection(&still) {
            let is_sent = |to: &BTreeSet<u64>| to.contains(&service.epoch);
            if service.starting && !self.sent_to.get(&(name.to_owned(), id.clone())).is_some_and(is_sent) {
                self.coverage.held += 1;
                continue;
            }
            assert!(given.contains(id), "{id} was open for {name} and was not sent over link {link}");
            self.coverage.resent += 1;
        }
    }

    fn service_disconnects(&mut self) {
        if self.services.is_empty() {
            return;
        }
        let at = self.random.below(self.services.len());
        let now = self.moment();
        let service = &mut self.services[at];
        let link = service.link;
        match self.random.below(3) {
            0 => {
                self.services.remove(at);
                self.state.message_received(link, ToController::Bye(State::Stopped), 20, now);
            }
            1 => {
                self.services.remove(at);
                self.state.link_closed(link, "its connection has ended", false, now);
            }
            // The service continues and reconnects.
            _ => {
                service.inbox.clear();
                self.state.link_closed(link, "its connection has ended", self.random.one_in(3), now);
            }
        }
    }

    fn service_sends_message(&mut self) {
        if self.services.is_empty() {
            return;
        }
        let at = self.random.below(self.services.len());
        let link = self.services[at].link;
        let now = self.moment();
        match self.random.below(5) {
            0 => self.state.malformed_message(link, &Error::new(ErrorKind::Malformed, "x".repeat(5000)), now),
            1 => {
                let line = LogLine { at: now.at, level: "info".into(), text: "y".repeat(5000) };
                self.state.message_received(link, ToController::Log(vec![line; 3]), 15_000, now);
            }
            2 => {
                let name = NAMES[self.random.below(4)];
                let introduction = self.introduction(name, 1, State::Running);
                self.state.message_received(link, introduction, 50, now);
            }
            _ => {
                let service = &mut self.services[at];
                let (name, has_started) = (service.name, std::mem::take(&mut service.starting));
                let open = self.open_of(name);
                self.state.message_received(link, ToController::Report(self.report(State::Running)), 50, now);
                if has_started && self.state.services.get(name).is_some_and(|known| known.link == Some(link))
                {
                    self.run_actions();
                    self.check_resent(link, name, open);
                }
            }
        }
    }

    fn client_disconnects(&mut self) {
        let session = 1 + self.random.below(3) as u64;
        if self.random.one_in(3) && self.left_clients.len() < 2 {
            self.left_clients.insert(session);
            self.state.client_left(session);
            let waited = self.open_requests.len();
            self.open_requests.retain(|to, _| to.session != session);
            self.coverage.without_client += (waited - self.open_requests.len()) as u64;
        }
    }

    fn watch(&mut self) {
        let now = self.moment();
        let data_every = self.random.one_in(2).then_some(Duration::from_millis(300));
        let session = 1 + self.random.below(3) as u64;
        if !self.left_clients.contains(&session) {
            self.state.watch(session, WatchRequest { services: BTreeSet::new(), data_every }, now);
        }
    }

    fn client_sends_other_request(&mut self) {
        self.requests += 1;
        let to = RequestInfo { session: 77, number: self.requests, idempotent: false };
        let service = NAMES[self.random.below(4)].to_owned();
        let open_requests = match self.random.below(6) {
            0 => ClientRequest::Services { after: String::new() },
            1 => ClientRequest::Status { service },
            2 => ClientRequest::Answer { service, id: format!("i{}", self.random.below(60)) },
            3 => ClientRequest::Log { service: Some(service), lines: 100 },
            4 => ClientRequest::Forget { service },
            _ => ClientRequest::Stats,
        };
        let (deadline, wanted) = (self.now, ("", String::new()));
        self.open_requests.insert(to, PendingRequest { deadline, wanted, until_accepted: true });
        let now = self.moment();
        self.state.request(to, open_requests, 10, now);
        self.run_actions();
        assert!(
            !self.open_requests.contains_key(&to),
            "a request that needs no service was not answered at once"
        );
    }

    fn advance_time(&mut self) {
        let step = Duration::from_millis(1 + self.random.below(900) as u64);
        self.now = match self.state.next() {
            // To the next timer, if that is within the step.
            Some(next) if self.random.one_in(2) => self.now.max(next.min(self.now + step)),
            _ => self.now + step,
        };
        let now = self.moment();
        self.state.advance(now);
        self.run_actions();
        // A repeated command shares the deadline of the first request.
        let joined = |(name, id): &(&str, String)| {
            let known = self.state.services.get(*name);
            known.and_then(|known| known.open.get(&**id)).is_some_and(|open| open.deadline > self.now)
        };
        let late =
            self.open_requests.iter().filter(|(_, open)| open.deadline <= self.now && !joined(&open.wanted));
        let late: Vec<_> = late.collect();
        assert!(late.is_empty(), "{:?} has no answer at its deadline", late[0].0);
        assert!(
            self.state.next().is_none_or(|next| next > self.now),
            "a timer has expired and was not handled"
        );
    }

    /// Carries out the actions and checks them.
    fn run_actions(&mut self) {
        while let Some(action) = self.state.next_action() {
            if self.verbose {
                eprintln!("{:?} {action:?}", self.now);
            }
            match action {
                Action::SendCommand { link, request, .. } => self.command_sent(link, request),
                Action::SendToService { message: ToService::Refused(_), .. } => {
                    self.coverage.refused_services += 1
                }
                Action::SendToService { .. } => {}
                Action::CloseLink { link } => {
                    self.coverage.closed_links += 1;
                    self.services.retain(|service| service.link != link);
                }
                Action::Reply { to, value } => self.answer(to, Ok(value)),
                Action::ReplyError { to, error } => self.answer(to, Err(error)),
                Action::Push { to, value } => {
                    assert!(to.iter().all(|session| !self.left_clients.contains(session)));
                    self.coverage.pushes += 1;
                    self.coverage.data += u64::from(value.at("what").unwrap().as_text().unwrap() == "data");
                }
            }
        }
        self.check_bounds();
    }

    fn command_sent(&mut self, link: u64, command: CommandRequest) {
        let service = self.services.iter_mut().find(|service| service.link == link);
        // Another link has replaced this one in this step.
        let Some(service) = service else { return };
        assert_eq!(command.epoch, Some(service.epoch), "a command for another incarnation");
        let id = command.id.to_string();
        let is_held = service.starting && service.waited.contains(&id);
        assert!(
            !is_held || command.command == Command::Shutdown,
            "{id} of {} is sent before it has started",
            service.name
        );
        if !id.starts_with("look-") {
            let to = self.sent_to.entry((service.name.into(), id.clone())).or_default();
            to.insert(service.epoch);
            if command.command != Command::GetData {
                assert_eq!(to.len(), 1, "{id} of {} was sent to two incarnations", service.name);
            }
            self.on_link.entry(link).or_default().insert(id);
        }
        service.inbox.push_back(command);
    }

    fn answer(&mut self, to: RequestInfo, answer: Result<Value, Error>) {
        let Some(open) = self.open_requests.remove(&to) else {
            assert!(self.left_clients.contains(&to.session), "{to:?} was answered twice, or is unknown");
            return;
        };
        let Ok(value) = answer else {
            self.coverage.refused += 1;
            return;
        };
        if to.session == 77 {
            return;
        }
        let answer = Answer::from_value(&value).unwrap();
        assert_eq!(*answer.id, *open.wanted.1, "the answer to another command");
        match answer.outcome {
            Outcome::Accepted => {
                assert!(open.until_accepted, "ACCEPTED is not a final answer");
                self.coverage.accepted += 1;
            }
            Outcome::Done => {
                self.coverage.done += 1;
                let key = (open.wanted.0.to_owned(), open.wanted.1, answer.value.as_u64().unwrap());
                assert_eq!(self.carried_out.get(&key), Some(&1), "{key:?} is DONE");
            }
            Outcome::Failed => self.coverage.failed += 1,
            Outcome::Rejected => self.coverage.rejected += 1,
        }
    }

    fn check_bounds(&self) {
        let limits = limits();
        assert!(self.state.services.len() <= limits.services);
        assert!(self.state.archive.extent().0 <= limits.finished);
        assert!(self.state.log.len() <= limits.events);
        for known in self.state.services.values() {
            assert!(known.log.len() <= limits.lines);
            let own = known.open.values().filter(|open| open.is_own).count();
            assert!(own <= 1, "{own} open samples");
            assert!(known.open.len() <= limits.open + own);
        }
        let bytes: usize = self.state.services.values().flat_map(|k| k.open.values()).map(|o| o.bytes).sum();
        let expected: usize = self.state.expected.values().flatten().map(|waiting| waiting.2).sum();
        assert_eq!(self.state.open_bytes, bytes + expected);
        // One timer for each link, one for each open command, and a few for each service.
        let most = self.state.links.len() + self.state.open_keys().len() + self.state.services.len() * 6 + 10;
        assert!(self.state.schedule.len() <= most, "{} timers are set", self.state.schedule.len());
    }
}

fn history(seed: u64, verbose: bool, coverage: &mut Coverage) {
    let mut world = World {
        random: Random::new(seed),
        state: ServerState::new(1, limits()),
        now: Duration::ZERO,
        services: Vec::new(),
        links: 0,
        epochs: 0,
        open_requests: BTreeMap::new(),
        requests: 0,
        left_clients: BTreeSet::new(),
        sent_to: HashMap::new(),
        carried_out: HashMap::new(),
        on_link: HashMap::new(),
        coverage,
        verbose,
    };
    for _ in 0..STEPS {
        world.step();
    }
    // The answers of the last step expire as well.
    for _ in 0..2 {
        world.now += Duration::from_secs(3600);
        let now = world.moment();
        world.state.advance(now);
        world.run_actions();
    }
    assert!(world.open_requests.is_empty(), "never answered: {:?}", world.open_requests.keys().next());
    assert!(world.state.awaited.is_empty() && world.state.open_bytes == 0 && world.state.expected.is_empty());
    assert!(world.state.open_keys().iter().all(|(_, id)| id.starts_with("look-")));
    assert_eq!(world.state.archive.extent(), (0, 0), "expired answers are kept");
    let twice = world.carried_out.iter().find(|(_, count)| **count > 1);
    assert!(twice.is_none(), "carried out twice: {twice:?}");
}

#[test]
fn random_histories_answer_each_request_once() {
    let only = given_seed();
    let first = only.unwrap_or(1);
    let mut coverage = Coverage::default();
    for seed in first..first + HISTORIES {
        let _seed = Seed(seed);
        history(seed, only == Some(seed), &mut coverage);
    }
    let Coverage { done, accepted, rejected, failed, refused, resent, refused_services, .. } = coverage;
    for (what, count) in [
        ("done", done),
        ("accepted", accepted),
        ("rejected", rejected),
        ("failed", failed),
        ("refused", refused),
        ("sent again", resent),
        ("refused services", refused_services),
        ("restarted", coverage.restarted),
        ("held until the service had started", coverage.held),
        ("pushed", coverage.pushes),
        ("data", coverage.data),
        ("closed links", coverage.closed_links),
        ("requested by clients that disconnected", coverage.without_client),
    ] {
        assert!(only.is_some() || count > 50, "{what} occurred only {count} times: {coverage:?}");
    }
}

//! An entry of a listing, and its facts from a record, an answer and stored schemas.

use crate::engine::service_side::Pattern;
use crate::engine::service_side::handshake::Hello;
use crate::engine::service_side::schema_negotiation::stored;
use crate::error::Error;
use crate::sys::user;
use crate::transport::endpoint::Endpoint;
use crate::transport::owner;
use crate::transport::place::Place;
use crate::value::Value;

/// A name that a living process holds, and that process's report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The endpoint, with its transport.
    pub endpoint: String,
    /// The pattern of the name: `channel`, `request`, `publish` or `controller`.
    pub pattern: Option<&'static str>,
    /// Whether a living process holds it.
    pub live: bool,
    /// The process that holds it; `None` also without a number in this PID namespace.
    pub pid: Option<u32>,
    /// Whether that process is in another PID namespace, so that its number is unknown here.
    pub(crate) is_elsewhere: bool,
    /// The machine of the name, if it stands for a name of another machine.
    pub machine: Option<String>,
    /// A publisher's incarnation, as in its messages, or the random number of a journal's creation.
    pub incarnation: Option<u64>,
    /// The `client_id`, else the name of the program.
    pub program: Option<String>,
    /// The name of the user, else its number.
    pub user: Option<String>,
    /// The encoding of values.
    pub encoding: Option<String>,
    /// Messages sent and received so far.
    pub messages: Option<u64>,
    /// Connected clients or subscribers.
    pub peers: Option<u64>,
    /// The messages that the slowest subscriber has not read; for a spool, the waiting messages.
    pub behind: Option<u64>,
    /// The lost messages of disconnected clients, dropped because the bounds were reached.
    pub forgotten: Option<u64>,
    /// The name and version of the schema at the endpoint.
    pub schema: Option<String>,
    /// The name and version of the schema of replies.
    pub reply_schema: Option<String>,
    /// The last report of a caller whose schema does not fit: its program, and the differences.
    pub mismatch: Option<String>,
    /// The named readers of a journal, with their numbers of unconsumed messages.
    pub consumers: Vec<(String, u64)>,
    /// Why nothing else is known: not permitted, or no answer.
    pub problem: Option<Error>,
}

impl Listed {
    /// Returns the entry as a map, with null for unknown values.
    pub fn to_value(&self) -> Value {
        Value::map([
            ("endpoint", Value::from(self.endpoint.as_str())),
            ("pattern", self.pattern.map(str::to_owned).into()),
            ("machine", self.machine.clone().into()),
            ("pid", self.pid.into()),
            ("program", self.program.clone().into()),
            ("user", self.user.clone().into()),
            ("encoding", self.encoding.clone().into()),
            ("messages", self.messages.into()),
            ("peers", self.peers.into()),
            ("behind", self.behind.into()),
            ("forgotten", self.forgotten.into()),
            ("schema", self.schema.clone().into()),
            ("reply_schema", self.reply_schema.clone().into()),
            ("mismatch", self.mismatch.clone().into()),
            (
                "consumers",
                Value::Map(self.consumers.iter().map(|(name, n)| (name.clone(), (*n).into())).collect()),
            ),
            ("problem", self.problem.as_ref().map(|e| format!("{}: {}", e.kind(), e.text())).into()),
        ])
    }

    pub(super) fn unanswered(endpoint: &Endpoint) -> Listed {
        Listed {
            endpoint: endpoint.to_string(),
            pattern: None,
            machine: None,
            incarnation: None,
            live: false,
            pid: None,
            is_elsewhere: false,
            program: None,
            user: None,
            encoding: None,
            messages: None,
            peers: None,
            behind: None,
            forgotten: None,
            schema: None,
            reply_schema: None,
            mismatch: None,
            consumers: Vec::new(),
            problem: None,
        }
    }

    pub(super) fn read_stored(&mut self, place: &Place) {
        match stored::titles(place) {
            Ok(titles) => [self.schema, self.reply_schema] = titles,
            Err(e) => self.problem = self.problem.take().or(Some(e)),
        }
    }

    pub(super) fn read_record(&mut self, place: &Place) -> Option<Value> {
        match owner::read(place) {
            Ok(record) => {
                let record = record?;
                self.take_record(&record.map);
                self.pid = owner::process_in(place, &record.map);
                self.is_elsewhere = owner::is_elsewhere(&record.map);
                // The file's owner counts, not its content's claim.
                self.user = Some(user_name(record.owner));
                Some(record.map)
            }
            Err(e) => {
                self.problem = Some(e);
                None
            }
        }
    }

    fn take_record(&mut self, record: &Value) {
        let text = |key: &str| record.at(key).and_then(Value::as_text).map(str::to_owned).ok();
        self.pattern = text("pattern").and_then(|name| Pattern::from_name(&name)).map(Pattern::name);
        self.program = text("program");
        self.encoding = text("encoding");
    }

    pub(super) fn take(&mut self, peer_hello: Hello) {
        let state = peer_hello.state.unwrap_or_default();
        let number = |key: &str| state.get(key).and_then(|v| v.as_u64().ok());
        self.pattern = Some(peer_hello.pattern.name());
        self.program = Some(peer_hello.client_id.unwrap_or(peer_hello.title));
        let text = |key: &str| state.get(key).and_then(|v| v.as_text().ok()).map(str::to_owned);
        self.encoding = text("encoding");
        (self.schema, self.reply_schema) = (text("schema"), text("reply_schema"));
        self.mismatch = text("mismatch");
        self.machine = text("machine");
        self.incarnation = (peer_hello.pattern == Pattern::Publish).then_some(peer_hello.session);
        self.messages = number("messages");
        self.peers = number("peers");
        self.behind = number("behind");
        self.forgotten = number("forgotten");
    }
}

pub(super) fn user_name(uid: u32) -> String {
    user::name_of_user(uid).unwrap_or_else(|| uid.to_string())
}

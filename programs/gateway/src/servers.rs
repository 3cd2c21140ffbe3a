//! Names that a client serves. A thread takes each name's requests, and the client answers with frames.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::schema::Schema;
use linkspan::{
    Encoding, Error, ErrorKind, Options, RemoteFailure, Request, Result, Server, Value, Wait, codec,
};

use crate::asker::Asker;
use crate::frames::{Format, Frame, Received, Written};
use crate::names::Name;
use crate::reading::with_tree;
use crate::requests::{for_client, in_format};
use crate::room::{Account, Holder, Taken};

/// The most unanswered requests of a name, and their most bytes. A longer request waits until it is the only one.
const UNANSWERED: usize = 64;
const UNANSWERED_BYTES: usize = 16 << 20;
/// How often a paused thread checks whether it may continue.
const LOOK: Duration = Duration::from_millis(50);
/// How long a server waits for callers that have not received their replies.
const LINGER: Duration = Duration::from_secs(1);

pub enum Outcome {
    Value(Written),
    Failure(RemoteFailure),
}

impl Outcome {
    pub fn bytes(&self) -> u64 {
        match self {
            Outcome::Value(value) => value.bytes(),
            Outcome::Failure(failure) => [failure.kind.len(), failure.text.len(), failure.data.len()]
                .into_iter()
                .fold(0, |sum, bytes| sum.saturating_add(bytes as u64)),
        }
    }

    /// Reads the frame `answer`.
    ///
    /// # Errors
    /// `WrongType` for an invalid failure.
    pub fn of(frame: &mut Received) -> Result<Outcome> {
        let Some(failure) = frame.field("failure") else { return Ok(Outcome::Value(frame.take_value())) };
        let field = |key: &str| match failure {
            Value::Map(map) => Ok(map.get(key).filter(|value| !matches!(value, Value::Null))),
            _ => Err(Error::new(ErrorKind::WrongType, "failure is a map of code, kind, text and data")),
        };
        let text = |key: &str| -> Result<String> {
            field(key)?.map_or(Ok(String::new()), |text| text.as_text().map(str::to_owned))
        };
        Ok(Outcome::Failure(RemoteFailure {
            code: field("code")?.map_or(Ok(RemoteFailure::INTERNAL_ERROR), Value::as_i64)?,
            kind: text("kind")?,
            text: text("text")?,
            data: field("data")?.map_or(Ok(Vec::new()), |data| codec::encode(data, Encoding::Cbor))?,
        }))
    }
}

#[derive(Default)]
struct Unanswered {
    requests: HashMap<u64, (Request, Taken)>,
    bytes: usize,
    last: u64,
    is_closed: bool,
}

pub struct Served {
    server: Server,
    account: Arc<Account>,
    unanswered: Mutex<Unanswered>,
    room: Condvar,
}

impl Served {
    /// Takes the name.
    ///
    /// # Errors
    /// Errors of the name and of the schemas.
    pub fn open(
        name: &Name,
        schema: Option<&str>,
        reply_schema: Option<&str>,
        account: &Arc<Account>,
    ) -> Result<Arc<Served>> {
        let mut options = Options::default();
        if let Some(text) = schema {
            options = options.with_schema(Schema::parse(text)?);
        }
        if let Some(text) = reply_schema {
            options = options.with_reply_schema(Schema::parse(text)?);
        }
        if schema.or(reply_schema).is_some() {
            options = options.with_validate(linkspan::Validate::Both);
        }
        let server = Server::serve(&name.text(), &options).map_err(|error| for_client(error, name))?;
        let account = account.clone();
        Ok(Arc::new(Served { server, account, unanswered: Mutex::default(), room: Condvar::new() }))
    }

    fn unanswered(&self) -> MutexGuard<'_, Unanswered> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives each request to the client until the name closes. Without room, requests stay with their callers.
    ///
    /// # Errors
    /// The error that ended the server.
    pub fn take_requests(&self, id: u64, format: Format, session: &impl Asker) -> Result<()> {
        loop {
            {
                let mut unanswered = self.unanswered();
                while !unanswered.is_closed
                    && (session.is_held()
                        || self.account.is_full()
                        || unanswered.requests.len() >= UNANSWERED
                        || unanswered.bytes >= UNANSWERED_BYTES)
                {
                    unanswered =
                        self.room.wait_timeout(unanswered, LOOK).unwrap_or_else(PoisonError::into_inner).0;
                }
                if unanswered.is_closed {
                    return Ok(());
                }
            }
            // A wait with a deadline ignores signals, which the main thread handles.
            let request = match self.server.next(Wait::new(LINGER)) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Timeout => continue,
                Err(error) => return Err(error),
            };
            match in_format(request.message(), format) {
                Ok(value) => {
                    let wants_reply = request.wants_reply();
                    let call = self.keep(request);
                    let frame = Frame::of("request", id).with("call", call).with("wants_reply", wants_reply);
                    session.answer(&frame.with_encoded("value", value));
                }
                // Its caller gets the error, and the loop continues.
                Err(error) => drop(request.fail(&RemoteFailure::of(&error))),
            }
        }
    }

    /// Keeps a request until it is answered; returns its number.
    fn keep(&self, request: Request) -> u64 {
        let mut unanswered = self.unanswered();
        unanswered.last = unanswered.last.wrapping_add(1);
        let call = unanswered.last;
        if request.wants_reply() && !unanswered.is_closed {
            let bytes = request.message().body().len();
            unanswered.bytes = unanswered.bytes.saturating_add(bytes);
            let taken = self.account.take_in_any_case(Holder::Request, bytes as u64);
            unanswered.requests.insert(call, (request, taken));
        }
        call
    }

    /// Answers a request.
    ///
    /// # Errors
    /// `InvalidState` if no request waits under this number; errors of a value that the caller does not accept. The
    /// caller gets those too.
    pub fn answer(&self, call: u64, outcome: &Outcome) -> Result<()> {
        let mut unanswered = self.unanswered();
        let Some((request, _taken)) = unanswered.requests.remove(&call) else {
            let text = format!("no request {call} waits for an answer; each is answered once");
            return Err(Error::new(ErrorKind::InvalidState, text));
        };
        unanswered.bytes = unanswered.bytes.saturating_sub(request.message().body().len());
        drop(unanswered);
        self.room.notify_one();
        let answered = match outcome {
            Outcome::Value(value) => with_tree(value, |value| request.encode(value))
                .and_then(|payload| request.reply_payload(&payload)),
            Outcome::Failure(failure) => request.fail(failure),
        };
        answered.inspect_err(|error| drop(request.fail(&RemoteFailure::of(error))))
    }

    /// Gives the name up. Callers of unanswered requests get an error.
    pub fn close(&self) {
        let requests = {
            let mut unanswered = self.unanswered();
            unanswered.is_closed = true;
            unanswered.bytes = 0;
            std::mem::take(&mut unanswered.requests)
        };
        // Dropping a request sends that error.
        drop(requests);
        self.room.notify_one();
        // Callers that take nothing by then report the missing reply themselves.
        let _ = self.server.close(LINGER);
    }
}

//! Acknowledges messages (requests without answers) of local programs to servers of other machines.
//!
//! A message is acknowledged after the far server has handled it. `send` and `close` therefore report a missing or
//! stopped server as they do for a local one.
//!
//! | event | message state | effect |
//! |---|---|---|
//! | the program sends it | waiting | it goes to the far server |
//! | the far server has handled it, or its handler failed | handled | it is acknowledged after all messages before it |
//! | the server is not there | failed | the bridge takes the name again; the program connects and sends it again |
//! | no outcome came in time | unknown | the bridge sends it again; the far bridge delivers it to the server once |
//! | it is too large for the engine | handled | it is counted and logged as lost |
//!
//! Outcomes arrive on the engine's threads and messages on the loop's thread, so a lock guards the state. When
//! another server gets a name, the bridge forgets the name's messages: their programs send them again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::{Encoding, ErrorKind, Request, Result};

use crate::clocks::after;
use crate::engine::{Arrival, Body, Call, Engine, MessageId, Presence, Reply, UNHANDLED};
use crate::inbox::Inbox;

/// The delay before taking a name without a server again, or sending messages without an outcome again.
///
/// Taking the name again makes waiting programs resend their messages.
const AGAIN: Duration = Duration::from_secs(1);
/// The failure kind of a message that is too large for the engine.
const TOO_LARGE: &str = ErrorKind::TooLarge.name();
/// Senders per name above which senders without pending messages are forgotten.
const SENDERS: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Waiting,
    Handled,
    /// No outcome came in time. The message is sent again; the far bridge drops a duplicate for the same server.
    Unknown,
    /// Not handled. The next server gets it after its sender has sent it again.
    Failed,
}

/// The unacknowledged messages of one sender, in order. `R` is the request type.
///
/// Acknowledging a request covers all messages up to its number.
struct Sender<R>(VecDeque<Message<R>>);

struct Message<R> {
    number: u64,
    outcome: Outcome,
    /// `None` if its connection has ended; it can be acknowledged after it is sent again.
    request: Option<R>,
}

impl<R> Sender<R> {
    /// Records a new or repeated message.
    ///
    /// Returns whether to send it to the far server, and the request that acknowledges all handled messages.
    fn begin(&mut self, number: u64, request: R) -> (bool, Option<R>) {
        let is_new = match self.0.iter_mut().find(|message| message.number == number) {
            Some(message) => {
                message.request = Some(request);
                let is_new = message.outcome == Outcome::Failed;
                if is_new {
                    message.outcome = Outcome::Waiting;
                }
                is_new
            }
            None => {
                self.0.push_back(Message { number, outcome: Outcome::Waiting, request: Some(request) });
                true
            }
        };
        (is_new, self.acknowledge())
    }

    /// Records a message's outcome. Returns the request that acknowledges all handled messages.
    fn end(&mut self, number: u64, outcome: Outcome) -> Option<R> {
        if let Some(message) = self.0.iter_mut().find(|message| message.number == number) {
            message.outcome = outcome;
        }
        self.acknowledge()
    }

    /// Removes the leading handled messages and returns their last request.
    ///
    /// It stops at the first unhandled message, because acknowledging a later one would cover it.
    fn acknowledge(&mut self) -> Option<R> {
        let handled = self.0.iter().take_while(|message| message.outcome == Outcome::Handled);
        let last = handled.enumerate().filter(|(_, message)| message.request.is_some()).last()?.0;
        self.0.drain(..=last).next_back()?.request
    }

    /// Drops the requests of ended connections. Repeated messages come over new ones.
    fn renew(&mut self) {
        for message in &mut self.0 {
            message.request = None;
        }
    }

    fn is_waiting(&self) -> bool {
        self.0.iter().any(|message| matches!(message.outcome, Outcome::Waiting | Outcome::Unknown))
    }

    /// Returns and marks the messages to send again: those of connected senders without an outcome.
    fn repeats(&mut self) -> impl Iterator<Item = (u64, &R)> {
        self.0.iter_mut().filter(|message| message.outcome == Outcome::Unknown).filter_map(|message| {
            let request = message.request.as_ref()?;
            message.outcome = Outcome::Waiting;
            Some((message.number, request))
        })
    }
}

/// A message to send again: server name, id and value.
pub type Repeat = (String, MessageId, Body);

/// The unacknowledged messages to servers of other machines; clones share them.
#[derive(Clone)]
pub struct Acknowledgements {
    names: Arc<Mutex<BTreeMap<String, Name>>>,
    /// Wakes the loop for new deadlines and takes log lines.
    inbox: Inbox,
    /// How long to wait for an outcome before the message is sent again.
    timeout: Duration,
}

#[derive(Default)]
struct Name {
    senders: BTreeMap<u64, Sender<Request>>,
    /// When the name is taken again after its server was missing.
    again: Option<Instant>,
    /// When messages without an outcome are sent again.
    repeat: Option<Instant>,
}

impl Acknowledgements {
    pub fn new(inbox: Inbox, timeout: Duration) -> Acknowledgements {
        Acknowledgements { names: Arc::default(), inbox, timeout }
    }

    /// Sends a message to the server of a presence; `end` records its outcome.
    ///
    /// # Errors
    /// Errors of the engine's `request`.
    pub fn send(
        &self,
        name: &str,
        body: Body,
        id: MessageId,
        presence: &Presence,
        engine: &dyn Engine,
    ) -> Result<()> {
        let (acknowledgements, name) = (self.clone(), name.to_owned());
        let respond = move |reply: Reply| acknowledgements.end(&name, id, reply);
        // Without a deadline: its sender waits for the acknowledgement, as with a local server.
        let call = Call { body, until: BTreeMap::new(), message: Some(id), request: None };
        engine.request(presence, call, self.timeout, Box::new(respond))
    }

    pub fn repeats(&self) -> Vec<Repeat> {
        let now = Instant::now();
        let (mut names, mut repeats) = (self.names(), Vec::new());
        for (name, all) in names.iter_mut().filter(|(_, all)| all.repeat.is_some_and(|at| at <= now)) {
            all.repeat = None;
            for (incarnation, sender) in &mut all.senders {
                repeats.extend(sender.repeats().map(|(number, request)| {
                    let body = Body { encoding: request.encoding(), bytes: request.body().clone() };
                    (name.clone(), MessageId { incarnation: *incarnation, number }, body)
                }));
            }
        }
        repeats
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an arrived message. Returns whether to send it to the far server: a repeated one may be handled
    /// already.
    pub fn begin(&self, name: &str, request: Request) -> bool {
        let mut names = self.names();
        let all = names.entry(name.to_owned()).or_default();
        let senders = &mut all.senders;
        let (incarnation, number) = (request.incarnation(), request.sequence());
        if senders.len() >= SENDERS && !senders.contains_key(&incarnation) {
            senders.retain(|_, sender| sender.is_waiting());
        }
        let sender = senders.entry(incarnation).or_insert_with(|| Sender(VecDeque::new()));
        let (is_new, acknowledges) = sender.begin(number, request);
        if sender.0.is_empty() {
            senders.remove(&incarnation);
        } else if !is_new {
            // Its sender reconnected, and its outcome may be unknown.
            all.repeat.get_or_insert_with(|| after(Instant::now(), AGAIN));
        }
        drop(names);
        if let Some(request) = acknowledges {
            // `ack` cannot fail: the request is from this process, and the server was opened with ack="manual".
            let _ = request.ack();
        }
        is_new
    }

    /// Records a message's outcome, unless the message was forgotten.
    ///
    /// Only failures with the code `UNHANDLED` count as failures: a failure of the handler means handled.
    pub fn end(&self, name: &str, MessageId { incarnation, number }: MessageId, reply: Reply) {
        let failure = reply.err().filter(|failure| failure.code == UNHANDLED);
        let mut names = self.names();
        let Some(all) = names.get_mut(name) else { return };
        let Some(sender) = all.senders.get_mut(&incarnation) else { return };
        let outcome = outcome_of(failure.as_ref().map(|failure| &*failure.kind));
        let acknowledges = sender.end(number, outcome);
        if sender.0.is_empty() {
            all.senders.remove(&incarnation);
        }
        let at = after(Instant::now(), AGAIN);
        match failure {
            None => {}
            Some(failure) if matches!(&*failure.kind, "Disconnected" | "NotFound") => {
                all.again.get_or_insert(at);
                self.inbox.wake();
            }
            Some(failure) if failure.kind == TOO_LARGE => {
                self.inbox.push(Arrival::Refused(name.to_owned(), failure.text));
            }
            Some(failure) => {
                if outcome == Outcome::Unknown {
                    all.repeat.get_or_insert(at);
                }
                let text = format!("a message to {name} is not acknowledged yet: {}", failure.text);
                self.inbox.push(Arrival::Note("warning", text));
            }
        }
        drop(names);
        if let Some(request) = acknowledges {
            // `ack` cannot fail, as in `begin`.
            let _ = request.ack();
        }
    }

    /// Gives up a message that cannot be written as its name requires. It is lost, and later messages continue.
    pub fn refuse(&self, name: &str, id: MessageId, why: &str) {
        let handled = Body { encoding: Encoding::Raw, bytes: Bytes::new() };
        self.end(name, id, Ok(handled));
        self.inbox.push(Arrival::Note("warning", format!("a message to {name} is lost: {why}")));
    }

    /// Forgets all messages to a name whose server changed or ended. The new server gets all unacknowledged ones.
    pub fn forget(&self, name: &str) {
        self.names().remove(name);
    }

    /// Keeps outcomes and drops connections before a name is taken again.
    ///
    /// Programs then resend unacknowledged messages.
    pub fn renew(&self, name: &str) {
        if let Some(all) = self.names().get_mut(name) {
            all.again = None;
            all.senders.values_mut().for_each(Sender::renew);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.names().values().flat_map(|name| [name.again, name.repeat]).flatten().min()
    }

    pub fn due(&self) -> Vec<String> {
        let now = Instant::now();
        let names = self.names();
        let due = names.iter().filter(|(_, name)| name.again.is_some_and(|at| at <= now));
        due.map(|(name, _)| name.clone()).collect()
    }
}

/// Returns the outcome for a failure of this kind that is not the handler's, or for no failure.
fn outcome_of(failure: Option<&str>) -> Outcome {
    match failure {
        // Also after a handler's failure, which a local server acknowledges too.
        None => Outcome::Handled,
        // The engine can never carry it, and it must not block later messages.
        Some(TOO_LARGE) => Outcome::Handled,
        Some("Disconnected" | "NotFound") => Outcome::Failed,
        Some(_) => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Failed, Handled, Unknown};
    use super::*;

    fn with(numbers: &[u64]) -> Sender<u64> {
        let mut sender = Sender(VecDeque::new());
        for number in numbers {
            assert_eq!(sender.begin(*number, *number), (true, None));
        }
        sender
    }

    #[test]
    fn handled_messages_are_acknowledged_up_to_the_first_unhandled_one() {
        let mut sender = with(&[1, 3, 4]);
        assert_eq!(sender.end(3, Handled), None, "1 is on its way");
        assert_eq!(sender.end(1, Handled), Some(3));
        assert_eq!(sender.end(4, Handled), Some(4));
        assert!(sender.0.is_empty());
        let mut sender = with(&[1, 2, 3]);
        assert_eq!(sender.end(1, Handled), Some(1));
        assert_eq!(sender.end(2, Failed), None);
        assert_eq!(sender.end(3, Handled), None, "it would acknowledge 2, too");
    }

    #[test]
    fn message_that_the_engine_never_carries_does_not_block_those_behind_it() {
        let mut sender = with(&[1, 2]);
        assert_eq!(sender.end(2, outcome_of(None)), None);
        assert_eq!(sender.end(1, outcome_of(Some("TooLarge"))), Some(2));
        assert_eq!(outcome_of(Some("Timeout")), Unknown);
        assert_eq!((outcome_of(Some("NotFound")), outcome_of(Some("Disconnected"))), (Failed, Failed));
    }

    #[test]
    fn replayed_messages_are_repeated_only_where_they_failed() {
        let mut sender = with(&[1, 2, 3]);
        assert_eq!((sender.end(1, Failed), sender.end(2, Handled)), (None, None));
        sender.renew();
        assert_eq!(sender.begin(1, 1), (true, None));
        assert_eq!(sender.begin(2, 2), (false, None), "it has been handled");
        assert_eq!(sender.begin(3, 3), (false, None), "it is on its way");
        assert_eq!(sender.end(1, Handled), Some(2));
        assert_eq!(sender.end(3, Handled), Some(3));
        assert!(sender.0.is_empty());
    }

    #[test]
    fn messages_handled_during_an_absence_are_acknowledged_at_the_return() {
        let mut sender = with(&[1, 2]);
        sender.renew();
        assert_eq!(
            (sender.end(1, Handled), sender.end(2, Handled)),
            (None, None),
            "the sender is disconnected"
        );
        assert_eq!(sender.begin(1, 1), (false, Some(1)));
        assert_eq!(sender.begin(2, 2), (false, Some(2)));
    }

    #[test]
    fn message_without_an_outcome_is_sent_again_and_acknowledged_with_those_behind_it() {
        let mut sender = with(&[1, 2, 3]);
        assert_eq!((sender.end(1, Unknown), sender.end(2, Handled)), (None, None));
        assert_eq!(sender.repeats().collect::<Vec<_>>(), [(1, &1)]);
        assert_eq!(sender.repeats().count(), 0, "it is on its way");
        assert_eq!(sender.end(1, Handled), Some(2));
        // A disconnected sender has nothing to acknowledge. After its return, the message is not new.
        assert_eq!(sender.end(3, Unknown), None);
        sender.renew();
        assert_eq!(sender.repeats().count(), 0);
        assert_eq!(sender.begin(3, 3), (false, None));
        assert_eq!(sender.repeats().collect::<Vec<_>>(), [(3, &3)]);
        assert_eq!(sender.end(3, Handled), Some(3));
        assert!(sender.0.is_empty());
    }
}

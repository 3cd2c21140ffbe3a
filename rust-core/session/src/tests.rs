//! Single decisions, each by the calls that lead to it.
//!
//! | subject | defined in |
//! |---|---|
//! | the messages that an outbox keeps and replays | `kept` |
//! | the messages that an inbox takes and counts as consumed | `taken` |
//! | pending acknowledgements | `acknowledgement` |
//! | one step instead of two | `steps` |
//! | links of a connection, and control messages | `links` |

mod acknowledgement;
mod kept;
mod links;
mod steps;
mod taken;

use super::connection::{Content, Control, Obstacle, Terms, Ticket, Tried, Unless};
use super::inbox::{AckTrigger, AckUrgency, Acknowledge, Fate, Verdict};
use super::outbox::Incarnation;
use super::places::Reuse;
use super::{
    Connection, Identity, Inbox, Outbox, Owner, Progress, ReplayLimits, RetransmitClass, SessionHello,
};
use crate::error::ErrorKind;

const LIMITS: ReplayLimits = ReplayLimits { count: 8, bytes: 100 };
const OWN_SESSION: u64 = 10;
const PEER_SESSION: u64 = 20;

fn outbox() -> Outbox<&'static str> {
    Outbox::new(OWN_SESSION, Some(LIMITS))
}

fn hello(session: u64, received: u64, consumed: u64) -> SessionHello {
    SessionHello {
        session,
        first: 1,
        keeps: Some(LIMITS),
        received: Progress { session: OWN_SESSION, received, consumed },
    }
}

fn send(outbox: &mut Outbox<&'static str>, class: RetransmitClass, message: &'static str) -> u64 {
    let next = outbox.assign_number();
    let (number, place) = outbox.sent_to_place(class, message.len());
    place.into_iter().for_each(|place| *place = message);
    assert_eq!(number, next);
    next
}

fn kept<M: Reuse>(outbox: &Outbox<M>) -> (usize, usize) {
    (outbox.kept_count(), outbox.unacknowledged().bytes)
}

fn replay(outbox: &mut Outbox<&'static str>) -> Vec<(u64, &'static str)> {
    let mut all = Vec::new();
    while let Some((message, number)) = outbox.to_replay() {
        all.push((number, *message));
        outbox.replayed(number);
    }
    all
}

fn inbox(how: Acknowledge) -> Inbox {
    let mut inbox = Inbox::new(how);
    inbox.hello(&hello(PEER_SESSION, 0, 0));
    inbox
}

fn take(inbox: &mut Inbox, number: u64) {
    assert_eq!(
        inbox.received(number, 10, AckUrgency::Prompt, Fate::Filed).unwrap(),
        Verdict::New { missed: 0 }
    );
}

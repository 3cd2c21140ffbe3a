//! One end of a simulated link: outbox and inbox, and a program that sends, calls, answers and is slow.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::super::connection::{self, Connection};
use super::super::inbox::Acknowledge;
use super::super::places::Reuse;
use super::super::planted;
use super::super::{Identity, ReplayLimits, RetransmitClass, SessionHello};
use super::stream::Stream;
use super::truth::Truth;

/// The part of a message that an outbox stores.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub class: RetransmitClass,
    pub bytes: usize,
    /// For an answer: the request's number, and the session of its sender.
    pub answers: (u64, u64),
}

impl Default for Content {
    fn default() -> Content {
        Content { class: RetransmitClass::Data, bytes: 0, answers: (0, 0) }
    }
}

impl Reuse for Content {
    fn release(&mut self) {
        *self = Content::default();
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Frame {
    Message {
        content: Content,
        number: u64,
        piggyback: u64,
    },
    Ack(u64),
    /// The caller of this request gave up.
    Withdrawal(u64),
    Bye,
}

/// The words of a link, by end: they outlive the link and both programs.
#[derive(Debug, Default)]
struct Words {
    consumed: [Cell<u64>; 2],
    wanted: [Cell<u64>; 2],
    taken: [Cell<u64>; 2],
}

/// The words of a link, in the view of one end.
#[derive(Clone, Debug)]
pub struct Page {
    words: Rc<Words>,
    end: usize,
}

impl Page {
    /// Returns the two views of new words.
    pub fn of_link() -> [Page; 2] {
        let words = Rc::new(Words::default());
        [0, 1].map(|end| Page { words: words.clone(), end })
    }

    pub fn published(&self) -> u64 {
        self.words.consumed[self.end].get()
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Page) -> bool {
        Rc::ptr_eq(&self.words, &other.words)
    }
}

impl connection::Page for Page {
    fn acknowledged(&self) -> u64 {
        self.words.consumed[1 - self.end].get()
    }

    fn want(&self, number: u64) {
        self.words.wanted[self.end].set(number);
    }

    fn wanted(&self) -> u64 {
        self.words.wanted[1 - self.end].get()
    }

    fn publish(&self, consumed: u64) {
        self.words.consumed[self.end].set(consumed);
    }

    fn publish_before_fence(&self, consumed: u64) {
        self.publish(consumed);
    }

    fn taken(&self) -> u64 {
        self.words.taken[1 - self.end].get()
    }

    fn publish_taken(&self, request: u64) {
        self.words.taken[self.end].set(request);
    }
}

/// The receiving half of a link.
pub struct RxLink {
    pub id: u64,
    pub number: u64,
    pub page: Option<Page>,
    pub hello: SessionHello,
    /// The messages that the other side had sent when the link was made.
    pub sent_before: u64,
    pub begun: bool,
    pub stream: Stream,
    pub ended: bool,
}

/// The sending half of a link.
#[derive(Clone)]
pub struct TxLink {
    pub id: u64,
    pub number: u64,
    pub page: Option<Page>,
    /// The hello and identity of the other end.
    pub hello: SessionHello,
    pub identity: Identity,
    /// The session at its other end.
    pub to: u64,
    /// This end's progress in the words of the other end.
    pub has: u64,
    /// Whether it has broken unnoticed: frames vanish.
    pub broken: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct ReceivedFrame {
    pub session: u64,
    pub number: u64,
    pub content: Content,
}

#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub number: u64,
    pub link: u64,
    /// The number of its link at this end.
    pub over: u64,
    pub idempotent: bool,
}

/// The losses of a sender that keeps nothing, counted independently of the state machine.
#[derive(Clone, Copy, Default)]
pub struct Losses {
    pub session: u64,
    /// The number of the first message that this end could receive.
    base: u64,
    received: u64,
    missed: u64,
}

pub struct End {
    pub connection: Connection<Content, Page>,
    pub how: Acknowledge,
    pub rx: VecDeque<RxLink>,
    pub tx: Option<TxLink>,
    /// The number of the link that was last sent over.
    pub sent_over: u64,
    /// The halves of new links that no sending thread has taken.
    pub new_links: VecDeque<TxLink>,
    /// The message whose thread waits for room: class, length, and the number whose frame wakes the thread.
    pub waits_for_room: Option<(RetransmitClass, usize, u64)>,
    /// Whether the link had no room for its last acknowledgement, which is not repeated unasked.
    pub ack_refused: bool,
    /// Whether the link had no room for its last withdrawal.
    pub withdrawal_refused: bool,
    /// Lost data messages that were not reported.
    pub lost: u64,
    pub others: u64,
    /// Messages received while the program waited for an answer.
    pub local: VecDeque<ReceivedFrame>,
    /// The unconsumed messages of the program.
    pub unconsumed: Vec<ReceivedFrame>,
    pub to_answer: VecDeque<ReceivedFrame>,
    pub call: Option<Call>,
    pub asleep: bool,
    /// Whether it has found nothing once, but is not asleep yet.
    pub paused: bool,
    pub losses: Losses,
    /// The number of the last delivered message, for each session.
    order: Vec<(u64, u64)>,
    /// Whether an answer was sent without room to keep it.
    pub answer_not_kept: bool,
}

impl End {
    /// Returns a program whose messages are numbered after `last`.
    pub fn new((session, last): (u64, u64), keeps: Option<ReplayLimits>, how: Acknowledge) -> End {
        let connection = planted::numbered_behind(last, || Connection::new(session, keeps, how));
        End {
            connection,
            how,
            rx: VecDeque::new(),
            tx: None,
            sent_over: 0,
            new_links: VecDeque::new(),
            waits_for_room: None,
            ack_refused: false,
            withdrawal_refused: false,
            lost: 0,
            others: 0,
            local: VecDeque::new(),
            unconsumed: Vec::new(),
            to_answer: VecDeque::new(),
            call: None,
            asleep: false,
            paused: false,
            losses: Losses::default(),
            order: Vec::new(),
            answer_not_kept: false,
        }
    }

    pub fn session(&self) -> u64 {
        self.connection.outbox.session()
    }

    pub fn is_awake(&self) -> bool {
        !self.asleep || self.rx.iter().any(|link| !link.begun || link.ended || link.stream.is_readable())
    }

    /// The program gets a message.
    pub fn give(&mut self, message: ReceivedFrame, kept: bool, truth: &mut Truth) {
        let ReceivedFrame { session, number, content } = message;
        match self.order.iter_mut().find(|(of, _)| *of == session) {
            Some((_, last)) => {
                assert!(*last < number, "{number} of session {session} was given after {last}");
                *last = number;
            }
            None => self.order.push((session, number)),
        }
        truth.given(session, number, kept);
        self.connection.inbox.delivered(session, number);
        self.unconsumed.push(message);
        if content.class != RetransmitClass::Data {
            self.to_answer.push_back(message);
        }
    }

    /// The program has finished the messages of this session up to this number.
    pub fn consume(&mut self, session: Option<u64>, up_to: u64, truth: &mut Truth) {
        self.unconsumed.retain(|received| {
            let done = session.is_none_or(|session| session == received.session) && received.number <= up_to;
            if done {
                truth.consumed(received.session, received.number);
            }
            !done
        });
    }
}

impl Losses {
    /// A link began after `sent_before` sent messages.
    pub fn hello(&mut self, session: u64, sent_before: u64) {
        if self.session != session {
            *self = Losses { session, base: sent_before + 1, received: 0, missed: 0 };
        }
    }

    /// A message was received: each missing message before it must be reported once.
    pub fn received(&mut self, number: u64, missed: u64) {
        self.received += 1;
        self.missed += missed;
        assert_eq!(self.received + self.missed, number + 1 - self.base, "received and missed up to {number}");
    }
}

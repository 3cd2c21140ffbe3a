//! Sessions: numbers, acknowledgement, replay; facts in, decisions out, without a clock, a socket or a lock.
//!
//! Each end has an [`Outbox`], which counts what it sends and keeps what may have to be sent again, and an [`Inbox`],
//! which drops what comes twice and knows what the program has consumed. When a link is made, each side says in a
//! [`Hello`] who it is and how far it has come; the outbox then knows what goes over the link first.
//!
//! | what | lives in |
//! |---|---|
//! | what the two sides tell each other, who is who | here |
//! | the sending side | `outbox` |
//! | the receiving side | `inbox` |
//! | when to dial again | `redial` |
//! | peers that are away | `peers` |

pub mod inbox;
pub mod outbox;
pub mod peers;
#[cfg(test)]
mod properties;
pub mod redial;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use inbox::Inbox;
pub use outbox::Outbox;

/// How much an outbox keeps for sending it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Messages.
    pub count: usize,
    /// Bytes of their bodies. A single message above that is kept alone.
    pub bytes: usize,
}

/// What a message is, as far as keeping it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetransmitClass {
    /// A message that wants no answer: kept until it has been consumed, for whichever incarnation of the peer.
    Data,
    /// A request that may be carried out once only: never sent again.
    Request,
    /// A request that may be carried out again: kept until its answer has come, or its caller has given up.
    Idempotent,
    /// The answer to a [`RetransmitClass::Request`]: never sent again.
    Answer,
    /// The answer to a [`RetransmitClass::Idempotent`]: kept until it has been consumed, for the incarnation that asked alone.
    /// To another one its number would mean another request.
    IdempotentAnswer,
}

/// How far one side has come with the messages of one session of the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The session that this is about; 0 for none. A dialler speaks first and may mean one that is over.
    pub session: u64,
    /// The number of the last message that was taken.
    pub taken: u64,
    /// The number up to which all has been consumed.
    pub consumed: u64,
}

/// What each side tells the other when a link is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The sender's session: a number drawn by chance for this incarnation, never 0.
    pub session: u64,
    /// To whoever has not met this session, nothing below this number will be sent; 0 where nothing is said.
    pub first: u64,
    /// How much it keeps for sending again; `None` where it keeps nothing (best effort).
    pub keeps: Option<ReplayLimits>,
    /// How far it has come with ours.
    pub received: Received,
}

impl Hello {
    /// Our own words, for the hello that is being written now.
    pub fn ours<M: Clone>(outbox: &Outbox<M>, inbox: &Inbox) -> Hello {
        Hello {
            session: outbox.session(),
            first: outbox.first(),
            keeps: outbox.limits(),
            received: inbox.received(),
        }
    }
}

/// Whose program is on the other side, as far as that does not rest on its own word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    /// One who knows what all here know: the token, or the way to a pipe.
    #[default]
    Anyone,
    /// A user of this machine, as the kernel says.
    User(u32),
    /// Whoever has the key of this name.
    Key(Arc<str>),
}

/// What the other side is known by, across its incarnations. A name is what it says of itself, so it means something beside
/// its owner alone: the same name of another user is somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Whoever listens at the endpoint that we dial.
    Listener,
    /// A dialler without a name at a channel of two ends: the next one of the same owner is its successor, as the next
    /// listener is for a dialler.
    OtherEnd(Owner),
    /// A dialler with a stable name.
    Named(Owner, Arc<str>),
    /// A dialler without one: a cut link of it resumes, a next incarnation it does not have.
    Nameless(Owner, u64),
}

impl Identity {
    /// Who dialled: its name if it has one, else its session.
    pub fn of_dialler(owner: Owner, name: Option<&str>, session: u64) -> Identity {
        match name {
            Some(name) => Identity::Named(owner, name.into()),
            None => Identity::Nameless(owner, session),
        }
    }

    /// Who dialled a channel of two ends: its name if it has one, else its owner.
    pub fn of_other_end(owner: Owner, name: Option<&str>) -> Identity {
        match name {
            Some(name) => Identity::Named(owner, name.into()),
            None => Identity::OtherEnd(owner),
        }
    }

    /// How it is called in texts.
    pub fn shown(&self) -> String {
        match self {
            Identity::Listener => "the listener".to_owned(),
            Identity::OtherEnd(_) => "the other end".to_owned(),
            Identity::Named(Owner::User(uid), name) => format!("{name} of uid {uid}"),
            Identity::Named(Owner::Key(key), name) => format!("{name}@{key}"),
            Identity::Named(Owner::Anyone, name) => name.to_string(),
            Identity::Nameless(..) => "a client without a name".to_owned(),
        }
    }

    /// Whether it may come back as another incarnation.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Identity::Nameless(..))
    }
}

//! Sessions: numbering, acknowledgement and replay, as pure state machines.
//!
//! A session is the messages of one incarnation of a program to its peer, numbered from 1 across all links
//! between the two. Each end has an [`Outbox`] for sent messages and an [`Inbox`] for received ones. When a
//! link is made, each side sends a [`SessionHello`] with its session and its progress; from that the outbox
//! determines what to send again.
//!
//! Nothing here reads a clock, a socket or a lock: events and numbers go in, decisions come out. So
//! random histories of two ends, with links that break at any point, run in a test (`simulation`).
//!
//! | what | defined in |
//! |---|---|
//! | sessions in hellos, identities of peers | here |
//! | the sending side | `outbox` |
//! | messages that are kept, in fixed places | `places` |
//! | the receiving side | `inbox` |
//! | when to dial again | `redial` |
//! | sessions of disconnected peers, bounded | `peers` |

pub mod inbox;
pub mod outbox;
pub mod peers;
pub mod places;
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

/// How much an outbox keeps to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Number of messages.
    pub count: usize,
    /// Bytes of their bodies. A single longer message is kept alone.
    pub bytes: usize,
}

/// Whether, and for whom, a message is kept to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetransmitClass {
    /// A message that is not answered: kept until it is consumed, by whichever incarnation of the
    /// peer.
    Data,
    /// A request that may be carried out only once: never sent again.
    Request,
    /// A request that may be carried out again: kept until its answer comes or its caller gives up.
    Idempotent,
    /// The answer to a [`RetransmitClass::Request`]: never sent again.
    Answer,
    /// The answer to a [`RetransmitClass::Idempotent`]: kept until it is consumed, for the
    /// incarnation that sent the request. To another one the number of the request means another
    /// request.
    IdempotentAnswer,
}

/// The progress of one side in one session of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The session; 0 for none. A connecting side sends its hello first, and may mean a session that
    /// has ended.
    pub session: u64,
    /// The number of the last message that was received.
    pub received: u64,
    /// The number up to which everything is consumed.
    pub consumed: u64,
}

/// The session in the hello of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHello {
    /// The sender's session: a random number for this incarnation, never 0.
    pub session: u64,
    /// The lowest number that a peer without this session may receive; 0 if the hello has none.
    pub first: u64,
    /// How much the sender keeps to be sent again; none for best effort.
    pub keeps: Option<ReplayLimits>,
    /// The sender's progress in the receiver's session.
    pub received: Progress,
}

impl SessionHello {
    /// Returns this side's part of the hello.
    pub fn of<M: places::Reuse>(outbox: &Outbox<M>, inbox: &Inbox) -> SessionHello {
        SessionHello {
            session: outbox.session(),
            first: outbox.first(),
            keeps: outbox.limits(),
            received: inbox.progress(),
        }
    }
}

/// The owner of a peer's program, without claims of the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Not known: a peer that presented the token of this machine, or reached a pipe.
    #[default]
    Anyone,
    /// The user of this machine that the kernel reports.
    User(u32),
    /// The holder of the trusted key of this name, on another machine.
    Key(Arc<str>),
}

/// The identity of a peer across its incarnations. A name is chosen by the peer, so it counts only together
/// with its owner: the same name of another user is another peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The listener at the endpoint that this side dials.
    Listener,
    /// A connecting peer without a name, at a channel with a single peer: the next one of the same
    /// owner succeeds it.
    OtherEnd(Owner),
    /// A connecting peer with a `client_id`.
    Named(Owner, Arc<str>),
    /// A connecting peer without one, by its session: it can resume after a broken link, and not
    /// after a restart.
    Nameless(Owner, u64),
}

impl Identity {
    /// Returns the identity of a peer that connected to a listener or server.
    pub fn of_dialler(owner: Owner, name: Option<&str>, session: u64) -> Identity {
        match name {
            Some(name) => Identity::Named(owner, name.into()),
            None => Identity::Nameless(owner, session),
        }
    }

    /// Returns the identity of a peer that connected to a channel with a single peer.
    pub fn of_other_end(owner: Owner, name: Option<&str>) -> Identity {
        match name {
            Some(name) => Identity::Named(owner, name.into()),
            None => Identity::OtherEnd(owner),
        }
    }

    /// Returns the name for texts and events.
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

    /// Returns whether the peer can return as another incarnation.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Identity::Nameless(..))
    }
}

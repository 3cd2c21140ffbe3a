//! The identity of a peer across its incarnations.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

/// The proven owner of a peer's program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Unknown: the peer presented the token of this machine, or reached a pipe.
    #[default]
    Anyone,
    /// The user of this machine that the kernel reports.
    User(u32),
    /// The holder of the trusted key of this name, on another machine.
    Key(Arc<str>),
}

/// The identity of a peer across its incarnations.
///
/// The peer chooses its name, so the name counts only with its owner: another user's peer of that name is another peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The listener at the endpoint that this side dials.
    Listener,
    /// A connecting peer without a name, at a channel with a single peer.
    ///
    /// The owner's next peer succeeds it.
    OtherEnd(Owner),
    /// A connecting peer with a `client_id`.
    Named(Owner, Arc<str>),
    /// A connecting peer without a `client_id`, by its session.
    ///
    /// It can resume after a broken link, but not after a restart.
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

//! Who a peer is, across its incarnations.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

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

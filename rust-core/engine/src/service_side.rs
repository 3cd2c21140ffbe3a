//! The interface of `linkspan-service` outside the public one.
//!
//! A service exchanges messages frame by frame, states its own pattern, and asks listeners for their identity. These
//! are functions instead of methods, so that programs cannot call them: `linkspan` does not re-export this module.

use std::os::fd::{BorrowedFd, OwnedFd};

pub use crate::channel::link::Peer;
pub use crate::channel::pattern::Pattern;
pub use crate::channel::persistent::PersistentObjects;
pub use crate::channel::turns::Turns;
pub use crate::channel::{LINGER, RequestInfo, is_not_ready};
pub use crate::message::failure::to_payload as failure_payload;
pub use crate::session::Owner;
pub use crate::session::redial::Redial;

use crate::deadline::Wait;
use crate::error::Result;
use crate::frame::{Header, Kind};
use crate::sys::poll::Interest;
use crate::value::Value;
use crate::{Channel, Listener, Message, Options, Payload};

/// The hellos of both sides.
pub mod handshake {
    pub use crate::channel::handshake::{Hello, read_answer, title};
}

/// Open names that are similar to a missing one.
pub mod open_names {
    pub use crate::channel::open_names::{named, nearest_open};
}

/// Schemas of a listener.
pub mod schema_negotiation {
    pub use crate::channel::schema_negotiation::{Describes, fetch};

    /// Schemas in the directory of a spool or a journal.
    pub mod stored {
        pub use crate::channel::schema_negotiation::stored::{
            form_of_record, forms_of_history, stored_form, titles,
        };
    }
}

/// Sets the pattern of a channel's or listener's name.
pub fn set_pattern(options: &mut Options, pattern: Pattern) {
    options.pattern = pattern;
}

/// Sets the largest number of connections that wait to be accepted.
pub fn set_queue(options: &mut Options, queue: usize) {
    options.queue = queue;
}

/// Ends a connecting channel with its first link, because the caller makes the next one.
pub fn end_with_first_link(options: &mut Options) {
    options.once = true;
}

/// [`Options::set`] for an object with more option names, to be suggested for a mistyped one.
pub fn set_beside(options: &mut Options, more: &[&str], name: &str, value: &Value) -> Result<()> {
    options.set_beside(more, name, value)
}

/// [`Listener::accept`] that also returns the peer.
pub fn accept_with_peer(listener: &Listener, wait: Wait<'_>) -> Result<(Channel, Peer)> {
    listener.accept_with_peer(wait)
}

/// Sends a message of another kind than data or request, such as a command or an event.
pub fn send_as<'a>(
    channel: &Channel,
    kind: Kind,
    payload: &Payload,
    wait: impl Into<Wait<'a>>,
) -> Result<u64> {
    channel.send_as(kind, payload, wait)
}

/// Sends the reply or error for a request without waiting. `Full` if the peer has no room.
pub fn respond(channel: &Channel, to: RequestInfo, kind: Kind, payload: &Payload) -> Result<()> {
    channel.respond(to, kind, payload)
}

/// Arms the descriptor of a channel and passes it to `watch`, which adds it to an epoll set.
pub fn with_descriptor(channel: &Channel, watch: impl FnOnce(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
    channel.with_descriptor(watch)
}

/// Flushes queued bytes.
///
/// If some remain or `blocked` is true, returns a descriptor and the event for room.
pub fn room(channel: &Channel, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
    channel.room(blocked)
}

/// Closes a channel without a bye and without waiting: the peer sees the link end.
pub fn abandon(channel: &Channel) {
    channel.abandon();
}

/// Returns the header of a message.
pub fn header(message: &Message) -> &Header {
    message.header()
}

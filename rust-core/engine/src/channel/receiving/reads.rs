//! For whom frames of a channel's link are received, and what follows from that in the loop (`pump`).

use crate::channel::link::Want;
use crate::session::inbox::{AckTrigger, Fate};

/// For whom frames are received.
#[derive(Clone, Copy, Default)]
pub struct Reads {
    /// A call of the program that receives: it gets first what was kept. A server sends nothing to it.
    pub of_program: bool,
    /// What becomes of a message that is not the answer.
    pub fate: Fate,
    /// What was delivered before stays unconsumed in a store: the program may not have handled it.
    pub spares: bool,
    /// The occasion on which the messages delivered before are recorded as consumed: together with the next message, if
    /// one is ready, which saves a lock and a fence; otherwise before a wait.
    pub consume: Option<AckTrigger>,
    /// The number of the request whose answer the call waits for; 0 for none.
    pub answer_to: u64,
    /// A link that has ended is replaced by a new one. Otherwise only one that exists already is taken.
    pub makes_links: bool,
    /// The direction is on loan to a thread that sleeps for long: a call of the program that wants it gets it.
    pub is_lent: bool,
    /// Whether the peer lives is asked before each look: a link over shared memory that was parked asks the kernel.
    pub asks_for_peer: bool,
    /// What the call does before it takes a frame.
    pub first: First,
}

/// What a call does before it takes the first frame: what it has seen under the lock that it had last is not looked for
/// again.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum First {
    /// It looks, as before each frame.
    #[default]
    Look,
    /// It has seen that nothing is there: it reads what a stream has.
    Read,
    /// It has seen that nothing is there, and that nothing is to be said before a wait: it waits.
    Wait,
}

impl Reads {
    /// How a call of the program receives that has recorded what was consumed.
    pub const OF_PROGRAM: Reads = Reads {
        of_program: true,
        makes_links: true,
        fate: Fate::Filed,
        spares: false,
        consume: None,
        answer_to: 0,
        is_lent: false,
        asks_for_peer: false,
        first: First::Look,
    };
    /// The same where each message is delivered in the step in which it is received.
    pub const DELIVERED: Reads = Reads { fate: Fate::Delivered, ..Reads::OF_PROGRAM };

    /// Returns what is taken in the link for such a call.
    pub fn want(&self) -> Want {
        Want { fate: self.fate, consume: self.consume, answer_to: self.answer_to, ..Want::ANY }
    }

    /// Returns how the library receives: what is there, over links that are there.
    pub fn of_library() -> Reads {
        Reads { spares: true, ..Reads::default() }
    }
}

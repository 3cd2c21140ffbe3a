//! Who receives frames (a program's call or the library), and how that changes the loop (`pump`).

use crate::channel::link::Want;
use crate::session::inbox::{AckTrigger, Fate};

#[derive(Clone, Copy, Default)]
pub struct Reads {
    /// A receiving call of the program. It gets kept messages first, and fails if the peer is a server.
    pub of_program: bool,
    /// The fate of messages other than the answer.
    pub fate: Fate,
    /// Whether delivered messages stay unconsumed in a store: the program may not have handled them.
    pub spares: bool,
    /// When to record delivered messages as consumed: with the next ready message, which saves a lock and a fence, or
    /// before a wait.
    pub consume: Option<AckTrigger>,
    /// The number of the request whose answer the call awaits; 0 for none.
    pub answer_to: u64,
    /// Whether the call makes a new link after the end of one.
    pub makes_links: bool,
    /// Whether the direction is on loan to a long sleeper, which gives it up to a call.
    pub is_lent: bool,
    /// Whether each look first asks whether the peer lives: a parked link in shared memory asks the kernel.
    pub asks_for_peer: bool,
    pub first: First,
}

/// The action before the first frame. It saves a look that the last lock has made.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum First {
    #[default]
    Look,
    /// Reads the data of a stream: the link was empty.
    Read,
    /// Waits: the link was empty, and nothing must be sent before.
    Wait,
}

impl Reads {
    /// After the call has recorded the consumption.
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
    /// With delivery in the receiving step.
    pub const DELIVERED: Reads = Reads { fate: Fate::Delivered, ..Reads::OF_PROGRAM };

    pub fn want(&self) -> Want {
        Want { fate: self.fate, consume: self.consume, answer_to: self.answer_to, ..Want::ANY }
    }

    /// Returns how the library receives: available frames over existing links.
    pub fn of_library() -> Reads {
        Reads { spares: true, ..Reads::default() }
    }
}

//! For whom frames of a channel's link are received, and what follows from that in the loop (`pump`).

use crate::session::inbox::AckTrigger;

/// For whom frames are received.
#[derive(Clone, Copy, Default)]
pub struct Reads {
    /// A call of the program that receives: it gets first what was kept. A server sends nothing to it.
    pub of_program: bool,
    /// A message is delivered to the program in the same step.
    pub delivers: bool,
    /// What was delivered before stays unconsumed in a store: the program may not have handled it.
    pub spares: bool,
    /// The occasion on which the messages delivered before are recorded as consumed: together with the next message, if
    /// one is ready, which saves a lock and a fence; otherwise before a wait.
    pub consume: Option<AckTrigger>,
    /// The number of the request whose answer the call awaits; 0 for none.
    pub awaited: u64,
    /// A link that has ended is replaced by a new one. Otherwise only one that exists already is taken.
    pub makes_links: bool,
    /// The direction is on loan to a thread that sleeps for long: a call of the program that wants it gets it.
    pub is_lent: bool,
    /// Whether the peer lives is asked before each look: a link over shared memory that was parked asks the kernel.
    pub asks_for_peer: bool,
}

impl Reads {
    /// Returns how a call of the program receives that has to record this as consumed.
    pub fn of_program(consume: Option<AckTrigger>) -> Reads {
        Reads { of_program: true, consume, makes_links: true, ..Reads::default() }
    }

    /// Returns how the library receives: what is there, over links that are there.
    pub fn of_library() -> Reads {
        Reads { spares: true, ..Reads::default() }
    }
}

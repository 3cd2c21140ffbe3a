//! The end of a connection on this side: all waits end, then the thread that closes goes on alone, then no more links are made.

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// Not begun.
    #[default]
    Open,
    /// Nothing is sent or received any more, and no link is made.
    Closed,
    /// The thread that closes has both directions, and makes links until the peer has acknowledged everything.
    Lasts,
}

impl Closing {
    /// Begins the end: further calls are refused. Returns whether this call has.
    pub fn begin(&mut self) -> bool {
        let is_open = *self == Closing::Open;
        if is_open {
            *self = Closing::Closed;
        }
        is_open
    }

    /// Returns whether links may be made.
    pub fn makes_links(self) -> bool {
        self != Closing::Closed
    }
}

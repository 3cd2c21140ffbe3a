//! What a client of the page may do, which its token decides.

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// To read, and to send commands.
    Command,
    /// To read.
    Read,
}

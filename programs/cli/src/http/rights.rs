//! The rights of a client of the page, which its token decides.

/// The rights of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    Command,
    Read,
}

//! The rights of a client of the page, which its token decides.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    Command,
    Read,
}

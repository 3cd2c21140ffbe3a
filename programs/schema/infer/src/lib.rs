//! Infers schemas from messages, with comments where the messages leave a doubt, and widens schemas until they accept
//! more messages.
//!
//! | what | lives in |
//! |---|---|
//! | what was seen of each field: [`Evidence`] | `evidence` |
//! | from the evidence to a type, and what remains in doubt | `propose` |
//! | a schema made wider, and never narrower, message by message: [`Widening`] | `widen` |
//! | comments in the notation | `comments` |

#![forbid(unsafe_code)]

mod comments;
mod evidence;
mod propose;
mod widen;

pub use evidence::Evidence;
pub use propose::{Proposal, propose};
pub use widen::Widening;

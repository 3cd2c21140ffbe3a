//! Infers schemas from messages, with comments for open questions, and widens schemas for messages.
//!
//! | part | lives in |
//! |---|---|
//! | statistics of each field: [`Evidence`] | `evidence` |
//! | a type from the statistics, with open questions | `propose` |
//! | widening a schema message by message: [`Widening`] | `widen` |
//! | comments in the notation | `comments` |

#![forbid(unsafe_code)]

mod comments;
mod evidence;
mod propose;
mod widen;

pub use evidence::Evidence;
pub use propose::{Proposal, propose};
pub use widen::Widening;

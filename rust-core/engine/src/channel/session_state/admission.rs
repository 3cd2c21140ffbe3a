//! The admission of a frame: its class by kind and flags, and the length limit of the link.
//!
//! Every message passes here, also batches, and messages that publishers send and store. The connection
//! (`linkspan-session`) decides whether it may be sent now. A rule about frames is a line in [`allows`] or in
//! [`content`].

use super::class;
use crate::frame::Kind;
use crate::planted::{self, Planted};
use crate::session::Connection;
use crate::session::connection::{Content, Page};
use crate::session::places::Reuse;

pub use crate::session::connection::{Obstacle, Terms, Ticket, Unless, crosses_ack_check};

fn allows(limit: u64, length: usize) -> bool {
    length as u64 <= limit && !planted::is(Planted::RefusedLength(length))
}

pub fn content(limit: u64, kind: Kind, flags: u16, length: usize) -> Content {
    Content {
        class: class(kind, flags),
        length,
        is_allowed: allows(limit, length),
        carries_ack: carries_ack(kind),
        reports_losses: kind == Kind::Data,
    }
}

/// Admits the leading data messages of these lengths, at most `most`. Returns the first ticket and the count.
///
/// The following messages have the next numbers.
pub fn admit_data<M: Reuse, P: Page>(
    connection: &mut Connection<M, P>,
    (terms, limit): (&Terms, u64),
    most: usize,
    lengths: impl Iterator<Item = usize> + Clone,
) -> Unless<(Ticket, usize)> {
    let first = lengths.clone().next().unwrap_or(usize::MAX);
    let allowed = lengths.take_while(|length| allows(limit, *length));
    connection.admit_run(terms, &content(limit, Kind::Data, 0, first), most, allowed)
}

/// Answers use the acknowledgement's field for the number of their request.
pub fn carries_ack(kind: Kind) -> bool {
    matches!(kind, Kind::Data | Kind::Request)
}

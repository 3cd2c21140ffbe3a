//! What a frame is to the session: its class by kind and flags, and whether the link takes one of its length.
//!
//! Every message passes here, whatever its kind, and whatever its link: data, requests and replies of channels and
//! servers, alone and in batches, and what publishers send and store. Whether it may be sent now, the connection
//! decides (`linkspan-session`); a rule of what frames say is a line in [`allows`] or in [`content`].

use super::class;
use crate::frame::Kind;
use crate::planted::{self, Planted};
use crate::session::Connection;
use crate::session::connection::{Content, Page};
use crate::session::places::Reuse;

pub use crate::session::connection::{Obstacle, Terms, Ticket, Unless, crosses_ack_check};

/// Returns whether a link with this limit may get a message of this length.
fn allows(limit: u64, length: usize) -> bool {
    length as u64 <= limit && !planted::is(Planted::RefusedLength(length))
}

/// Returns what a message of this kind and length is to a session whose link takes so many bytes.
pub fn content(limit: u64, kind: Kind, flags: u16, length: usize) -> Content {
    Content {
        class: class(kind, flags),
        length,
        is_allowed: allows(limit, length),
        carries_ack: carries_ack(kind),
        reports_losses: kind == Kind::Data,
    }
}

/// Admits the first ones of several data messages with these lengths, at least one and at most `most`. Returns the
/// ticket of the first one and their number. The messages behind it have the next numbers.
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

/// Returns whether a message of this kind carries an acknowledgement: answers use that field for the number of their
/// request.
pub fn carries_ack(kind: Kind) -> bool {
    matches!(kind, Kind::Data | Kind::Request)
}

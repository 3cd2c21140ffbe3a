//! Channels: two ends and messages both ways over any transport; also the parts that servers and publishers share.
//!
//! A transport moves opaque frames over one connection. This layer adds hellos, sessions that survive broken links
//! and restarts, turns of threads, deadlines, events and counters. `request`, `publish` and `service` build on it.
//!
//! | subject | modules |
//! |---|---|
//! | the public channel and listener; lent memory for arrays | `ends`, `listener`, `loan` |
//! | options; events and counters | `options`, `event_log` |
//! | the hello of each side; the pattern of a name | `handshake`, `pattern` |
//! | connecting | `dial`, `asking`, `retry` |
//! | accepting connections and admitting callers | `acceptor`, `admission`, `accept_queue` |
//! | a connected link and its peer; a channel's or client's connection | `link`, `conn` |
//! | comparing schemas at connect; reporting a mismatch | `schema_negotiation`, `mismatch_report` |
//! | replacing a broken link | `reconnector` |
//! | links to programs without Linkspan; JSON-RPC over lines | `plain`, `jsonrpc` |
//! | numbers, acknowledgement and replay as pure state machines | crate `linkspan-session` |
//! | the session with one peer; the sessions of a listener's clients | `session_state`, `session_registry` |
//! | objects that outlive a call | `persistent` |
//! | the two directions of a link, and turns of threads | `sending`, `receiving`, `direction`, `turns` |

pub(crate) mod accept_queue;
pub(crate) mod acceptor;
pub(crate) mod admission;
pub(crate) mod asking;
pub(crate) mod conn;
pub(crate) mod dial;
mod direction;
mod ends;
pub(crate) mod event_log;
pub(crate) mod handshake;
pub(crate) mod jsonrpc;
pub(crate) mod link;
mod listener;
pub(crate) mod loan;
mod lockstep;
mod mismatch_report;
pub(crate) mod open_names;
pub(crate) mod options;
pub(crate) mod pattern;
pub mod peers;
pub(crate) mod persistent;
pub(crate) mod plain;
mod receiving;
mod reconnector;
pub(crate) mod retry;
pub(crate) mod schema_negotiation;
pub(crate) mod sending;
mod session_registry;
pub(crate) mod session_state;
pub(crate) mod turns;

pub(crate) use direction::{Operation, lock_exclusive};
pub use ends::{Channel, PendingReply, RequestInfo, Role};
pub use ends::{LINGER, is_not_ready};
pub(crate) use ends::{batch, if_not_ready};
#[doc(hidden)]
pub use event_log::End;
pub use event_log::{Event, EventKind};
pub use listener::Listener;
pub use loan::{BytesLoan, Loan, LoanMemory};
pub(crate) use options::Use;
pub use options::{Acknowledge, Delivery, Framing, OnUnconsumed, Options, StartAt, Validate};

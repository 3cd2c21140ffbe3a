//! Channels: two ends, messages both ways, whatever the transport; and what every object above a link is made of.
//!
//! | what | lives in |
//! |---|---|
//! | the public channel: open, connect, send, recv, call | `ends` |
//! | the public listener | `listener` |
//! | its options, its events and counters | `options`, `record` |
//! | the first words on a connection | `greeting` |
//! | who calls, who is called | `dial`, `acceptor` |
//! | schemas at connect: which, who compares, who is let in | `agreement` |
//! | a link that is made anew when it breaks | `reconnector` |
//! | links to programs that know nothing of Linkspan; JSON-RPC over their lines | `plain`, `jsonrpc` |
//! | numbers, acknowledgement, replay, as pure state | `session` |
//! | what we and one peer remember of each other | `session_state` |
//! | what a listener remembers of its peers | `session_registry` |
//! | what outlives a call | `persistent` |
//! | links of which one end is on another machine | `relay` |
//! | sending, receiving over it, and whose turn it is | `sending`, `receiving`, `direction`, `turns` |

pub(crate) mod acceptor;
pub(crate) mod agreement;
pub(crate) mod dial;
mod direction;
mod ends;
pub(crate) mod greeting;
pub(crate) mod jsonrpc;
mod listener;
mod options;
pub(crate) mod persistent;
pub(crate) mod plain;
mod receiving;
mod reconnector;
pub(crate) mod record;
mod relay;
mod sending;
pub(crate) mod session;
mod session_registry;
pub(crate) mod session_state;
pub(crate) mod turns;

pub(crate) use direction::{Does, only_one};
pub use ends::{Channel, PendingReply, Role};
pub(crate) use ends::{LINGER, RequestInfo, batch, instead, is_not_now};
pub use listener::Listener;
pub(crate) use options::Use;
pub use options::{Acknowledge, Delivery, Framing, Options, StartAt, Validate};
pub use record::{Event, EventKind};
pub use relay::{RelayCaller, RelayLink, RelayListener};
pub(crate) use session::redial::{Pause, Redial};

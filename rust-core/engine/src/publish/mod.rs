//! Publish and subscribe: one publisher, any number of subscribers, and the newest value always
//! there to read.
//!
//! A publisher waits for no subscriber. Over shared memory it writes each message once, into a ring
//! that all subscribers map read-only; over sockets it sends to each subscriber what its queue in
//! the kernel takes. A subscriber that is too slow misses messages and gets their number (`Lagged`).
//! A file or a journal keeps values by itself: publisher and subscribers need not run at the same
//! time.
//!
//! | what | lives in |
//! |---|---|
//! | the public publisher | `publisher` |
//! | how it reaches its subscribers: one ring for all, or a socket each | `fanout` |
//! | a subscriber with a socket of its own | `stream_subscriber` |
//! | the newest messages, for slow and late subscribers over sockets | `history` |
//! | a publisher that takes over the name of another one of this process | `replace` |
//! | the admission of subscribers, and the answers to their hellos | `handshake` |
//! | files and journals | `store` |
//! | the public subscriber; the state of its receiving thread | `subscriber`, `receive_state` |
//! | iterators and the descriptor of a subscriber | `joins` |
//! | the source of a subscriber | `feed` |
//! | what a subscriber with a `client_id` received last, for its next incarnation | `position` |
//! | the names of a subscriber to several | `names` |
//! | how many publishers a name had, and how many were met | `lives` |
//! | its last number, which outlives it | `last_number` |
//! | the newest value alone; the requests for it | `latest`; `request` |

mod fanout;
mod feed;
mod gaps;
mod handshake;
mod history;
mod joins;
mod last_number;
mod latest;
mod lives;
mod names;
mod position;
mod publisher;
mod receive_state;
mod replace;
mod request;
mod store;
mod stream_subscriber;
mod subscriber;

pub use gaps::Gap;
pub use joins::{Messages, TryMessages};
pub use latest::{latest, latest_persistent, latest_until};
pub use publisher::Publisher;
pub use store::driver as store_driver;
pub use subscriber::Subscriber;

pub use crate::transport::store::History;

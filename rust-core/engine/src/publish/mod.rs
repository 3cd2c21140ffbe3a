//! Publish and subscribe: one publisher, any number of subscribers, and the newest value always there to read.
//!
//! A publisher does not wait for subscribers. Over shared memory it writes each message once, into a ring that all
//! subscribers map read-only. Over sockets it sends to each subscriber as much as its kernel queue takes. A slow
//! subscriber misses messages and gets their number (`Lagged`). A file or a journal stores values, so publisher and
//! subscribers need not run at the same time.
//!
//! | subject | module |
//! |---|---|
//! | the public publisher | `publisher` |
//! | how it reaches its subscribers: one ring for all, or a socket each | `fanout` |
//! | a subscriber with a socket of its own | `stream_subscriber` |
//! | the newest messages, for slow and late subscribers over sockets | `history` |
//! | a publisher that takes over a name of this process | `replace` |
//! | the admission of subscribers, and the answers to their hellos | `handshake` |
//! | files and journals | `store` |
//! | the public subscriber; the state of its receiving thread | `subscriber`, `receive_state` |
//! | iterators and the descriptor of a subscriber | `joins` |
//! | the source of a subscriber | `feed` |
//! | the last received number of a subscriber with a `client_id` | `position` |
//! | the names of a subscriber to several | `names` |
//! | how many publishers a name had, and how many were met | `lives` |
//! | a publisher's last number, which outlives it | `last_number` |
//! | the newest value without a subscription; its request | `latest`; `request` |

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

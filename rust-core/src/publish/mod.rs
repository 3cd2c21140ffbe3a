//! Publish and subscribe: one publisher, any number of subscribers, the newest value always there to read.
//!
//! | what | lives in |
//! |---|---|
//! | the public publisher | `publisher` |
//! | how it reaches its subscribers: one ring for all, or a socket each | `fanout` |
//! | what a slow or late subscriber of a socket still gets | `history` |
//! | who is let in | `handshake` |
//! | values that are kept by themselves, without a publisher that answers | `store` |
//! | the public subscriber | `subscriber` |
//! | it as an iterator and a descriptor | `joins` |
//! | what it reads from | `feed` |
//! | the newest value alone | `latest` |

mod fanout;
mod feed;
mod handshake;
mod history;
mod joins;
mod latest;
mod publisher;
mod store;
mod subscriber;

pub use joins::{Messages, TryMessages};
pub use latest::{latest, latest_persistent};
pub use publisher::Publisher;
pub use subscriber::Subscriber;

//! A publisher that represents one on another machine, with its incarnation and numbers.

use super::Publisher;
use crate::channel::Options;
use crate::channel::handshake::Hello;
use crate::channel::pattern::Pattern;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Payload;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Transport;
use crate::value::Timestamp;

impl Publisher {
    /// Binds the name for a publisher of another machine; its messages are relayed from number `first` on.
    ///
    /// `incarnation` is its [`incarnation`](crate::Message::incarnation). A subscriber that received from it at another
    /// relay continues there, and `Lagged` tells the messages missed in between. For other subscribers, messages before
    /// `first` do not count as missed.
    ///
    /// # Errors
    /// `AddressInUse` if a living process holds the name; `Unsupported` for an endpoint without live subscribers;
    /// `InvalidState` if the incarnation or `first` is 0.
    pub fn relay(endpoint: &str, options: &Options, incarnation: u64, first: u64) -> Result<Publisher> {
        let endpoint: Endpoint = endpoint.parse()?;
        let open = || {
            if !endpoint.transport().capabilities().relays {
                let text = format!(
                    "only {} relay messages under their numbers; use one of those",
                    Transport::having(|can| can.relays)
                );
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            if incarnation == 0 || first == 0 {
                let text = "a relay needs an incarnation and a first number, neither of which may be 0";
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
            let mut hello =
                Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
            (hello.session, hello.first) = (incarnation, first);
            Publisher::at(&endpoint, options, hello, true)
        };
        open().map_err(|e| e.on(&endpoint))
    }

    /// Publishes a message of the represented publisher with its number and time.
    ///
    /// Subscribers get `Lagged` for skipped numbers. Returns false, without publishing, for a number that was already
    /// published. Fails as [`Publisher::send`].
    pub fn relay_payload(&self, sequence: u64, sent: Timestamp, payload: &Payload) -> Result<bool> {
        self.try_relay(sequence, sent, payload).map_err(|e| e.on(&self.shown))
    }

    fn try_relay(&self, sequence: u64, sent: Timestamp, payload: &Payload) -> Result<bool> {
        self.check()?;
        if self.store.is_some() {
            let text = "a store numbers its messages by itself; relay to an endpoint with live subscribers";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let _turn = self.acquire_turn()?;
        self.fanout.relay(sequence, sent, payload)
    }
}

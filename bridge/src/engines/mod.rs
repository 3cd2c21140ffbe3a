//! The engines that join machines, each with all that this program uses of it.

#[cfg(not(any(feature = "nats", feature = "zenoh")))]
compile_error!("a bridge needs an engine: build it with --features zenoh, --features nats, or both");

#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "zenoh")]
mod zenoh;

use linkspan::Result;

use crate::config::{self, Config};
use crate::engine::Engine;
use crate::inbox::Inbox;

/// Opens the engine that the configuration says; what it brings goes to the inbox.
pub fn open(config: &Config, inbox: &Inbox) -> Result<Box<dyn Engine>> {
    match config.engine {
        #[cfg(feature = "zenoh")]
        config::Engine::Zenoh => Ok(Box::new(zenoh::Zenoh::open(config, inbox)?)),
        #[cfg(feature = "nats")]
        config::Engine::Nats => Ok(Box::new(nats::Nats::open(config, inbox)?)),
        #[cfg(not(all(feature = "zenoh", feature = "nats")))]
        missing => {
            let name = missing.name();
            let text = format!(
                "this program was built without the engine {name}: cargo install linkspan-bridge --features {name}"
            );
            Err(linkspan::Error::new(linkspan::ErrorKind::Unsupported, text))
        }
    }
}

//! The engines that join machines, each in a module with everything that this program uses of it.
//!
//! Each engine is a feature of the crate, and brings its own dependencies; a program without one of them
//! refuses its configuration.

#[cfg(not(any(feature = "nats", feature = "zenoh")))]
compile_error!("a bridge needs an engine: build it with --features zenoh, --features nats, or both");

#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "zenoh")]
mod zenoh;

use linkspan::Result;
use linkspan::service::check_threads;

use crate::config::{self, Config};
use crate::engine::Engine;
use crate::inbox::Inbox;

/// The threads with which tokio begins for an engine: six of zenoh, two of NATS. It panics where it cannot start one of
/// them.
const THREADS: usize = 6;

/// Opens the engine of the configuration, which puts what arrives into the inbox. Dropping it ends the
/// session.
///
/// # Errors
/// `Unsupported` if the program was built without this engine; those of starting threads; else those of the engine.
pub fn open(config: &Config, inbox: &Inbox) -> Result<Box<dyn Engine>> {
    check_threads("linkspan-engine", THREADS)?;
    match config.engine {
        #[cfg(feature = "zenoh")]
        config::Engine::Zenoh => Ok(Box::new(zenoh::Zenoh::open(config, inbox)?)),
        #[cfg(feature = "nats")]
        config::Engine::Nats => Ok(Box::new(nats::Nats::open(config, inbox)?)),
        #[cfg(not(all(feature = "zenoh", feature = "nats")))]
        missing => {
            let name = missing.name();
            let text = format!(
                "this program was built without the engine {name}: install it again with `cargo install --path programs/bridge --features {name}`, in a clone of Linkspan"
            );
            Err(linkspan::Error::new(linkspan::ErrorKind::Unsupported, text))
        }
    }
}

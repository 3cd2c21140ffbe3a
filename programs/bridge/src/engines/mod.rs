//! The engines that connect machines. Each is in one module, is a feature of the crate and has its own dependencies.
//!
//! A program without an engine refuses its configuration.

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

/// The threads that tokio starts for an engine: six for zenoh, two for NATS. It panics if it cannot start one.
const THREADS: usize = 6;

/// Opens the configured engine with this inbox. Dropping the engine ends its session.
///
/// # Errors
/// `Unsupported` if the program was built without it; errors of starting threads and of the engine.
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

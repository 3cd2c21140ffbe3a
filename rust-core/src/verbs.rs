//! The verbs by themselves, with the options as they are: what most programs need.

use crate::channel::{Channel, Listener, Options};
use crate::deadline::Timeout;
use crate::error::Result;
use crate::publish::{Publisher, Subscriber};
use crate::request::Server;

/// Connects if somebody listens and listens otherwise: [`Channel::open`].
pub fn open(endpoint: &str) -> Result<Channel> {
    Channel::open(endpoint, &Options::default(), Timeout::Default)
}

/// Waits for whoever listens, at most 30 s, and connects again when it restarts: [`Channel::connect`].
pub fn connect(endpoint: &str) -> Result<Channel> {
    Channel::connect(endpoint, &Options::default(), Timeout::Default)
}

/// Listens for peers: [`Listener::listen`].
pub fn listen(endpoint: &str) -> Result<Listener> {
    Listener::listen(endpoint, &Options::default())
}

/// Answers the requests of any number of clients: [`Server::serve`].
pub fn serve(endpoint: &str) -> Result<Server> {
    Server::serve(endpoint, &Options::default())
}

/// Says values to whoever listens: [`Publisher::new`].
pub fn publisher(endpoint: &str) -> Result<Publisher> {
    Publisher::new(endpoint, &Options::default())
}

/// Hears a publisher, which need not be there yet: [`Subscriber::new`].
pub fn subscribe(endpoint: &str) -> Result<Subscriber> {
    Subscriber::new(endpoint, &Options::default())
}

//! The main operations as functions with default options, which is enough for most programs.
//!
//! Each calls one associated function with `Options::default()` and the default time-out.

use std::os::fd::BorrowedFd;

use linkspan_os::deadline::Waiting;
use linkspan_os::poll;

use crate::{
    Channel, Error, ErrorKind, Listener, Options, Publisher, Result, Server, Subscriber, Timeout, Wait,
};

/// Connects if there is a listener, and listens otherwise: [`Channel::open`].
pub fn open(endpoint: &str) -> Result<Channel> {
    Channel::open(endpoint, &Options::default(), Timeout::Default)
}

/// Connects to a listener, waits for it up to 30 s, reconnects after its restart: [`Channel::connect`].
pub fn connect(endpoint: &str) -> Result<Channel> {
    Channel::connect(endpoint, &Options::default(), Timeout::Default)
}

/// Listens for peers: [`Listener::listen`].
pub fn listen(endpoint: &str) -> Result<Listener> {
    Listener::listen(endpoint, &Options::default())
}

/// Replies to the requests of any number of clients: [`Server::serve`].
pub fn serve(endpoint: &str) -> Result<Server> {
    Server::serve(endpoint, &Options::default())
}

/// Publishes values to any number of subscribers: [`Publisher::new`].
pub fn publisher(endpoint: &str) -> Result<Publisher> {
    Publisher::new(endpoint, &Options::default())
}

/// Waits until one of several objects is readable, and returns the positions of readable objects.
///
/// Without a time-out it waits at most 30 s. A readable object needs a call that does not wait, such as
/// [`Subscriber::try_recv`]. If that finds nothing, wait again.
///
/// # Errors
///
/// `Timeout` if no object became readable in time; `InvalidState` without an object, and for a closed object.
///
/// ```no_run
/// use std::os::fd::AsFd;
/// # fn main() -> linkspan::Result<()> {
/// let (readings, orders) = (linkspan::subscribe("lab/temperature")?, linkspan::connect("lab/orders")?);
/// for ready in linkspan::wait_any(&[readings.as_fd(), orders.as_fd()], None)? {
///     let message = if ready == 0 { readings.try_recv() } else { orders.try_recv() };
/// #   drop(message);
/// }
/// # Ok(())
/// # }
/// ```
pub fn wait_any<'a>(objects: &[BorrowedFd<'_>], wait: impl Into<Wait<'a>>) -> Result<Vec<usize>> {
    if objects.is_empty() {
        let text = "there is nothing to wait for: give at least one channel, listener, server or subscriber";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    poll::wait_first(&mut Waiting::start(wait.into(), Timeout::Default), objects)
}

/// Subscribes to a publisher, which need not exist yet: [`Subscriber::new`].
pub fn subscribe(endpoint: &str) -> Result<Subscriber> {
    Subscriber::new(endpoint, &Options::default())
}

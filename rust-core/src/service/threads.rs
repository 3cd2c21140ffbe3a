//! Starts the threads of a service: the reader and the writer of its link to the controller.
//!
//! Both run until the service ends (`ControllerLink::end`). Each holds a reference to the link, and
//! the program's thread holds a third one.

use std::sync::Arc;

use super::lifecycle::Setup;
use super::link::{ControllerLink, Identity, link_options};
use super::notify::Supervisor;
use super::writer::Writer;
use crate::error::Result;
use crate::sys::thread;

/// Creates a service in STARTING and begins to connect. Returns at once.
///
/// # Errors
/// The errors of [`ControllerLink::new`], and `OutOfMemory` if the process can start no thread. A
/// faulty `$NOTIFY_SOCKET` is only logged.
pub fn start(identity: Identity, setup: Setup) -> Result<Arc<ControllerLink>> {
    let options = link_options(&identity.options);
    let link = Arc::new(ControllerLink::new(identity, setup, &options)?);
    let (supervisor, problem) = Supervisor::from_env();
    let (reader, writer) = (link.clone(), link.clone());
    let thread_state = Writer::new(&link, supervisor)?;
    if let Some(error) = problem {
        link.log("error", &error.to_string());
    }
    thread::start("linkspan-reader", move || reader.receive(&options))?;
    thread::start("linkspan-writer", move || thread_state.run(&writer))?;
    Ok(link)
}

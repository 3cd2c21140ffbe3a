//! Services and their controller: headless programs that can be asked for data, paused, run, checkpointed and shut down.
//!
//! | what | lives in |
//! |---|---|
//! | the states of a service, and the controller's view of it | `state` |
//! | commands and answers | `command` |
//! | the effect of each command in each state | `table` |
//! | the lifecycle of a service as a pure state machine; its cache of final answers | `lifecycle`, `answer_cache` |
//! | the messages between a service and its controller | `protocol` |
//! | notifications for systemd | `notify` |
//! | the service's side: its link to the controller, the threads that read and write it, its log, the loop that hands out tasks | `link`, `reader`, `writer`, `log`, `service_loop` |
//! | the same with hooks | `run` |
//! | the controller's server; its clients | `server`, `controller` |

mod answer_cache;
mod command;
mod controller;
mod lifecycle;
mod link;
mod log;
mod notify;
mod protocol;
mod reader;
mod run;
mod server;
mod service_loop;
mod state;
mod table;
mod writer;

pub use crate::sys::child::end_with_us;
pub use command::{Answer, Command, Outcome};
pub use controller::{Controller, WatchOptions};
pub use link::OnCancel;
pub use log::LogLevel;
pub use notify::NOTIFY_VARIABLES;
pub use protocol::CommandRequest;
pub use run::{Service, run};
pub use server::{ControllerServer, ControllerServerOptions, StopHandle};
pub use service_loop::{ServiceLoop, ServiceOptions, Task, Tasks};
pub use state::{State, View};

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;

//! Services and their controller: headless programs that can be asked for data, paused, run, checkpointed and shut down.
//!
//! | what | lives in |
//! |---|---|
//! | the states of a service, and what its controller knows of it | `state` |
//! | commands and answers | `command` |
//! | what each command does in each state | `table` |
//! | the life of a service as pure state; its answers, kept | `lifecycle`, `answers` |
//! | what the two say to each other | `words` |
//! | what systemd is told | `notify` |
//! | the service's side: its line to the controller, the thread that speaks on it, its log, the tasks that a program pulls | `line`, `mouth`, `log`, `pulling` |
//! | the same with hooks | `run` |
//! | the controller's side; its clients | `hub`, `controller` |

mod answers;
mod command;
mod controller;
mod hub;
mod lifecycle;
mod line;
mod log;
mod mouth;
mod notify;
mod pulling;
mod run;
mod state;
mod table;
mod words;

pub use crate::sys::child::end_with_us;
pub use command::{Answer, Command, Outcome};
pub use controller::{Controller, WatchOptions};
pub use hub::{Hub, HubOptions, Stop};
pub use line::OnCancel;
pub use log::LogLevel;
pub use notify::NOTIFY_VARIABLES;
pub use pulling::{ServiceLoop, ServiceOptions, Task, Tasks};
pub use run::{Service, run};
pub use state::{State, View};
pub use words::Order;

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod tests;

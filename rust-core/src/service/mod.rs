//! Services and their controller: headless programs that can be queried, paused, run, checkpointed
//! and shut down.
//!
//! A service is a program with a name that connects to a controller. Clients send commands through
//! the controller; the service carries each out at most once and answers it once. Its lifecycle is a
//! pure state machine (`lifecycle`) under one lock, which three threads share: that of the program,
//! which fetches its tasks, and two of the library, which receive commands and send answers while
//! the program works. So a service answers STATUS, LOG and CANCEL even if its program hangs. The
//! reasons are in decision 15.
//!
//! | what | lives in |
//! |---|---|
//! | the states of a service, and the controller's view of it | `state` |
//! | commands and answers | `command` |
//! | the effect of each command in each state | `table` |
//! | the lifecycle of a service as a pure state machine; its cache of final answers | `lifecycle`, `answer_cache` |
//! | the messages between a service and its controller | `protocol` |
//! | notifications for systemd | `notify` |
//! | the service's side: its link to the controller and the two threads of it | `link`, `threads`, `reader`, `writer` |
//! | its log; the loop that hands out tasks | `log`, `service_loop` |
//! | the same with hooks | `run` |
//! | the clients of a controller | `controller` |
//! | the interface to the controller's server, the crate `linkspan-controller` | `server_side` |

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
#[doc(hidden)]
pub mod server_side;
mod service_loop;
mod state;
mod table;
mod threads;
mod writer;

pub use crate::sys::thread::end_with_us;
pub use command::{Answer, Command, Outcome};
pub use controller::{Controller, WatchOptions};
pub use link::OnCancel;
pub use log::LogLevel;
pub use notify::NOTIFY_VARIABLES;
pub use protocol::CommandRequest;
pub use run::{Service, run};
pub use service_loop::{ServiceLoop, ServiceOptions, Task, Tasks};
pub use state::{State, View};

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;

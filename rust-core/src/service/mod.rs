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

mod answers;
mod command;
mod lifecycle;
mod notify;
mod state;
mod table;
mod words;

pub use command::{Answer, Command, Outcome};
pub use notify::NOTIFY_VARIABLES;
pub use state::{State, View};

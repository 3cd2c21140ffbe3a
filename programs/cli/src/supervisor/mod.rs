//! `linkspan service run -- PROGRAM`: runs any program as a service.
//!
//! | what | lives in |
//! |---|---|
//! | the command line | `args` |
//! | the event loop | `event_loop` |
//! | the effect of each command on the program | `tasks` |
//! | starting, terminating and restarting the program | `lifecycle` |
//! | the state of all this | `state` |
//! | answers to GET_DATA and SHUTDOWN | `report` |
//! | starting processes; their exit status | `program` |
//! | the program's descendants; the process that kills them if this one is killed | `process_tree`, `watchdog` |
//! | commands given by options, such as --checkpoint | `hook` |
//! | whether and when the program is restarted | `restarts` |
//! | its output: each stream, split into log lines, forwarded | `output_stream`, `log_lines`, `forwarder` |

mod args;
mod event_loop;
mod forwarder;
mod hook;
mod lifecycle;
mod log_lines;
mod output_stream;
mod process_tree;
mod program;
mod report;
mod restarts;
mod state;
mod tasks;
mod watchdog;

pub use args::{RunArgs, from_command_line};
pub use event_loop::run;

//! `linkspan service run -- PROGRAM`: a program that knows nothing of Linkspan, as a service.
//!
//! | what | lives in |
//! |---|---|
//! | the command line | `options` |
//! | the event loop | `wrapper` |
//! | what each command does; the program's life: started, ended, started again | `tasks`, `life` |
//! | what is answered: data, how a program ended | `answers` |
//! | starting the program; what became of it | `program` |
//! | the program and all that it started; whoever survives us | `family`, `keeper` |
//! | commands that were given: for a checkpoint, for the data | `given` |
//! | whether it is started again, and when | `restarts` |
//! | its output: a stream of it, its lines, floods; passing it through | `stream`, `lines`, `passing` |

mod answers;
mod family;
mod given;
mod keeper;
mod life;
mod lines;
mod options;
mod passing;
mod program;
mod restarts;
mod stream;
mod tasks;
mod wrapper;

pub use options::{Adopt, from_command_line};
pub use wrapper::run;

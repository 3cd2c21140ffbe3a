//! `linkspan service`: what a controller knows of its services, and what they are told.
//!
//! | what | lives in |
//! |---|---|
//! | the command line, its help | `arguments` |
//! | where the controller is | `at` |
//! | questions, each with an answer that is printed: ls, status, get, describe, stats, config, backup, call | `asking` |
//! | orders to one or many: pause, run, checkpoint, shutdown, cancel, forget | `telling` |
//! | what goes on: logs, watch | `watching` |

mod arguments;
mod asking;
mod at;
mod telling;
mod watching;

pub use arguments::What;
pub use at::At;
use linkspan::Command;

use crate::ending::Ending;
use crate::http;
use crate::output;
use crate::stop::Stop;

/// Does it.
pub fn service(what: &What, stop: &Stop) -> Result<(), Ending> {
    match what {
        What::Ls(asked) => asking::list(asked, stop),
        What::Status(asked) => asking::status(asked, stop),
        What::Get(asked) => asking::ask(asked, &Command::GetData, stop),
        What::Describe(asked) => asking::ask(asked, &Command::Describe, stop),
        What::Stats(asked) => asking::stats(asked, stop),
        What::Config(asked) => asking::ask_with(asked, &Command::Config, stop),
        What::Backup(asked) => asking::ask_with(asked, &Command::Backup, stop),
        What::Call(asked) => asking::call(asked, stop),
        What::Pause(asked) => telling::tell(&asked.told, &Command::Pause, stop),
        What::Run(asked) => telling::tell(&asked.told, &Command::Run, stop),
        What::Checkpoint(asked) => telling::tell(&asked.told, &Command::Checkpoint, stop),
        What::Shutdown(asked) => telling::tell(&asked.told, &Command::Shutdown, stop),
        What::Cancel(asked) => telling::cancel(asked, stop),
        What::Forget(asked) => telling::forget(asked, stop),
        What::Logs(asked) => watching::logs(asked, stop),
        What::Watch(asked) => watching::watch(asked, stop),
        What::Page => output::write(format!("{}\n", http::address()?).as_bytes()),
    }
}

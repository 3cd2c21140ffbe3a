//! `linkspan service`: queries and commands to services, through their controller.
//!
//! | what | lives in |
//! |---|---|
//! | the command line, its help | `args` |
//! | the controller's endpoint, the connection | `connection` |
//! | the texts of a service's record | `record` |
//! | queries whose answer is printed: ls, status, get, describe, stats, config, backup, call | `queries` |
//! | commands to one service or several: pause, run, checkpoint, shutdown, cancel, forget | `commands` |
//! | logs, watch | `watch` |

mod args;
mod commands;
mod connection;
mod queries;
mod record;
mod watch;

pub use args::ServiceCommand;
pub use connection::ControllerArgs;
use linkspan::Command;

use crate::exit::Exit;
use crate::signals::Signals;

pub fn service(command: &ServiceCommand, signals: &Signals) -> Result<(), Exit> {
    match command {
        ServiceCommand::Ls(args) => queries::list(args, signals),
        ServiceCommand::Status(args) => queries::status(args, signals),
        ServiceCommand::Get(args) => queries::ask(args, &Command::GetData, signals),
        ServiceCommand::Describe(args) => queries::ask(args, &Command::Describe, signals),
        ServiceCommand::Stats(args) => queries::stats(args, signals),
        ServiceCommand::Config(args) => queries::ask_with(args, &Command::Config, signals),
        ServiceCommand::Backup(args) => queries::ask_with(args, &Command::Backup, signals),
        ServiceCommand::Call(args) => queries::call(args, signals),
        ServiceCommand::Pause(args) => commands::send(&args.target, &Command::Pause, signals),
        ServiceCommand::Run(args) => commands::send(&args.target, &Command::Run, signals),
        ServiceCommand::Checkpoint(args) => commands::send(&args.target, &Command::Checkpoint, signals),
        ServiceCommand::Shutdown(args) => commands::send(&args.target, &Command::Shutdown, signals),
        ServiceCommand::Cancel(args) => commands::cancel(args, signals),
        ServiceCommand::Forget(args) => commands::forget(args, signals),
        ServiceCommand::Logs(args) => watch::logs(args, signals),
        ServiceCommand::Watch(args) => watch::watch(args, signals),
        ServiceCommand::Page => page(),
    }
}

#[cfg(feature = "web")]
fn page() -> Result<(), Exit> {
    crate::output::write(format!("{}\n", crate::http::address()?).as_bytes())
}

#[cfg(not(feature = "web"))]
fn page() -> Result<(), Exit> {
    Err(crate::features::missing("the controller's page", "web", "").into())
}

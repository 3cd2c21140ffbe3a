//! The program `linkspan`: the functions of the libraries, from the shell.
//!
//! | what | lives in |
//! |---|---|
//! | the command line, its help | `command_line`, `args` |
//! | messages and calls: send, recv, call | `messages` |
//! | running a program for each request: reply | `reply`, `subprocess` |
//! | publishing: pub, sub, latest | `pubsub` |
//! | values from arguments and from standard input | `input` |
//! | values, messages and tables on standard output | `output`, `display`, `table` |
//! | ls, clean, doctor, setup | `admin` |
//! | rates and delays of published messages: rate; round trips: ping; their numbers | `rate`, `ping`, `spread` |
//! | services: the controller, queries and commands, the live view | `controller`, `service`, `top` |
//! | the controller's page over HTTP | `http` |
//! | any program as a service: service run -- PROGRAM | `supervisor` |
//! | bridge, gateway, record, replay, recording, which are programs of their own | `companion` |
//! | machines that trust each other: keys | `keys` |
//! | schemas: schema | `schema` |
//! | encodings without messages: transcode | `transcode` |
//! | memory of another program: region | `region` |
//! | the deadline that several calls share | `deadline` |
//! | whether a program can be started | `executable` |
//! | SIGINT and SIGTERM; exit codes; lines on standard error | `signals`, `exit`, `stderr` |
//! | features that this program was built without | `features` |

#![forbid(unsafe_code)]

mod admin;
mod args;
mod command_line;
mod companion;
mod controller;
mod deadline;
mod display;
mod executable;
mod features;
#[cfg(feature = "web")]
mod http;
mod keys;
mod messages;
mod output;
mod ping;
mod pubsub;
mod rate;
mod region;
mod reply;
mod schema;
mod service;
mod spread;
mod subprocess;
mod subscribed_names;
mod supervisor;
mod table;
mod top;
mod transcode;

use std::process::ExitCode;

use clap::CommandFactory;
use command_line::{Cli, Command};
use exit::Exit;
use linkspan_program::{exit, input, manual, quantity, schema_argument, signals, start, stderr, stop_watch};
use signals::Signals;

fn main() -> ExitCode {
    if let Err(code) = start::begin("linkspan") {
        return code;
    }
    // Ends the program with 2 if it is malformed.
    let supervised = supervisor::from_command_line(std::env::args_os());
    let command = supervised.map_or_else(|| Invocation::Command(Cli::read().command), Invocation::Supervise);
    // Before the handlers: the other program replaces this process and would lose a pending signal.
    let command = match command {
        Invocation::Command(Command::Companion(command)) => return ended(companion::run(command)),
        Invocation::Command(Command::Schema { what: schema::What::Convert(command) }) => {
            return ended(companion::convert(command));
        }
        command => command,
    };
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return Exit::from(error).report(None),
    };
    let result = match command {
        Invocation::Supervise(args) => supervisor::run(&args, &signals),
        Invocation::Command(command) => run(command, &signals),
    };
    result.map_or_else(|exit| exit.report(signals.signal()), |()| ExitCode::SUCCESS)
}

fn ended(result: Result<(), Exit>) -> ExitCode {
    result.map_or_else(|exit| exit.report(None), |()| ExitCode::SUCCESS)
}

enum Invocation {
    Command(Command),
    /// `service run … -- PROGRAM`.
    Supervise(supervisor::RunArgs),
}

/// Notes a missing or relative LINKSPAN_DIR: a mistyped directory contains no other program.
fn note_directory(command: &Command) {
    let opens_nothing = matches!(
        command,
        Command::Completions { .. }
            | Command::Man { .. }
            | Command::Transcode(_)
            | Command::Region(_)
            | Command::Keys { .. }
            | Command::Doctor { .. }
    );
    let Some(path) = linkspan::environment::variable("LINKSPAN_DIR").filter(|_| !opens_nothing) else {
        return;
    };
    let path = std::path::Path::new(&path);
    let shown = path.display();
    let is_missing = path.is_absolute()
        && path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
    if is_missing {
        stderr::print_note(&format!(
            "LINKSPAN_DIR is {shown}, which does not exist and is created: only programs with the same LINKSPAN_DIR reach each other"
        ));
    }
}

fn run(command: Command, signals: &Signals) -> Result<(), Exit> {
    note_directory(&command);
    match command {
        Command::Send(args) => messages::send(&args, signals),
        Command::Recv(args) => messages::recv(&args, signals),
        Command::Call(args) => messages::call(&args, signals),
        Command::Reply(args) => reply::reply(&args, signals),
        Command::Pub(args) => pubsub::publish(&args, signals),
        Command::Sub(args) => pubsub::subscribe(&args, signals),
        Command::Latest(args) => pubsub::latest(&args, signals),
        Command::Ping(args) => ping::ping(&args, signals),
        Command::Rate(args) => rate::rate(&args, signals),
        Command::Ls { patterns, json, verbose, names } => admin::list(&patterns, json, verbose, names),
        Command::Doctor { name, json, repair } => admin::doctor(name.as_deref(), json, repair),
        Command::Setup { group, undo: _, root } => admin::setup(group.as_deref(), &root),
        Command::Clean => admin::clean(),
        Command::Companion(command) => companion::run(command),
        Command::Keys { command } => keys::keys(&command),
        Command::Service { command } => service::service(&command, signals),
        Command::Controller(args) => controller::controller(&args, signals),
        Command::Top(args) => top::top(&args, signals),
        Command::Region(args) => region::region(&args),
        Command::Schema { what } => schema::schema(what, signals),
        Command::Transcode(args) => transcode::transcode(&args),
        Command::Completions { shell } => {
            let mut script = manual::completions(shell, completed_commands(), "linkspan");
            if shell == clap_complete::Shell::Bash {
                script.extend_from_slice(BASH_NAMES);
            }
            output::write(&script)
        }
        Command::Man { folder } => Ok(manual::write(completed_commands(), &folder)?),
    }
}

/// Completes open names and services in bash.
const BASH_NAMES: &[u8] = include_bytes!("names.bash");

/// With `service run`'s options before a program, and the names that `--option` takes.
fn completed_commands() -> clap::Command {
    let supervised = supervisor::RunArgs::command();
    let commands = manual::with_option_names(Cli::command(), &[]);
    commands.mut_subcommand("service", |service| {
        service.mut_subcommand("run", |run| {
            let known: Vec<_> = run.get_arguments().map(|argument| argument.get_id().clone()).collect();
            // The arguments after the two dashes belong to the program.
            let is_new =
                |argument: &&clap::Arg| !known.contains(argument.get_id()) && !argument.is_last_set();
            run.args(supervised.get_arguments().filter(is_new))
        })
    })
}

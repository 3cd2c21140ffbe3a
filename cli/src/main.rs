//! The program `linkspan`: what the libraries do, from the shell.
//!
//! | what | lives in |
//! |---|---|
//! | the command line, its help | `arguments` |
//! | messages and calls: send, recv, call | `messages` |
//! | a program that is run for each request: reply | `replying`, `running` |
//! | publishing: pub, sub, latest | `publishing` |
//! | values from arguments and from standard input | `input` |
//! | values, messages and tables on standard output | `output`, `display`, `table` |
//! | what is open, what is wrong: ls, clean, doctor, setup | `listing` |
//! | services: the controller, what it is asked, the live view | `controller`, `service`, `top` |
//! | the controller's page over HTTP | `http` |
//! | any program as a service: service run -- PROGRAM | `adopt` |
//! | machines that trust each other: keys | `keys` |
//! | what messages mean: schema | `schema` |
//! | encodings alone: transcode | `transcode` |
//! | somebody else's memory: region | `region` |
//! | what is left of a time-out | `budget` |
//! | Ctrl-C; how it ends: exit codes, the line on standard error | `stop`, `ending` |

// Standard output is this program's product.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod adopt;
mod arguments;
mod budget;
mod controller;
mod display;
mod ending;
mod http;
mod input;
mod keys;
mod listing;
mod messages;
mod output;
mod publishing;
mod region;
mod replying;
mod running;
mod schema;
mod service;
mod stop;
mod table;
mod top;
mod transcode;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use ending::Ending;
use stop::Stop;

fn main() -> ExitCode {
    // A malformed command line ends here, with 2.
    let adopted = adopt::from_command_line(std::env::args_os());
    let command = adopted.map_or_else(|| Wanted::Command(Arguments::parse().command), Wanted::Adopt);
    let stop = match Stop::watch() {
        Ok(stop) => stop,
        Err(error) => return Ending::from(error).tell(None),
    };
    let ended = match command {
        Wanted::Adopt(asked) => adopt::run(&asked, &stop),
        Wanted::Command(command) => run(command, &stop),
    };
    ended.map_or_else(|ending| ending.tell(stop.signal()), |()| ExitCode::SUCCESS)
}

/// What the command line asks for.
enum Wanted {
    Command(Command),
    /// Everything behind `service run` that has a program behind two dashes.
    Adopt(adopt::Adopt),
}

/// Says which directory LINKSPAN_DIR makes, or that it depends on where one stands: mistyped, it is met by nobody.
fn tell_directory(command: &Command) {
    let meets_nobody = matches!(
        command,
        Command::Completions { .. } | Command::Transcode(_) | Command::Region(_) | Command::Keys { .. }
    );
    let Some(path) = std::env::var_os("LINKSPAN_DIR").filter(|path| !path.is_empty() && !meets_nobody) else {
        return;
    };
    let path = std::path::Path::new(&path);
    let shown = path.display();
    let is_missing = path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
    if is_missing {
        ending::note(&format!(
            "LINKSPAN_DIR is {shown}, which is not there yet and is made: only programs with the same LINKSPAN_DIR meet there"
        ));
    }
    if path.is_relative() {
        ending::note(&format!(
            "LINKSPAN_DIR is {shown}, which means another directory wherever a program is started: give its whole path"
        ));
    }
}

fn run(command: Command, stop: &Stop) -> Result<(), Ending> {
    tell_directory(&command);
    match command {
        Command::Send(asked) => messages::send(&asked, stop),
        Command::Recv(asked) => messages::recv(&asked, stop),
        Command::Call(asked) => messages::call(&asked, stop),
        Command::Reply(asked) => replying::reply(&asked, stop),
        Command::Pub(asked) => publishing::publish(&asked, stop),
        Command::Sub(asked) => publishing::subscribe(&asked, stop),
        Command::Latest(asked) => publishing::latest(&asked, stop),
        Command::Ls { patterns, json, names } => listing::list(&patterns, json, names),
        Command::Doctor { json, repair } => listing::doctor(json, repair),
        Command::Setup { group, root } => listing::setup(&group, &root),
        Command::Clean => listing::clean(),
        Command::Keys { what } => keys::keys(&what),
        Command::Service { what } => service::service(&what, stop),
        Command::Controller(asked) => controller::controller(&asked, stop),
        Command::Top(asked) => top::top(&asked, stop),
        Command::Region(asked) => region::region(&asked),
        Command::Schema { what } => schema::schema(&what, stop),
        Command::Transcode(asked) => transcode::transcode(&asked),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut completed(), "linkspan", &mut script);
            if shell == clap_complete::Shell::Bash {
                script.extend_from_slice(NAMES_IN_BASH);
            }
            output::write(&script)
        }
    }
}

/// What bash completes beside the commands: the names that are open here, and the services.
const NAMES_IN_BASH: &[u8] = include_bytes!("names.bash");

/// The commands as they are completed: `service run` also with what it takes in front of a program.
fn completed() -> clap::Command {
    let adopted = adopt::Adopt::command();
    Arguments::command().mut_subcommand("service", |service| {
        service.mut_subcommand("run", |run| {
            let known: Vec<_> = run.get_arguments().map(|argument| argument.get_id().clone()).collect();
            // What follows the two dashes is the program's own.
            let is_new =
                |argument: &&clap::Arg| !known.contains(argument.get_id()) && !argument.is_last_set();
            run.args(adopted.get_arguments().filter(is_new))
        })
    })
}

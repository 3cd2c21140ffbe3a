//! The command line: every command with its help and its examples.

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};
use linkspan_program::start;

use crate::args::{
    CallArgs, LatestArgs, PubArgs, RecvArgs, RegionArgs, ReplyArgs, SendArgs, SubArgs, TranscodeArgs,
};
use crate::companion;
use crate::keys::KeysCommand;

/// Exchange messages with other programs from the shell: send, call, publish, list
///
/// Exit codes: 0 done, 1 error (its name and number are on standard error), 2 usage, 3 Timeout, 4 NotFound or
/// Disconnected, 130 Ctrl-C.
#[derive(Parser, Debug)]
#[command(name = "linkspan", version, arg_required_else_help = true)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// A malformed command line ends the program with exit code 2.
    pub fn read() -> Cli {
        start::parsed(Cli::try_parse().map_err(|mut error| {
            propose_command(&mut error);
            error
        }))
    }
}

/// Adds the nearest command to an error: the parser misses short words with two swapped letters.
fn propose_command(error: &mut clap::Error) {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return };
    if error.get(ContextKind::SuggestedSubcommand).is_some() {
        return;
    }
    let cli = Cli::command();
    let mut level = &cli;
    for word in std::env::args().skip(1).take_while(|word| word != typed) {
        level = level.find_subcommand(&word).unwrap_or(level);
    }
    let names = level.get_subcommands().map(clap::Command::get_name);
    let by_distance = names.map(|name| (strsim::osa_distance(typed, name), name));
    // Of three letters, one may be wrong.
    let near = by_distance.filter(|(steps, name)| steps * 3 <= name.len().max(3)).min();
    if let Some((_, name)) = near {
        let proposed = ContextValue::Strings(vec![name.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, proposed);
    }
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send a message to a listening program, and wait until it has received it
    #[command(after_help = "Examples:
  linkspan send lab/valve '{\"open\": true}'
  linkspan send lab/valve -m 'open it'            a text, without quotes of JSON
  linkspan send lab/valve - < order.json          one value from standard input
  tail -f orders.jsonl | linkspan send lab/valve  one message a line
  linkspan send unix:lab/valve 7 --encoding json")]
    Send(SendArgs),

    /// Listen at a name, and print the messages that arrive
    #[command(
        after_help = "Any number of programs may send at once. A call gets the VALUE of --reply, or an error without that option.

Examples:
  linkspan recv lab/valve
  linkspan recv lab/valve --count 0 --timeout forever --json >> orders.jsonl
  linkspan recv lab/echo --count 0 --timeout forever --reply '{\"done\": true}'"
    )]
    Recv(RecvArgs),

    /// Send a request, and print the reply
    #[command(after_help = "Examples:
  linkspan call lab/spectrum '{\"op\": \"fft\", \"window\": 4096}' --timeout 2
  linkspan call lab/spectrum - --json < request.json")]
    Call(CallArgs),

    /// Reply to each request with the output of a program
    #[command(
        after_help = "Runs the program once for each request, one request after another. The program reads the request from standard input, as JSON and a line end, and prints the reply to standard output, as JSON. If the program exits with a code other than 0, the caller gets an error with the end of its standard error. A program that takes too long or prints too much is killed with all processes that it started, and the caller gets an error. The program runs without a shell, unless --shell is given. The environment variable LINKSPAN_SOURCE names the caller.

Examples:
  linkspan reply lab/sum --command jq -- add
  linkspan reply lab/uptime --command uptime --text
  linkspan reply lab/disk --shell --command 'df --output=pcent / | tail -n 1' --text --within 2"
    )]
    Reply(ReplyArgs),

    /// Publish a value and keep it available, or publish each line of standard input
    #[command(
        name = "pub",
        after_help = "With a value, runs until Ctrl-C or for --for SECONDS, because a published value exists only as long as its publisher. A file: or a journal: stores the value, so the command ends at once. Without a value, publishes each line of standard input until the input ends. A line that is not JSON ends the command with exit code 1, and the error has the line's number and offset. Earlier lines have been published.

Examples:
  linkspan pub lab/temperature '{\"celsius\": 21.4}'
  linkspan pub lab/temperature 21.4 --for 60
  linkspan pub lab/start true --wait-for 2 --for 0
  ./thermometer --json-lines | linkspan pub lab/temperature
  linkspan sub lab/a --json | linkspan pub unix:lab/b"
    )]
    Pub(PubArgs),

    /// Print the values published at names or patterns: first the newest, then all that follow
    #[command(
        after_help = "The publisher may start later, and restart. If values were overwritten before the command read them, it prints their number to standard error (Lagged); with -o delivery=latest it skips them without a report. In a pattern * matches any characters and ? matches one. The command also prints names that appear later. Only patterns that begin with file: or journal:, such as 'journal:*', match files and journals. With several names or a pattern, each value follows its name; the JSON of --full contains the name. If one name fails (it refuses, its schema does not fit, its file is damaged), the command reports the name on standard error and continues with the other names. It then ends with 1 when --count is reached.

Examples:
  linkspan sub lab/temperature
  linkspan sub 'lab/*' sim/clock
  linkspan sub lab/temperature --json | jq .celsius
  linkspan sub lab/temperature -n 1 -t 5
  linkspan sub journal:orders --from first"
    )]
    Sub(SubArgs),

    /// Print the newest published value, without waiting
    #[command(
        after_help = "Ends with 4 if no program publishes at the name, and with 1 (Empty) if the publisher has not published a value yet.

Examples:
  linkspan latest lab/temperature
  linkspan latest lab/temperature --json --timeout 5    waits for a publisher and its first value"
    )]
    Latest(LatestArgs),

    /// Print the round trip to the program that has a name, and why it does not answer
    #[command(
        after_help = "Prints a line for each question, until Ctrl-C or for --count N, then the loss and percentiles. The library in that program answers, also while the program works; --call asks the server itself, which may have effects. At a controller, the questions after the first one go through its loop. Ends with 0 if all questions are answered, with 1 if some are lost. If all are lost, it ends with 4 for a name that nobody has, with 1 for a program that does not answer, and prints what doctor finds.

Examples:
  linkspan ping lab/valve
  linkspan ping tcp://microscope:7000 -n 10 --every 0.1 --timeout 0.5 --json
  linkspan ping lab/valve --call '{\"op\": \"status\"}'"
    )]
    Ping(crate::ping::PingArgs),

    /// Print how many messages are published at names, how long, how regular and how late they are
    #[command(
        after_help = "Prints a line for each name and interval, until Ctrl-C or for --for SECONDS, then the totals. MISSED is the number of messages that were overwritten before they were read. INTERVAL and JITTER, its standard deviation, are of the times of sending; DELAY is the time from sending to receipt. In a pattern * matches any characters and ? matches one. A value that was published before the start is not counted. Ends with 4 if the name has no publisher, with 3 if nothing was published, with 1 if a name was refused.

Examples:
  linkspan rate lab/temperature
  linkspan rate 'lab/*' sim/clock --for 10 --json | jq '[.name, .messages_per_second]'"
    )]
    Rate(crate::rate::RateArgs),

    /// List the open endpoints of this machine: their processes, messages, and the lag of their readers
    #[command(
        after_help = "Lists the names of running processes in the runtime directory, and the files, journals and spools, which exist without a process. Removes the files of dead processes. PEERS is the number of connected clients or subscribers. BEHIND is the number of messages that the slowest subscriber has not read yet, or that wait in a spool for its server. PID is empty for a spool without a server. In a pattern, * matches any characters and ? matches one.

Examples:
  linkspan ls
  linkspan ls 'lab/*' 'spool:*'
  linkspan ls -v lab/temperature
  linkspan ls --json | jq -r 'select(.behind > 100) | .endpoint'"
    )]
    Ls {
        /// List only endpoints that match one of these patterns, with or without the transport
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Print each name as one line of JSON
        #[arg(long, short)]
        json: bool,
        /// Print each connected subscriber and client, too: program, process, since when, how far behind
        #[arg(long, short)]
        verbose: bool,
        /// Print only the names, as completions offer them: without shm:, which is the default
        #[arg(long, conflicts_with_all = ["json", "verbose"], hide = true)]
        names: bool,
    },

    /// Find why two programs cannot connect: directories, users, modes, kernel features, limits, versions
    #[command(
        after_help = "Ends with 1 if it found a problem. Changes files only with --repair. If the programs run as two users, run it as each of them and compare.

Examples:
  linkspan doctor
  linkspan doctor lab/power
  sudo -u www-data linkspan doctor
  sudo linkspan doctor --repair
  linkspan doctor --json | jq 'select(.severity != \"fine\")'"
    )]
    Doctor {
        /// Examine only this name: its server, or the reason why a program cannot listen or connect there
        #[arg(value_name = "NAME", conflicts_with = "repair")]
        name: Option<String>,
        /// Print each finding as one line of JSON
        #[arg(long)]
        json: bool,
        /// Repair owners and modes of the runtime directory and its lock file; remove files of dead processes
        #[arg(long)]
        repair: bool,
    },

    /// Make a runtime directory for several users (as root)
    #[command(
        after_help = "Makes /run/linkspan for the members of the group, and an entry in tmpfiles.d that makes the directory again after a restart. Prints each change, and leaves correct parts unchanged.

Examples:
  sudo linkspan setup --group sensors
  linkspan setup --group sensors --root image/
  sudo linkspan setup --undo"
    )]
    Setup {
        /// The group whose members use the directory
        #[arg(long, required_unless_present = "undo")]
        group: Option<String>,
        /// Remove the directory and the entry in tmpfiles.d; refused while a program or a message is there
        #[arg(long, conflicts_with = "group")]
        undo: bool,
        /// Use this directory as /, to prepare an image
        #[arg(long, value_name = "DIRECTORY", default_value = "/")]
        root: std::path::PathBuf,
    },

    /// Make and trust keys, for TCP between machines
    ///
    /// Without keys, TCP works only on this machine. With keys, two machines can connect after each trusts the other's
    /// key.
    #[command(after_help = "Examples:
  linkspan keys new                               on each of two machines, then on each:
  linkspan keys trust NAME KEY                    with the key that the other machine printed
  linkspan recv tcp://0.0.0.0:7000
  linkspan send tcp://microscope:7000 1

The keys are in $LINKSPAN_KEYS if it is set, else in ~/.config/linkspan/keys.")]
    Keys {
        /// The command.
        #[command(subcommand)]
        command: KeysCommand,
    },

    #[command(flatten)]
    Companion(companion::Asked),

    /// Remove the names of dead processes
    #[command(
        after_help = "Rarely necessary: a program that listens at a name removes the files of a dead process. Prints the removed names.

Examples:
  linkspan clean
  LINKSPAN_DIR=/run/lab linkspan clean"
    )]
    Clean,

    /// Query and command services: data, pause, run, checkpoint, shut down
    ///
    /// A service is a program that works in steps and answers its controller while it works. `linkspan controller`
    /// starts the controller.
    #[command(after_help = "Examples:
  linkspan service ls
  linkspan service get power
  linkspan service pause power --wait && cp power.db /backup/ && linkspan service run power")]
    Service {
        /// The command.
        #[command(subcommand)]
        command: crate::service::ServiceCommand,
    },

    /// Run the controller: services connect to it; `service`, `top` and programs query it
    #[command(
        after_help = "Services connect to the controller, even if they start first, and connect again after it restarts. SIGTERM or Ctrl-C ends it; the services continue. Services on other machines need keys: see `linkspan keys`.

Examples:
  linkspan controller
  linkspan controller --no-tcp
  linkspan controller --listen unix:controller --listen tcp://0.0.0.0:17170
  linkspan controller --http 127.0.0.1:8017
  linkspan controller --http 127.0.0.1:8017 --http-token /etc/linkspan/page --http-read-token /etc/linkspan/metrics

Prometheus reads /metrics of the page with credentials_file set to the file of --http-read-token."
    )]
    Controller(crate::controller::ControllerArgs),

    /// Watch endpoints and services live: rates, lags, states
    #[command(
        after_help = "Keys: q quit, arrows and PgUp PgDn scroll, Tab other table, s sort column, r reverse, / filter, p pause, ? help.

Examples:
  linkspan top
  linkspan top --every 0.5
  linkspan top --once
  linkspan top --json | jq '.services[] | select(.state == \"FAILED\")'"
    )]
    Top(crate::top::TopArgs),

    /// Read the shared memory of another program, with a layout as in C
    #[command(
        after_help = "Memory: posix:/name for a name of shm_open, sysv:0x1234 for a key of shmget, or the path of a file.
Layout: fields as in C, such as 'f64 celsius; u32 count; char name[16]; i16 raw[8] @64'. Without a layout, prints the text up to NUL.

Examples:
  linkspan region posix:/vendor_sensors 'u32 count; f64 celsius'
  linkspan region sysv:0x1234 'packed; big; u16 status; i32 counts[4]' --offset 128 --json
  linkspan region /dev/shm/banner"
    )]
    Region(RegionArgs),

    /// Work with schemas of messages: check, show, compare, convert, generate code, validate values
    #[command(after_help = "Examples:
  linkspan schema check power.schema.toml
  linkspan schema check old.schema.toml new.schema.toml --require backward
  linkspan sub lab/power --json | linkspan schema validate power.schema.toml")]
    Schema {
        /// The command.
        #[command(subcommand)]
        what: crate::schema::What,
    },

    /// Write a value in another encoding
    #[command(
        after_help = "Reads standard input and writes standard output. If the bytes are invalid, it prints the error's name, number and offset to standard error, prints nothing to standard output, and ends with 1.

Examples:
  linkspan transcode --from cbor --to json < reading.cbor
  echo '{\"celsius\": 21.4}' | linkspan transcode --to bson > reading.bson"
    )]
    Transcode(TranscodeArgs),

    /// Print a completion script for a shell
    #[command(after_help = "Examples:
  linkspan completions bash > /usr/share/bash-completion/completions/linkspan
  linkspan completions zsh > /usr/local/share/zsh/site-functions/_linkspan")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },

    /// Write the manual pages, one for each command
    #[command(after_help = "Examples:
  linkspan man /usr/local/share/man/man1
  linkspan man . && man ./linkspan-pub.1")]
    Man {
        /// The folder, which is created if it is missing.
        folder: std::path::PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn negative_number_is_a_value() {
        for words in [
            "send lab/a -3.5",
            "call lab/a -1",
            "pub lab/a -3.5",
            "pub lab/a -1e9 --for 1",
            "recv lab/a --reply -7",
        ] {
            let parsed = Cli::try_parse_from(["linkspan"].into_iter().chain(words.split(' ')));
            assert!(parsed.is_ok(), "{words}: {parsed:?}");
        }
        assert!(Cli::try_parse_from(["linkspan", "pub", "lab/a", "--wrong"]).is_err());
    }

    #[test]
    fn commands_need_a_target() {
        let parsed = |words: &str| Cli::try_parse_from(words.split(' ')).is_ok();
        for verb in ["pause", "run", "checkpoint", "shutdown"] {
            assert!(
                parsed(&format!("linkspan service {verb} power lab/heat --wait --timeout 2 --json")),
                "{verb}"
            );
            assert!(parsed(&format!("linkspan service {verb} --all")), "{verb}");
            assert!(!parsed(&format!("linkspan service {verb}")), "{verb}");
            assert!(!parsed(&format!("linkspan service {verb} --all power")), "{verb}");
        }
    }
}

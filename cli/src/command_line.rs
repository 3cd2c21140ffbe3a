//! The command line: every command with its help and its examples.

use clap::{Parser, Subcommand};

use crate::args::{
    CallArgs, LatestArgs, PubArgs, RecvArgs, RegionArgs, ReplyArgs, SendArgs, SubArgs, TranscodeArgs,
};
use crate::keys::KeysCommand;

/// Programs in different languages on one machine talk: send, call, publish and look from the shell
///
/// Exit codes: 0 done, 1 error (its name and number are on standard error), 2 usage, 3 Timeout, 4 NotFound or
/// Disconnected, 130 Ctrl-C.
#[derive(Parser, Debug)]
#[command(name = "linkspan", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send a message to whoever listens, and wait until it has been taken
    #[command(after_help = "Examples:
  linkspan send lab/valve '{\"open\": true}'
  linkspan send lab/valve -m 'open it'            a text, without quotes of JSON
  linkspan send lab/valve - < order.json          one value from standard input
  tail -f orders.jsonl | linkspan send lab/valve  one message a line
  linkspan send unix:lab/valve 7 --encoding json")]
    Send(SendArgs),

    /// Listen at a name, and print the messages that come
    #[command(
        after_help = "Any number of programs may send at once. A call is answered with --reply VALUE; without it, with an error.

Examples:
  linkspan recv lab/valve
  linkspan recv lab/valve --count 0 --timeout forever --json >> orders.jsonl
  linkspan recv lab/echo --count 0 --timeout forever --reply '{\"done\": true}'"
    )]
    Recv(RecvArgs),

    /// Send a request, and print the answer
    #[command(after_help = "Examples:
  linkspan call lab/spectrum '{\"op\": \"fft\", \"window\": 4096}' --timeout 2
  linkspan call lab/spectrum - --json < request.json")]
    Call(CallArgs),

    /// Answer each request with what a program prints
    #[command(
        after_help = "The program is run once for each request, one after the other: the request is its standard input, as JSON and a line end; what it prints, as JSON, is the answer. An exit code other than 0 is an error to the caller, with the end of its standard error; so are a program that takes too long and one that prints too much, and both are killed with all that they started. No shell reads anything unless --shell is given. The environment has LINKSPAN_SOURCE, who asks.

Examples:
  linkspan reply lab/sum --command jq -- add
  linkspan reply lab/uptime --command uptime --text
  linkspan reply lab/disk --shell --command 'df --output=pcent / | tail -n 1' --text --within 2"
    )]
    Reply(ReplyArgs),

    /// Publish a value and stay, or publish each line of standard input while it is open
    #[command(
        name = "pub",
        after_help = "With a value, stays until Ctrl-C or for --for SECONDS, because a published value lives as long as its publisher; one in a file: or a journal: does not need it, so there it ends at once. Without one, each line of standard input is a value, and the end of standard input is the end. A line that is no JSON ends it with 1 and the line's number and offset; the lines before it have been published.

Examples:
  linkspan pub lab/temperature '{\"celsius\": 21.4}'
  linkspan pub lab/temperature 21.4 --for 60
  linkspan pub lab/start true --wait-for 2 --for 0
  ./thermometer --json-lines | linkspan pub lab/temperature
  linkspan sub lab/a --json | linkspan pub unix:lab/b"
    )]
    Pub(PubArgs),

    /// Print what is published at a name, the newest value first, then all that follow
    #[command(
        after_help = "The publisher need not be there yet, and may come back. Values that were overwritten before they were read are counted on standard error (Lagged); -o delivery=latest skips to the newest instead.

Examples:
  linkspan sub lab/temperature
  linkspan sub lab/temperature --json | jq .celsius
  linkspan sub lab/temperature -n 1 -t 5
  linkspan sub journal:orders --from first"
    )]
    Sub(SubArgs),

    /// Print the newest published value, without waiting
    #[command(
        after_help = "Ends with 4 where nobody publishes, with 1 (Empty) where nothing has been published yet.

Examples:
  linkspan latest lab/temperature
  linkspan latest lab/temperature --json --timeout 5    waits for a publisher to come"
    )]
    Latest(LatestArgs),

    /// List what is open here: endpoints, who holds them, how many messages, how far behind
    #[command(
        after_help = "Lists the names in the runtime directory that living processes hold, with the files, journals and spools that stay without one, and removes what dead ones left. PEERS are the connected clients or subscribers; BEHIND is how many messages the slowest subscriber has still to read, or how many wait in a spool for its server, which has no PID while nobody serves it. In a pattern * stands for any characters and ? for one.

Examples:
  linkspan ls
  linkspan ls 'lab/*' 'spool:*'
  linkspan ls --json | jq -r 'select(.behind > 100) | .endpoint'"
    )]
    Ls {
        /// List those alone whose endpoints, or names without the transport, match one of these
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Print each name as one line of JSON
        #[arg(long, short)]
        json: bool,
        /// Print the names alone, as completions offer them: without shm:, which is meant where nothing is said
        #[arg(long, conflicts_with = "json", hide = true)]
        names: bool,
    },

    /// Say why two programs cannot talk: directories, users, modes, kernel features, limits, versions
    #[command(after_help = "Ends with 1 where something will not work. Run it as both users and compare.

Examples:
  linkspan doctor
  sudo -u www-data linkspan doctor
  sudo linkspan doctor --repair
  linkspan doctor --json | jq 'select(.severity != \"fine\")'")]
    Doctor {
        /// Print each finding as one line of JSON
        #[arg(long)]
        json: bool,
        /// Set right what keeps programs apart: owner and mode of the runtime directory and of its lock file
        #[arg(long)]
        repair: bool,
    },

    /// Make a runtime directory for several users (as root)
    #[command(
        after_help = "Makes /run/linkspan for the members of the group, and an entry of tmpfiles.d so that it comes back after a restart. Says what it did; what is done already is left.

Examples:
  sudo linkspan setup --group sensors
  linkspan setup --group sensors --root image/"
    )]
    Setup {
        /// The group whose members meet there
        #[arg(long)]
        group: String,
        /// Take this directory for /, to prepare an image
        #[arg(long, value_name = "DIRECTORY", default_value = "/")]
        root: std::path::PathBuf,
    },

    /// Make and trust keys, for TCP between machines
    ///
    /// Without keys TCP stays on this machine. With them, two machines talk once each trusts the other's.
    #[command(after_help = "Examples:
  linkspan keys new                               on each of two machines, then on each:
  linkspan keys trust NAME KEY                    with what the other printed
  linkspan recv tcp://0.0.0.0:7000
  linkspan send tcp://microscope:7000 1

The keys lie in $LINKSPAN_KEYS, else in ~/.config/linkspan/keys.")]
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        command: KeysCommand,
    },

    /// Carry names of this machine to others, and names of others here: `linkspan bridge --help`
    #[command(disable_help_flag = true)]
    Bridge {
        /// What the program linkspan-bridge is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },

    /// Remove what dead processes left
    #[command(
        after_help = "Nobody needs it: whoever listens at a name next removes what is there. Says which names it removed.

Examples:
  linkspan clean"
    )]
    Clean,

    /// Ask services and tell them: data, pause, run, checkpoint, shut down
    ///
    /// A service is a program that works step by step and answers its controller meanwhile; `linkspan controller` starts
    /// the one that they meet at.
    #[command(after_help = "Examples:
  linkspan service ls
  linkspan service get power
  linkspan service pause power --wait && cp power.db /backup/ && linkspan service run power")]
    Service {
        /// What to do.
        #[command(subcommand)]
        command: crate::service::ServiceCommand,
    },

    /// Be the controller that services dial and that `service`, `top` and programs ask
    #[command(
        after_help = "Services connect to it by themselves, whoever starts first, and again after it has been restarted. It ends with SIGTERM or Ctrl-C; the services go on. Other machines reach it with `linkspan keys` alone.

Examples:
  linkspan controller
  linkspan controller --no-tcp
  linkspan controller --listen unix:controller --listen tcp://0.0.0.0:17170
  linkspan controller --http 127.0.0.1:8017
  linkspan controller --http 127.0.0.1:8017 --http-token /etc/linkspan/page --http-read-token /etc/linkspan/metrics

Prometheus reads /metrics of the page, with credentials_file set to the file of --http-read-token."
    )]
    Controller(crate::controller::Asked),

    /// Watch endpoints and services live: rates, lags, states
    #[command(
        after_help = "Keys: q quit, arrows and PgUp PgDn scroll, Tab the other table, s order, r turn it, / filter, p hold, ? help.

Examples:
  linkspan top
  linkspan top --every 0.5
  linkspan top --once
  linkspan top --json | jq '.services[] | select(.state == \"FAILED\")'"
    )]
    Top(crate::top::TopArgs),

    /// Read somebody else's shared memory, by a layout that is told in a few words
    #[command(
        after_help = "Memory: posix:/name as shm_open calls it, sysv:0x1234 for a key of shmget, or the path of a file.
Layout: fields as in C, such as 'f64 celsius; u32 count; char name[16]; i16 raw[8] @64'. Without one, its text up to NUL.

Examples:
  linkspan region posix:/vendor_sensors 'u32 count; f64 celsius'
  linkspan region sysv:0x1234 'packed; big; u16 status; i32 counts[4]' --offset 128 --json
  linkspan region /dev/shm/banner"
    )]
    Region(RegionArgs),

    /// Say what messages mean: check, show and compare schemas, and hold values against them
    #[command(after_help = "Examples:
  linkspan schema check power.schema.toml
  linkspan schema check old.schema.toml new.schema.toml --require backward
  linkspan sub lab/power --json | linkspan schema validate power.schema.toml")]
    Schema {
        /// What is to be done
        #[command(subcommand)]
        what: crate::schema::What,
    },

    /// Write a value in another encoding
    #[command(
        after_help = "Reads standard input and writes standard output. Bytes that are refused end it with 1, with the error's name, number and offset on standard error, and nothing on standard output.

Examples:
  linkspan transcode --from cbor --to json < reading.cbor
  echo '{\"celsius\": 21.4}' | linkspan transcode --to bson > reading.bson"
    )]
    Transcode(TranscodeArgs),

    /// Print a script that completes these commands in the shell
    #[command(after_help = "Examples:
  linkspan completions bash > /usr/share/bash-completion/completions/linkspan
  linkspan completions zsh > /usr/local/share/zsh/site-functions/_linkspan")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
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
    fn orders_need_somebody_to_be_for() {
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

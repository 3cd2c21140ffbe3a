//! The command line: every command with its help and its examples.

use std::ffi::OsString;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use linkspan::{Encoding, Error, ErrorKind, Options, Result, Timeout, Value, codec};

use crate::keys::Keys;

/// Programs in different languages on one machine talk: send, call, publish and look from the shell
///
/// Exit codes: 0 done, 1 error (its name and number are on standard error), 2 usage, 3 Timeout, 4 NotFound or
/// Disconnected, 130 Ctrl-C.
#[derive(Parser, Debug)]
#[command(name = "linkspan", version, arg_required_else_help = true)]
pub struct Arguments {
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
    Send(Send),

    /// Listen at a name, and print the messages that come
    #[command(
        after_help = "Any number of programs may send at once. A call is answered with --reply VALUE; without it, with an error.

Examples:
  linkspan recv lab/valve
  linkspan recv lab/valve --count 0 --timeout forever --json >> orders.jsonl
  linkspan recv lab/echo --count 0 --timeout forever --reply '{\"done\": true}'"
    )]
    Recv(Recv),

    /// Send a request, and print the answer
    #[command(after_help = "Examples:
  linkspan call lab/spectrum '{\"op\": \"fft\", \"window\": 4096}' --timeout 2
  linkspan call lab/spectrum - --json < request.json")]
    Call(Call),

    /// Answer each request with what a program prints
    #[command(
        after_help = "The program is run once for each request, one after the other: the request is its standard input, as JSON and a line end; what it prints, as JSON, is the answer. An exit code other than 0 is an error to the caller, with the end of its standard error; so are a program that takes too long and one that prints too much, and both are killed with all that they started. No shell reads anything unless --shell is given. The environment has LINKSPAN_SOURCE, who asks.

Examples:
  linkspan reply lab/sum --command jq -- add
  linkspan reply lab/uptime --command uptime --text
  linkspan reply lab/disk --shell --command 'df --output=pcent / | tail -n 1' --text --within 2"
    )]
    Reply(Reply),

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
    Pub(Pub),

    /// Print what is published at a name, the newest value first, then all that follow
    #[command(
        after_help = "The publisher need not be there yet, and may come back. Values that were overwritten before they were read are counted on standard error (Lagged); -o delivery=latest skips to the newest instead.

Examples:
  linkspan sub lab/temperature
  linkspan sub lab/temperature --json | jq .celsius
  linkspan sub lab/temperature -n 1 -t 5
  linkspan sub journal:orders --from first"
    )]
    Sub(Sub),

    /// Print the newest published value, without waiting
    #[command(
        after_help = "Ends with 4 where nobody publishes, with 1 (Empty) where nothing has been published yet.

Examples:
  linkspan latest lab/temperature
  linkspan latest lab/temperature --json --timeout 5    waits for a publisher to come"
    )]
    Latest(Latest),

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
        what: Keys,
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
        what: crate::service::What,
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
    Top(crate::top::Top),

    /// Read somebody else's shared memory, by a layout that is told in a few words
    #[command(
        after_help = "Memory: posix:/name as shm_open calls it, sysv:0x1234 for a key of shmget, or the path of a file.
Layout: fields as in C, such as 'f64 celsius; u32 count; char name[16]; i16 raw[8] @64'. Without one, its text up to NUL.

Examples:
  linkspan region posix:/vendor_sensors 'u32 count; f64 celsius'
  linkspan region sysv:0x1234 'packed; big; u16 status; i32 counts[4]' --offset 128 --json
  linkspan region /dev/shm/banner"
    )]
    Region(Region),

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
    Transcode(Transcode),

    /// Print a script that completes these commands in the shell
    #[command(after_help = "Examples:
  linkspan completions bash > /usr/share/bash-completion/completions/linkspan
  linkspan completions zsh > /usr/local/share/zsh/site-functions/_linkspan")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How values are printed.
#[derive(Args, Debug, Clone, Copy)]
pub struct Shape {
    /// Print each value as one line of JSON, ready for `pub` and `send`
    #[arg(long, short)]
    pub json: bool,
    /// With --json: print the message around the value too (sequence, sent, source, encoding, missed)
    #[arg(long, requires = "json")]
    pub full: bool,
}

/// What every command that opens an endpoint takes.
#[derive(Args, Debug, Clone)]
pub struct Opening {
    /// The endpoint: a name such as lab/temperature, with a transport in front (shm: where none is), or tcp://host:port
    pub name: String,
    /// Write values in this encoding; left out, JSON into a spool: or a file:, which people and scripts read, and CBOR elsewhere
    #[arg(long, short, value_name = "ENCODING", value_parser = encodings())]
    pub encoding: Option<Encoding>,
    /// Speak to a program that knows nothing of Linkspan: lines of JSON and JSON-RPC 2.0, or raw bytes
    #[arg(long, value_name = "FRAMING", value_parser = ["linkspan", "lines", "raw"])]
    pub framing: Option<String>,
    /// Compare schemas with the other side, and check each value against this one: a file of the notation
    #[arg(long, value_name = "FILE")]
    pub schema: Option<String>,
    /// Set another option by its name: limit=1000000, client_id=logger, mode=0660
    #[arg(short, long = "option", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
}

impl Opening {
    /// The options, set by name.
    pub fn to_options(&self) -> Result<Options> {
        let mut options = Options::default();
        let is_read_by_people = ["spool:", "file:"].iter().any(|transport| self.name.starts_with(transport));
        let usual = if is_read_by_people { Encoding::Json } else { Encoding::Cbor };
        options.encoding = self.encoding.unwrap_or(usual);
        if let Some(framing) = &self.framing {
            options.set("framing", &framing.as_str().into())?;
        }
        if let Some(file) = &self.schema {
            options.set("schema", &file.as_str().into())?;
            options.set("validate", &"both".into())?;
        }
        for option in &self.options {
            let Some((name, text)) = option.split_once('=') else {
                let text = format!("the option {option:?} has no value: write NAME=VALUE");
                return Err(Error::new(ErrorKind::Missing, text));
            };
            options.set(name, &option_value(name, text)?)?;
        }
        Ok(options)
    }
}

/// The value of an option: JSON; a mode in octal, as chmod takes it; anything else is meant as text: client_id=logger.
fn option_value(name: &str, text: &str) -> Result<Value> {
    if name == "mode" {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        return u64::from_str_radix(digits, 8).map(Value::from).map_err(|_| {
            let text =
                format!("mode={text} is no mode: write it in octal, as chmod takes it, such as mode=0660");
            Error::new(ErrorKind::WrongType, text)
        });
    }
    Ok(codec::decode(text.as_bytes(), Encoding::Json).unwrap_or_else(|_| text.into()))
}

/// Every encoding by its name; completions offer them.
pub fn encodings() -> impl TypedValueParser<Value = Encoding> {
    PossibleValuesParser::new(Encoding::ALL.map(Encoding::name)).try_map(|name| Encoding::from_name(&name))
}

/// Seconds, or the words "for ever" written out.
pub fn timeout(text: &str) -> Result<Timeout> {
    if text == "forever" {
        return Ok(Timeout::Forever);
    }
    let seconds = text.parse().map_err(|_| {
        Error::new(ErrorKind::WrongType, format!("{text:?} is no number of seconds, nor the word forever"))
    })?;
    Timeout::from_seconds(seconds)
}

/// `linkspan region`
#[derive(Args, Debug)]
pub struct Region {
    /// The memory
    pub memory: String,
    /// How it lies there; left out, it is text
    pub layout: Option<String>,
    /// Begin so many bytes behind its start
    #[arg(long, value_name = "BYTES", default_value = "0")]
    pub offset: u64,
    /// This field counts the owner's writes, and is odd during one: read until no write came in between
    #[arg(long, value_name = "FIELD", requires = "layout")]
    pub counter: Option<String>,
    /// Print it as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `linkspan send`
#[derive(Args, Debug)]
pub struct Send {
    /// Where to.
    #[command(flatten)]
    pub opening: Opening,
    /// The value as JSON; - reads one from standard input; left out, each line there is a message
    #[arg(allow_negative_numbers = true)]
    pub value: Option<String>,
    /// This text is the value, as it is: without quotes of JSON
    #[arg(long, short, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Wait so many seconds for the other side to listen, and to take each message, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", value_parser = timeout)]
    pub timeout: Timeout,
}

/// `linkspan recv`
#[derive(Args, Debug)]
pub struct Recv {
    /// Where.
    #[command(flatten)]
    pub opening: Opening,
    /// End after so many messages; 0 never ends
    #[arg(long, short = 'n', value_name = "N", default_value = "1")]
    pub count: u64,
    /// Wait so many seconds for each message, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", value_parser = timeout)]
    pub timeout: Timeout,
    /// Answer calls with this value, as JSON
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub reply: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub shape: Shape,
}

/// `linkspan call`
#[derive(Args, Debug)]
pub struct Call {
    /// Where to.
    #[command(flatten)]
    pub opening: Opening,
    /// The request as JSON; - reads it from standard input
    #[arg(allow_negative_numbers = true, required_unless_present = "message")]
    pub value: Option<String>,
    /// This text is the request, as it is: without quotes of JSON
    #[arg(long, short, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Wait so many seconds for the server and its answer together, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", value_parser = timeout)]
    pub timeout: Timeout,
    /// How to print.
    #[command(flatten)]
    pub shape: Shape,
}

/// `linkspan reply`
#[derive(Args, Debug)]
pub struct Reply {
    /// Where.
    #[command(flatten)]
    pub opening: Opening,
    /// The program; without a / it is looked for in PATH
    #[arg(long, short, value_name = "PROGRAM")]
    pub command: String,
    /// Arguments of the program, behind two dashes
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<OsString>,
    /// Other processes may serve the name, too, each with this, and share its requests: unix:, shm:, spool:
    #[arg(long)]
    pub shared: bool,
    /// Have /bin/sh read PROGRAM as a command line; the arguments are its $1, $2 and so on
    #[arg(long)]
    pub shell: bool,
    /// What the program prints is a text, and no JSON
    #[arg(long)]
    pub text: bool,
    /// Kill a program that takes longer, or "forever"
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = timeout)]
    pub within: Timeout,
    /// Kill a program that prints more
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    pub limit: usize,
    /// End after so many requests; 0 never ends
    #[arg(long, short = 'n', value_name = "N", default_value = "0")]
    pub count: u64,
}

/// `linkspan pub`
#[derive(Args, Debug)]
pub struct Pub {
    /// Where.
    #[command(flatten)]
    pub opening: Opening,
    /// The value as JSON; - reads one from standard input; left out, each line there is a value
    #[arg(allow_negative_numbers = true)]
    pub value: Option<String>,
    /// This text is the value, as it is: without quotes of JSON
    #[arg(long, short, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Stay so many seconds after the last value
    #[arg(long = "for", value_name = "SECONDS")]
    pub stay: Option<f64>,
    /// Publish once so many subscribers are there
    #[arg(long, value_name = "N", default_value = "0")]
    pub wait_for: usize,
    /// Wait so many seconds for them, or "forever"
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = timeout, requires = "wait_for")]
    pub timeout: Timeout,
}

/// `linkspan sub`
#[derive(Args, Debug)]
pub struct Sub {
    /// Where.
    #[command(flatten)]
    pub opening: Opening,
    /// End after so many values; 0 never ends
    #[arg(long, short = 'n', value_name = "N", default_value = "0")]
    pub count: u64,
    /// Begin a journal here: first, newest, a number, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHERE")]
    pub from: Option<String>,
    /// Wait so many seconds for each value, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "forever", value_parser = timeout)]
    pub timeout: Timeout,
    /// How to print.
    #[command(flatten)]
    pub shape: Shape,
}

/// `linkspan latest`
#[derive(Args, Debug)]
pub struct Latest {
    /// Where.
    #[command(flatten)]
    pub opening: Opening,
    /// Wait so many seconds for a publisher, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "0", value_parser = timeout)]
    pub timeout: Timeout,
    /// How to print.
    #[command(flatten)]
    pub shape: Shape,
}

/// `linkspan transcode`
#[derive(Args, Debug)]
pub struct Transcode {
    /// The encoding that is read
    #[arg(long, value_name = "ENCODING", default_value = "json", value_parser = encodings())]
    pub from: Encoding,
    /// The encoding that is written
    #[arg(long, value_name = "ENCODING", default_value = "json", value_parser = encodings())]
    pub to: Encoding,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
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
            let parsed = Arguments::try_parse_from(["linkspan"].into_iter().chain(words.split(' ')));
            assert!(parsed.is_ok(), "{words}: {parsed:?}");
        }
        assert!(Arguments::try_parse_from(["linkspan", "pub", "lab/a", "--wrong"]).is_err());
    }

    #[test]
    fn mode_is_octal_however_it_is_written() {
        for text in ["660", "0660", "0o660"] {
            assert_eq!(option_value("mode", text).unwrap(), Value::from(0o660), "{text}");
        }
        for text in ["8", "rw", "", "-1", "0x1b0"] {
            assert_eq!(option_value("mode", text).unwrap_err().kind(), ErrorKind::WrongType, "{text}");
        }
        assert_eq!(option_value("limit", "660").unwrap(), Value::from(660));
        assert_eq!(option_value("client_id", "logger").unwrap(), Value::from("logger"));
    }

    #[test]
    fn orders_need_somebody_to_be_for() {
        let parsed = |words: &str| Arguments::try_parse_from(words.split(' ')).is_ok();
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

//! Arguments that commands share, and those of each command on messages and values.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use linkspan::{Encoding, Error, ErrorKind, Options, Result, Timeout, Value, codec};

use crate::exit::Exit;
use crate::quantity::{OR_FOREVER, duration, encodings, seconds, timeout};

/// The form in which values are printed.
#[derive(Args, Debug, Clone, Copy)]
pub struct OutputArgs {
    /// Print each value as one line of JSON, ready for `pub` and `send`
    #[arg(long, short)]
    pub json: bool,
    /// With --json: print the message around the value too (sequence, sent, source, encoding, missed)
    #[arg(long, requires = "json")]
    pub full: bool,
}

/// The endpoint and its options, for every command that opens one.
#[derive(Args, Debug, Clone)]
pub struct EndpointArgs {
    /// Endpoint: tcp://host:port, or a name such as lab/temperature with or without a transport [default: shm:]
    pub name: String,
    /// Write values in this encoding [default: JSON for spool: and file:, which people read, else CBOR]
    #[arg(long, short, value_name = "ENCODING", value_parser = encodings())]
    pub encoding: Option<Encoding>,
    /// Exchange messages with a program without Linkspan: lines of JSON and JSON-RPC 2.0, or raw bytes
    #[arg(long, value_name = "FRAMING", value_parser = ["linkspan", "lines", "raw"])]
    pub framing: Option<String>,
    /// Schema file: compare it with the schema of the other side, and validate each value
    #[arg(long, value_name = "FILE")]
    pub schema: Option<String>,
    /// Set another option by its name: max_message_size=1000000, client_id=logger, mode=0660, linger=500ms
    #[arg(short, long = "option", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
}

impl EndpointArgs {
    pub fn to_options_with(&self, reply_schema: Option<&String>) -> std::result::Result<Options, Exit> {
        self.options_with(reply_schema).map_err(Exit::Usage)
    }

    pub fn to_options(&self) -> std::result::Result<Options, Exit> {
        self.to_options_with(None)
    }

    fn options_with(&self, reply_schema: Option<&String>) -> Result<Options> {
        let mut options = self.options()?;
        if let Some(file) = reply_schema {
            options.set("reply_schema", &file.as_str().into())?;
            options.set("validate", &"both".into())?;
        }
        Ok(options)
    }

    fn options(&self) -> Result<Options> {
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

/// The options that are times in seconds.
const TIMES: [&str; 3] = ["timeout", "linger", "retain_seconds"];

/// Parses JSON, an octal mode, a time as for --timeout, or else text as in client_id=logger.
fn option_value(name: &str, text: &str) -> Result<Value> {
    if TIMES.contains(&name) {
        if name == "timeout" && matches!(text, "forever" | "null") {
            return Ok(Value::Null);
        }
        let also = if name == "timeout" { OR_FOREVER } else { "" };
        return seconds(text, also).map(Value::from).map_err(|e| e.under_key(name));
    }
    if name == "mode" {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        return u64::from_str_radix(digits, 8).map(Value::from).map_err(|_| {
            let text =
                format!("mode={text} is not a mode: write it in octal, as chmod takes it, such as mode=0660");
            Error::new(ErrorKind::WrongType, text)
        });
    }
    Ok(codec::decode(text.as_bytes(), Encoding::Json).unwrap_or_else(|_| text.into()))
}

/// `linkspan region`
#[derive(Args, Debug)]
pub struct RegionArgs {
    /// The memory
    pub memory: String,
    /// The layout; default: text
    pub layout: Option<String>,
    /// Start at this offset
    #[arg(long, value_name = "BYTES", default_value = "0")]
    pub offset: u64,
    /// Field that counts the owner's writes and is odd during a write: repeat a read that overlaps a write
    #[arg(long, value_name = "FIELD", requires = "layout")]
    pub counter: Option<String>,
    /// Print it as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `linkspan send`
#[derive(Args, Debug)]
pub struct SendArgs {
    /// The endpoint to send to.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Value as JSON; - reads a value from standard input [default: each line of standard input is a message]
    #[arg(allow_negative_numbers = true)]
    pub value: Option<String>,
    /// The value is this text, without quotes of JSON
    #[arg(long, short, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Wait at most this long for the other side to listen and to receive each message, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", allow_hyphen_values = true, value_parser = timeout)]
    pub timeout: Timeout,
}

/// `linkspan recv`
#[derive(Args, Debug)]
pub struct RecvArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// End after this many messages; 0 never ends
    #[arg(long, short = 'n', value_name = "N", default_value = "1")]
    pub count: u64,
    /// Wait at most this long for each message, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", allow_hyphen_values = true, value_parser = timeout)]
    pub timeout: Timeout,
    /// Reply to calls with this value, as JSON
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub reply: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `linkspan call`
#[derive(Args, Debug)]
pub struct CallArgs {
    /// The endpoint to send to.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// The request as JSON; - reads it from standard input
    #[arg(allow_negative_numbers = true, required_unless_present = "message")]
    pub value: Option<String>,
    /// The request is this text, without quotes of JSON
    #[arg(long, short, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Compare schemas of replies with the other side, and validate each reply: a schema file
    #[arg(long, value_name = "FILE")]
    pub reply_schema: Option<String>,
    /// Wait at most this long for the server and its reply together, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", allow_hyphen_values = true, value_parser = timeout)]
    pub timeout: Timeout,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `linkspan reply`
#[derive(Args, Debug)]
pub struct ReplyArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Compare schemas of replies with the other side, and validate each reply: a schema file
    #[arg(long, value_name = "FILE")]
    pub reply_schema: Option<String>,
    /// The program; a name without a / is searched in PATH
    #[arg(long, short, value_name = "PROGRAM")]
    pub command: String,
    /// Arguments of the program, after --
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<OsString>,
    /// Share the name and its requests with other processes that also use this option: unix:, shm:, spool:
    #[arg(long)]
    pub shared: bool,
    /// Run PROGRAM as a command line of /bin/sh with the arguments $1, $2, …
    #[arg(long)]
    pub shell: bool,
    /// The output of the program is a text, not JSON
    #[arg(long)]
    pub text: bool,
    /// Kill a program that takes longer, or "forever"
    #[arg(long, value_name = "SECONDS", default_value = "30", allow_hyphen_values = true, value_parser = timeout)]
    pub within: Timeout,
    /// Kill a program that prints more
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    pub limit: usize,
    /// End after this many requests; 0 never ends
    #[arg(long, short = 'n', value_name = "N", default_value = "0")]
    pub count: u64,
}

/// `linkspan pub`
#[derive(Args, Debug)]
pub struct PubArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Value as JSON; - reads a value from standard input [default: each line of standard input is a value]
    #[arg(allow_negative_numbers = true)]
    pub value: Option<String>,
    /// The value is this text, without quotes of JSON
    #[arg(long, short, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Run this long after the last value
    #[arg(long = "for", value_name = "SECONDS", allow_hyphen_values = true, value_parser = duration)]
    pub stay: Option<Duration>,
    /// Publish once this many subscribers are connected
    #[arg(long, value_name = "N", default_value = "0")]
    pub wait_for: usize,
    /// With --wait-for: wait at most this long for them, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "30", allow_hyphen_values = true, value_parser = timeout)]
    pub timeout: Timeout,
}

/// `linkspan sub`
#[derive(Args, Debug)]
pub struct SubArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// More names and patterns
    #[arg(value_name = "NAME")]
    pub more: Vec<String>,
    /// End after this many values; 0 never ends
    #[arg(long, short = 'n', value_name = "N", default_value = "0")]
    pub count: u64,
    /// Start reading a journal at: first, newest, a number, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Wait at most this long for each value, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "forever", allow_hyphen_values = true, value_parser = timeout)]
    pub timeout: Timeout,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `linkspan latest`
#[derive(Args, Debug)]
pub struct LatestArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Wait at most this long for a publisher, or "forever"
    #[arg(long, short, value_name = "SECONDS", default_value = "0", allow_hyphen_values = true, value_parser = timeout)]
    pub timeout: Timeout,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `linkspan transcode`
#[derive(Args, Debug)]
pub struct TranscodeArgs {
    /// The encoding of the input
    #[arg(long, value_name = "ENCODING", default_value = "json", value_parser = encodings())]
    pub from: Encoding,
    /// The encoding of the output
    #[arg(long, value_name = "ENCODING", default_value = "json", value_parser = encodings())]
    pub to: Encoding,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_times_take_what_their_flags_take() {
        for (name, text, value) in [
            ("timeout", "500ms", 0.5.into()),
            ("timeout", "2", 2.0.into()),
            ("timeout", "forever", Value::Null),
            ("linger", "1s", 1.0.into()),
            ("retain_seconds", "1.5h", 5400.0.into()),
        ] {
            assert_eq!(option_value(name, text).unwrap(), value, "{name}={text}");
        }
        for (name, text) in [("timeout", "soon"), ("linger", "forever"), ("linger", "-1s")] {
            let error = option_value(name, text).unwrap_err();
            assert!(
                error.path() == Some(name)
                    && error.text().starts_with(text) | error.text().contains("is not a time"),
                "{error}"
            );
        }
    }

    #[test]
    fn mode_is_parsed_as_octal_in_every_notation() {
        for text in ["660", "0660", "0o660"] {
            assert_eq!(option_value("mode", text).unwrap(), Value::from(0o660), "{text}");
        }
        for text in ["8", "rw", "", "-1", "0x1b0"] {
            assert_eq!(option_value("mode", text).unwrap_err().kind(), ErrorKind::WrongType, "{text}");
        }
        assert_eq!(option_value("max_message_size", "660").unwrap(), Value::from(660));
        assert_eq!(option_value("client_id", "logger").unwrap(), Value::from("logger"));
    }
}

//! The command line. The doc comments of these types are the text of `--help`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use linkspan::Timestamp;
use linkspan_program::quantity;

/// Names of this machine for browsers, and for programs of other systems
#[derive(Debug, Parser)]
#[command(
    name = "linkspan gateway",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "The gateway prints an address with a read-only token, and opens it in the browser of a desktop. `linkspan gateway token add` makes tokens with more rights. Other machines need TLS, in the gateway or in a proxy.

Examples:
  linkspan gateway
  linkspan gateway token add valve-panel --read 'lab/*' --call lab/valve --write 'ui/*'
  linkspan gateway --listen 0.0.0.0:17180 --certificate lab.pem --key lab.key --origin https://lab:17180
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:17180/api/latest/lab/temperature"
)]
pub struct Arguments {
    /// What to do instead of running.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How to run.
    #[command(flatten)]
    pub running: Running,
}

/// Actions other than running.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make, show and remove tokens
    #[command(
        subcommand,
        after_help = "Examples:\n  linkspan gateway token add plots --read 'lab/*'\n  linkspan gateway token list\n  linkspan gateway token remove plots"
    )]
    Token(Token),
    /// Show the files of a recording in the page, and nothing else: `linkspan recording view` finds them
    #[command(hide = true)]
    View {
        /// Listen at this address of this machine
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        listen: String,
        /// Do not open the page in a browser
        #[arg(long)]
        no_open: bool,
        /// Device and inode of each file
        #[arg(long, value_name = "DEVICE:NUMBER", value_parser = file_number)]
        is: Vec<(u64, u64)>,
        /// The files, in order
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the completions of this program for a shell
    #[command(
        after_help = "Examples:\n  linkspan-gateway completions bash > /etc/bash_completion.d/linkspan-gateway\n  linkspan-gateway completions zsh > /usr/local/share/zsh/site-functions/_linkspan-gateway"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, one for each command
    #[command(
        after_help = "Examples:\n  linkspan gateway man /usr/local/share/man/man1\n  linkspan gateway man . && man ./linkspan-gateway-token.1"
    )]
    Man {
        /// The folder, which is created if it is missing
        folder: PathBuf,
    },
}

/// Actions on tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it once; only its hash is stored
    #[command(
        after_help = "Examples:\n  linkspan gateway token add plots --read 'lab/*'\n  linkspan gateway token add valve-panel --read 'lab/*' --call lab/valve --write 'ui/*' --expires 30d"
    )]
    Add {
        /// The name of the token, which appears in logs
        name: String,
        /// Allow the token to subscribe to and read these names; may be repeated
        #[arg(long, value_name = "PATTERN")]
        read: Vec<String>,
        /// Allow the token to send requests to these names; may be repeated
        #[arg(long, value_name = "PATTERN")]
        call: Vec<String>,
        /// Allow the token to publish these names; may be repeated
        #[arg(long, value_name = "PATTERN")]
        write: Vec<String>,
        /// When it expires: after a time such as 12h or 30d, or at a time such as 2027-01-01T00:00:00Z
        #[arg(long, value_name = "TIME", value_parser = end)]
        expires: Option<Timestamp>,
        #[command(flatten)]
        file: File,
    },
    /// Print the tokens and their rights
    #[command(
        after_help = "Examples:\n  linkspan gateway token list\n  linkspan gateway token list --tokens lab-tokens.json"
    )]
    List {
        #[command(flatten)]
        file: File,
    },
    /// Remove a token; a running gateway ends its connections
    #[command(
        after_help = "Examples:\n  linkspan gateway token remove plots\n  linkspan gateway token list && linkspan gateway token remove plots"
    )]
    Remove {
        /// The name of the token
        name: String,
        #[command(flatten)]
        file: File,
    },
}

/// The token file.
#[derive(Clone, Debug, Args)]
pub struct File {
    /// The file with the tokens [default: linkspan/gateway-tokens.json in the user's configuration]
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
}

/// Options of a running gateway.
#[derive(Clone, Debug, Args)]
pub struct Running {
    /// Listen at this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:17180")]
    pub listen: String,
    /// The certificate of this machine, with its chain, in PEM; it encrypts connections
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A TLS proxy is in front, and only the proxy reaches this address; it reports clients in X-Forwarded-For
    #[arg(long)]
    pub behind_proxy: bool,
    /// An origin of pages that may connect, such as https://lab.example, or file:// for local viewers;
    /// may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub origin: Vec<String>,
    /// Create no token at the start; only tokens of the file are valid
    #[arg(long)]
    pub no_start_token: bool,
    /// Do not open the page in a browser; without this option, it opens if the program runs in a desktop's terminal
    #[arg(long)]
    pub no_open: bool,
    /// The most messages per second of one name, for clients that want only the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 60.0, value_parser = rate)]
    pub name_rate: f64,
    /// The most memory for messages that the gateway holds for clients, including encoded forms; further messages count
    /// as missed
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub buffer: u64,
    /// The longest message of a publisher; longer ones count as missed
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub max_published_size: u64,
    /// The longest frame of a client
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = size)]
    pub max_message_size: u64,
    /// The time between two pings; a client with two unanswered pings is disconnected at the third
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub ping: Duration,
    /// The name of this gateway as a service
    #[arg(long, value_name = "NAME", default_value = "gateway")]
    pub service: String,
    /// The name of the published state of the gateway
    #[arg(long, value_name = "NAME", default_value = linkspan::registry::GATEWAY_STATUS)]
    pub status: String,
    #[command(flatten)]
    pub file: File,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = quantity::duration(text).map_err(|error| error.text().to_owned())?;
    if time.is_zero() { Err("a time of 0 has no meaning here".to_owned()) } else { Ok(time) }
}

fn file_number(text: &str) -> Result<(u64, u64), String> {
    let parsed =
        text.split_once(':').and_then(|(device, number)| device.parse().ok().zip(number.parse().ok()));
    parsed.ok_or_else(|| "it is two numbers, such as 65024:1234".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    let size = quantity::size(text)?;
    if size >= 4_096 { Ok(size) } else { Err("it is at least 4KiB".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 1e-3);
    rate.ok_or_else(|| "a rate is a number of messages a second, at least 0.001".to_owned())
}

fn end(text: &str) -> Result<Timestamp, String> {
    if let Ok(end) = text.parse() {
        return Ok(end);
    }
    let time = time(text)
        .map_err(|_| "it is a time such as 12h or 30d, or one such as 2027-01-01T00:00:00Z".to_owned())?;
    let after = i64::try_from(time.as_nanos()).ok().and_then(|after| Timestamp::now().0.checked_add(after));
    after.map(Timestamp).ok_or_else(|| "the time is too long".to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']);
    match host.filter(|host| is_host(host)) {
        Some(_) => Ok(text.to_ascii_lowercase()),
        // Programs with built-in pages, such as Electron, send this origin.
        None if text == "file://" => Ok(text.to_owned()),
        None => Err("an origin is a scheme and a host, such as https://lab.example or http://10.0.0.5:8000"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
        for wrong in ["lab.example", "https://", "https://*", "https://a/b", "ftp://a", "null"] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        assert!(time("0").is_err() && rate("0").is_err() && rate("nan").is_err() && size("1").is_err());
        assert_eq!(size("16MiB"), Ok(16 << 20));
        assert!(end("30d").unwrap() > Timestamp::now() && end("soon").is_err());
    }
}

//! `linkspan schema infer`: proposes a schema from messages, or widens one until it accepts them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use linkspan::files::{self, open_or_descriptor};
use linkspan::{Encoding, Error, ErrorKind, Limits, Options, Subscriber, Timeout, Value, Wait, codec};
use linkspan_program::exit::{Exit, write};
use linkspan_program::input::Lines;
use linkspan_program::quantity::{encodings, timeout};
use linkspan_program::signals::Signals;
use linkspan_program::stop_watch::watched;
use linkspan_program::{schema_argument, stderr};
use linkspan_schema_convert::infer::{Evidence, Proposal, Widening, propose};

/// `linkspan schema infer`
#[derive(Args, Debug)]
pub struct Infer {
    /// The messages: an endpoint, a file, or - for JSON texts on standard input, one per line
    #[arg(value_name = "NAME|FILE")]
    pub from: String,
    /// Read at most this many messages; 0 reads all
    #[arg(long, short = 'n', value_name = "N", default_value = "1000")]
    pub count: u64,
    /// From an endpoint: end when no message has arrived for this long
    #[arg(long, short, value_name = "SECONDS", default_value = "5", value_parser = timeout)]
    pub timeout: Timeout,
    /// Widen this schema just enough to accept the messages
    #[arg(long, value_name = "OLD")]
    pub widen: Option<PathBuf>,
    /// The name of the schema; default: the name of the endpoint or the file
    #[arg(long, conflicts_with = "widen")]
    pub name: Option<String>,
    /// The encoding of a file; default: JSON or CBOR, by its first byte
    #[arg(long, short, value_name = "ENCODING", value_parser = encodings())]
    pub encoding: Option<Encoding>,
}

enum Into {
    Evidence(Box<Evidence>),
    Widening(Box<Widening>),
}

struct Messages {
    into: Into,
    count: u64,
    most: u64,
}

impl Messages {
    /// Adds a message; returns false after enough messages.
    fn add(&mut self, value: &Value) -> bool {
        self.count += 1;
        match &mut self.into {
            Into::Evidence(evidence) => evidence.add(value),
            Into::Widening(widening) => widening.add(value),
        }
        self.count != self.most
    }
}

pub fn print(args: &Infer, signals: &Signals) -> Result<(), Exit> {
    let into = match &args.widen {
        Some(old) => Into::Widening(Box::new(Widening::new(schema_argument::load(old)?))),
        None => Into::Evidence(Box::default()),
    };
    let mut messages = Messages { into, count: 0, most: args.count };
    let path = Path::new(&args.from);
    if args.from == "-" {
        let mut lines = Lines::new(signals);
        while let Some(value) = lines.next_value()?
            && messages.add(&value)
        {}
    } else if path.exists() {
        file(path, args.encoding, &mut messages, signals)?;
    } else {
        live(args, &mut messages, signals)?;
    }
    let Proposal { text, doubts, .. } = match messages.into {
        Into::Evidence(evidence) => propose(&name(args), &evidence)?,
        Into::Widening(widening) => widening.finish(),
    };
    if doubts > 0 {
        let what = if args.widen.is_some() { "changes" } else { "doubts" };
        stderr::print_note(&format!("{doubts} {what} are marked by comments"));
    }
    write(text.as_bytes())
}

/// Returns the given name, or a name made from the endpoint or file.
fn name(args: &Infer) -> String {
    if let Some(name) = &args.name {
        return name.clone();
    }
    let from = args.from.split_once(':').map_or(args.from.as_str(), |(_, rest)| rest);
    let from = match Path::new(&args.from).exists() {
        true => Path::new(from).file_name().and_then(|name| name.to_str()).unwrap_or_default(),
        false => from,
    };
    let from = from.split('.').next().unwrap_or_default();
    let parts = from.split('/').filter(|part| !part.is_empty()).map(|part| {
        let word: String =
            part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
        if word.starts_with(|c: char| c.is_ascii_digit()) { format!("_{word}") } else { word }
    });
    let name = parts.collect::<Vec<_>>().join(".");
    if name.is_empty() { "messages".to_owned() } else { name }
}

/// Reads published values until there are enough, or no more arrive.
fn live(args: &Infer, messages: &mut Messages, signals: &Signals) -> Result<(), Exit> {
    let mut options = Options::default();
    if args.from.starts_with("journal:") {
        options.set("from", &"first".into())?;
    }
    let subscriber = Subscriber::new(&args.from, &options)?;
    watched(
        signals,
        || subscriber.close(),
        |_| loop {
            let message = subscriber.next(Wait::new(args.timeout));
            // A signal, or the end of the output's reader, closes the subscriber.
            signals.check_stdout()?;
            match message {
                Ok(Some(message)) => {
                    if !messages.add(message.value()?) {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Timeout && messages.count > 0 => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        },
    )
}

/// Reads one message, lines of JSON, or a CBOR sequence.
fn file(
    path: &Path,
    encoding: Option<Encoding>,
    messages: &mut Messages,
    signals: &Signals,
) -> Result<(), Error> {
    let shown = path.display();
    let refused = |why: std::io::Error| files::refused(path, &why);
    let mut reader = BufReader::new(open_or_descriptor(path)?);
    let is_json = |first: &u8| first.is_ascii_graphic() || first.is_ascii_whitespace();
    let looks_like = |bytes: &[u8]| match bytes.first() {
        // A map, list or tag in CBOR does not begin with an ASCII character.
        Some(first) if !is_json(first) => Encoding::Cbor,
        _ => Encoding::Json,
    };
    let encoding = match encoding {
        Some(encoding) => encoding,
        None => looks_like(reader.fill_buf().map_err(refused)?),
    };
    if encoding == Encoding::Json && lines(&mut reader, path, messages, signals)? {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(open_or_descriptor(path)?);
    reader.by_ref().take(MOST + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > MOST {
        let text = format!(
            "{shown} has more than {} MiB: divide it, or give its messages as JSON, one text a line",
            MOST >> 20
        );
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    if encoding != Encoding::Cbor {
        messages.add(&codec::decode(&bytes, encoding).map_err(|error| match encoding {
            Encoding::Json => at_place(&shown, &bytes, 1, &error),
            _ => error.on(&shown),
        })?);
        return Ok(());
    }
    let mut at = 0;
    while at < bytes.len() {
        signals.check()?;
        let (value, length) = codec::decode_first(&bytes[at..])
            .map_err(|error| in_sequence(&shown, messages.count + 1, at, &error))?;
        at += length;
        if !messages.add(&value) {
            break;
        }
    }
    Ok(())
}

/// Adds file, message number, path and byte offset to a message's error.
fn in_sequence(shown: &std::path::Display<'_>, message: u64, begins: usize, error: &Error) -> Error {
    let offset = error.offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let mut placed = Error::new(error.kind(), error.text()).at(begins + offset);
    if let Some(path) = error.path() {
        placed = placed.with_path(path);
    }
    placed.on(format_args!("{shown}, message {message}"))
}

/// Adds to a JSON text's error: file, line and column. The text begins in line `first`.
fn at_place(shown: &std::path::Display<'_>, text: &[u8], first: u64, error: &Error) -> Error {
    let offset = error.offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0).min(text.len());
    let before = &text[..offset];
    let line = first + before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    Error::new(error.kind(), format!("{shown}:{line}:{column}: {}", error.text()))
}

const MOST: u64 = 32 << 20;

/// Adds each line as a message.
///
/// Returns false if the first line is not a JSON text: the file may then be one text of several lines.
fn lines(
    reader: &mut impl BufRead,
    path: &Path,
    messages: &mut Messages,
    signals: &Signals,
) -> Result<bool, Error> {
    let shown = path.display();
    let limit = Limits::default().message.min(MOST);
    let mut line = Vec::new();
    for number in 1_u64.. {
        signals.check()?;
        line.clear();
        let read = reader.by_ref().take(limit + 1).read_until(b'\n', &mut line);
        read.map_err(|why| files::refused(path, &why))?;
        if line.is_empty() {
            break;
        }
        if line.len() as u64 > limit {
            let text = format!(
                "{shown}:{number}:{}: the line crosses the limit of {limit} bytes here: leave this message out",
                limit + 1
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match codec::decode(&line, Encoding::Json) {
            Ok(value) if !messages.add(&value) => break,
            Ok(_) => {}
            Err(_) if messages.count == 0 => return Ok(false),
            Err(error) => return Err(at_place(&shown, &line, number, &error)),
        }
    }
    Ok(true)
}

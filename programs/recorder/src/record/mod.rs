//! `linkspan record`: subscribes to names, and records their messages.
//!
//! | thread | task | modules |
//! |---|---|---|
//! | main | service commands, signals, progress | this file |
//! | receiving (publishers; stores) | fills the queue | `receive`, `streams`, `name_events`, `queue`, `clock` |
//! | writing | writes and syncs the parts | `write`, `numbers`, `parts`, `black_box`, `trigger` |
//!
//! Publishers and stores have a receiving thread each. `publisher` has the state that receiving and writing threads
//! share. A thread that ends early ends the program; tests cause this with `fault`.

mod asking;
mod black_box;
mod clock;
mod fault;
mod name_events;
mod numbers;
mod publisher;
mod queue;
mod receive;
mod status;
mod streams;
mod trigger;
mod write;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::service::{ServiceOptions, start_scoped};
use linkspan::{
    Acknowledge, Command, Encoding, Error, ErrorKind, Limits, Options, Result, ServiceLoop, Subscriber, Task,
    Timestamp, Value, codec,
};
use linkspan_recording::event::Kind;
use linkspan_recording::files::{self, Making};
use linkspan_recording::{Event, Settings};

use black_box::BlackBox;
use clock::{Clock, now};
use numbers::{Numbers, read_last};
use queue::Queue;
use receive::{Control, receive, receive_stored};
use status::Status;
pub use status::counted;
use trigger::{Trigger, is_stored};
use write::{Encode, How, WhenFull, Writer};

use crate::compress::Compress;
use crate::newest::NewestMessages;
use crate::parts::{Parts, Split};
use crate::{quantity, stderr, stdout};

/// Record the messages that are published at names
#[derive(Debug, clap::Args)]
#[command(after_help = "A recording ends with Ctrl-C, --for, --messages or `linkspan service shutdown NAME`.
More in docs/how-to/long-recordings.md.

Examples:
  linkspan record 'lab/*' journal:lab/log -o run42.mcap --for 10min --split 1GiB
  linkspan record 'lab/*' -o alarm.mcap --on lab/alarm --before 30s --after 10s")]
pub struct Arguments {
    /// Names, patterns and journals to record; * matches any characters, ? one
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// File of the recording; after a kill, its next part continues it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = quantity::duration)]
    duration: Option<Duration>,
    /// End after this number of messages
    #[arg(long, value_name = "COUNT")]
    messages: Option<u64>,
    /// Begin the next part at this size or after this time: 1GiB, 10min
    #[arg(long, value_name = "SIZE|TIME", value_parser = split)]
    split: Option<Split>,
    /// A power cut loses at most the messages of this time
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = quantity::duration)]
    sync: Duration,
    /// Memory for messages that wait for the disk; others are missed
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = quantity::size)]
    buffer: u64,
    /// Option of the subscriber (docs/options.md): max_message_size=1000000000
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = note)]
    options: Vec<(String, String)>,
    /// Compression of the messages
    #[arg(long, value_enum, default_value = "none")]
    compression: Compress,
    /// Encoding of the messages: ros2 (CDR) is for viewers
    #[arg(long, value_enum, default_value = "as-sent")]
    encoding: Encode,
    /// Add a file to the recording
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Add a note to the recording
    #[arg(long, value_name = "KEY=VALUE", value_parser = note)]
    note: Vec<(String, String)>,
    /// Record only around messages of this recorded name or pattern
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// With --on: time before such a message, within --buffer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::duration, requires = "on")]
    before: Duration,
    /// With --on: time after such a message
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::duration, requires = "on")]
    after: Duration,
    /// Mode of the files, such as 0640 [default: 0600; 0660 in a group's folder]
    #[arg(long, value_name = "MODE", value_parser = crate::arguments::mode)]
    mode: Option<u32>,
    /// On a full disk, end or remove the oldest part
    #[arg(long, value_enum, default_value = "stop")]
    when_full: WhenFull,
    /// Name of the recorder as a service [default: record-FILE]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Print the counters as lines of JSON, once a second and at the end
    #[arg(long)]
    json: bool,
    /// Print only errors, warnings and final losses
    #[arg(short, long)]
    quiet: bool,
}

/// Parses the size or time of a part.
///
/// # Errors
/// A text that describes the valid values.
pub fn split(text: &str) -> std::result::Result<Split, String> {
    match (quantity::size(text), quantity::duration(text)) {
        // A number without a unit could be either.
        (Ok(_), Ok(_)) => Err("say whether it is a size or a time: 1GiB, 10min".to_owned()),
        (Ok(0), _) => Err("a part of no bytes holds nothing".to_owned()),
        (_, Ok(Duration::ZERO)) => Err("a part of no time holds nothing".to_owned()),
        (Ok(bytes), _) => Ok(Split::Size(bytes)),
        (_, Ok(time)) => Ok(Split::Time(time)),
        (Err(_), Err(_)) => Err("it is a size or a time: 1GiB, 10min".to_owned()),
    }
}

fn note(text: &str) -> std::result::Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it is a name, the character = and a value")?;
    Ok((key.to_owned(), value.to_owned()))
}

const LOOK: Duration = Duration::from_millis(200);
const PROGRESS: Duration = Duration::from_secs(1);

/// Records until the end.
///
/// # Errors
/// Errors of the arguments, of the names, and of the file system. Messages from before the error are in the file.
pub fn run(arguments: &Arguments) -> Result<()> {
    let attached = read_attachments(&arguments.attach)?;
    let on = arguments.on.as_ref().map(|on| Trigger::of(on, &arguments.names)).transpose()?;
    // From here on, a signal ends the recording properly. This must happen before the first message.
    let service = start_service(arguments)?;
    // The controller must also show errors that precede the file.
    record_all(arguments, &attached, on, &service).inspect_err(|error| service.fail(error))?;
    service.close(Duration::from_secs(5))
}

fn record_all(
    arguments: &Arguments,
    attached: &[(String, Vec<u8>)],
    on: Option<Trigger>,
    service: &ServiceLoop,
) -> Result<()> {
    let (clock, since) = (Clock::new(), now());
    let (live, stored) = subscribers(arguments)?;
    let status = Status::default();
    let queue = Queue::new(arguments.buffer);
    let control = Control::default();
    if live.is_none() {
        control.receives_no_more();
    }
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        let record = || {
            // Receiving starts now, even if the disk is slow to create the file.
            if let Some(live) = &live {
                let work = || receive(live, &queue, &clock, &control);
                receivers.push(start(scope, "receiving", &status, work)?);
            }
            if let Some(stored) = &stored {
                let work = || receive_stored(stored, &arguments.names, &queue, &clock, &control, &status);
                receivers.push(start(scope, "reading", &status, work)?);
            }
            // If the thread cannot start, no file is made.
            let (give, take) = mpsc::sync_channel(1);
            let writing = start(scope, "writing", &status, move || match take.recv() {
                Ok(writer) => Writer::run(writer),
                // The beginning failed and reported its error.
                Err(_) => Ok(()),
            })?;
            let _ = give.send(begin(arguments, attached, since, on, &queue, &status)?);
            // A panic here would leave the other threads running, and this one waiting for them.
            let attended =
                catch_unwind(AssertUnwindSafe(|| attend(arguments, service, &status, &queue, &control)));
            Ok::<_, Error>((writing, attended.unwrap_or_else(|_| Err(panicked()))))
        };
        let recorded = record();
        if let Ok((_, Err(error))) = &recorded {
            // The writer must see the error before it closes the file, or the file would be called complete.
            status.fail(error);
        }
        control.ends.store(true, Ordering::Release);
        if recorded.is_err() {
            // Without a writer, waits for it must end here.
            status.end();
        }
        // Panics of these threads are errors in the counters.
        receivers.into_iter().for_each(|thread| drop(thread.join()));
        queue.end();
        let (writing, attended) = recorded?;
        drop(writing.join());
        let task = attended?;
        let error = status.counters().error.take();
        if let Some(task) = task {
            answer(task, &status, error.as_ref())?;
        }
        report(arguments, &status, true);
        error.map_or(Ok(()), Err)
    })
}

/// Starts one of the threads.
fn start<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    what: &'static str,
    status: &'scope Status,
    work: impl FnOnce() -> Result<()> + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, ()>> {
    start_scoped(scope, &format!("record-{what}"), move || status.attend(what, work))
}

/// Begins the file. `since` is when receiving began.
fn begin<'a>(
    arguments: &Arguments,
    attached: &[(String, Vec<u8>)],
    since: u64,
    on: Option<Trigger>,
    queue: &'a Queue,
    status: &'a Status,
) -> Result<Writer<'a>> {
    let compression = arguments.compression.into();
    let making = Making { replaces: false, mode: arguments.mode };
    let is_ros2 = arguments.encoding == Encode::Ros2;
    let settings = Settings { compression, making, is_ros2, ..Settings::default() };
    let notes = arguments.note.iter().cloned().collect();
    let (mut parts, continued) =
        Parts::begin(&arguments.output, facts(&arguments.names), notes, settings, arguments.split)?;
    let mut text = String::new();
    let (mut before, mut newest) = (None, NewestMessages::new(arguments.buffer));
    if let Some(last) = &continued {
        text = format!(
            "{} was not closed: its recorder was killed; this recording goes on in {}",
            last.display(),
            parts.path().display()
        );
        stderr::print_line(&text);
        let left = read_last(&arguments.output, last, arguments.buffer)?;
        (before, newest) = (Some(left.next), left.newest);
        parts.begin_without(left.dropped)?;
    }
    let numbers = Arc::new(Numbers::new(before, &arguments.names));
    let of_each_part = numbers.clone();
    parts.number(Box::new(move || of_each_part.record()))?;
    parts.repeat(newest, now())?;
    parts.event(&Event::new(since, Kind::Started).with_text(text))?;
    attached.iter().try_for_each(|(name, content)| parts.attach(name, now(), content))?;
    status.counters().file = parts.path().display().to_string();
    let longest = options(arguments)?.max_message_size;
    let how = How {
        sync: arguments.sync,
        when_full: arguments.when_full,
        encoding: arguments.encoding,
        limits: Limits::for_message(longest.max(Limits::default().message)),
        messages: arguments.messages,
    };
    let black_box = on.map(|on| BlackBox::new(on, arguments.before, arguments.after, arguments.buffer));
    Ok(Writer::new(parts, queue, status, how, black_box, numbers))
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "the main thread panicked: the recording ends here")
}

fn answer(task: Task, status: &Status, error: Option<&Error>) -> Result<()> {
    match error {
        Some(error) => task.failed(error),
        None => task.done(&status.counters().to_value(false)),
    }
}

/// Serves commands and prints progress until the end; returns the task of a shutdown.
fn attend(
    arguments: &Arguments,
    service: &ServiceLoop,
    status: &Status,
    queue: &Queue,
    control: &Control,
) -> Result<Option<Task>> {
    let began = Instant::now();
    let mut printed = Instant::now();
    loop {
        fault::ends("main");
        // Read before the wait, because a signal that ends a thread ends this wait as well.
        let returned = status.counters().returned;
        let left =
            arguments.duration.map_or(LOOK, |duration| duration.saturating_sub(began.elapsed()).min(LOOK));
        match service.next(left) {
            Ok(None) => return Ok(None),
            Ok(Some(task)) => match task.command().clone() {
                Command::Shutdown => return Ok(Some(task)),
                Command::GetData => {
                    let data = status.counters().to_value(control.paused.load(Ordering::Acquire));
                    task.done(&data)?;
                }
                Command::Pause => {
                    control.settle();
                    if !control.paused.swap(true, Ordering::AcqRel) {
                        queue.event(Event::new(now(), Kind::Paused));
                    }
                    task.done(&Value::Null)?;
                }
                Command::Run => {
                    control.settle();
                    if control.paused.swap(false, Ordering::AcqRel) {
                        queue.event(Event::new(now(), Kind::Resumed));
                    }
                    task.done(&Value::Null)?;
                }
                Command::Checkpoint => {
                    control.settle();
                    status.checkpoint_and_wait(queue);
                    let counters = status.counters();
                    let error = counters.error.clone();
                    let data = counters.to_value(false);
                    drop(counters);
                    match error {
                        Some(error) => task.failed(&error)?,
                        None => task.done(&data)?,
                    }
                }
                other => {
                    let text = format!("a recorder has no command {}", other.name());
                    task.failed(&Error::new(ErrorKind::Unsupported, text))?;
                }
            },
            Err(error) if error.kind() == ErrorKind::Timeout => {
                if let Some(thread) = returned {
                    let text = format!("the {thread} thread ended without a reason: the recording ends here");
                    return Err(Error::new(ErrorKind::Internal, text));
                }
            }
            Err(error) => return Err(error),
        }
        let is_over = arguments.duration.is_some_and(|duration| began.elapsed() >= duration);
        if is_over || status.counters().ended.is_some() {
            return Ok(None);
        }
        if printed.elapsed() >= PROGRESS {
            printed = Instant::now();
            report(arguments, status, false);
        }
    }
}

/// Prints the counters: as a progress line on a terminal, as a line of JSON, or as a line at the end.
fn report(arguments: &Arguments, status: &Status, is_end: bool) {
    let counters = status.counters().clone();
    // Output errors are ignored: the recording is more important.
    if arguments.json {
        if let Ok(line) =
            linkspan::Payload::new(&counters.to_value(false), Encoding::Json, &linkspan::Limits::default())
        {
            let _ = stdout::print_line(&String::from_utf8_lossy(line.body()));
        }
    } else if arguments.quiet && !(is_end && counters.lacks()) {
    } else if !is_end {
        if std::io::stderr().is_terminal() {
            stderr::show_progress(&counters.line());
        }
    } else {
        if std::io::stderr().is_terminal() {
            stderr::show_progress("");
        }
        stderr::print_line(&counters.line());
    }
}

fn read_attachments(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |path: &PathBuf| {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        files::read(path).map(|content| (name, content))
    };
    paths.iter().map(read).collect()
}

/// Options of subscribers that the recorder sets itself.
pub const OWN_OPTIONS: [&str; 2] = ["ack", "client_id"];

fn subscribers(arguments: &Arguments) -> Result<(Option<Subscriber>, Option<Subscriber>)> {
    let (stored, live): (Vec<&str>, Vec<&str>) =
        arguments.names.iter().map(String::as_str).partition(|name| is_stored(name));
    let given = options(arguments)?;
    let live = (!live.is_empty()).then(|| Subscriber::of(&live, &given)).transpose()?;
    let stored = (!stored.is_empty())
        .then(|| {
            let mut options = given.clone();
            options.client_id = Some(format!("record-{}", title(arguments)));
            options.ack = Acknowledge::Manual;
            Subscriber::of(&stored, &options)
        })
        .transpose()?;
    Ok((live, stored))
}

fn options(arguments: &Arguments) -> Result<Options> {
    let mut given = Options::default();
    for (name, text) in &arguments.options {
        if OWN_OPTIONS.contains(&name.as_str()) {
            let text =
                format!("--option {name}: a recorder has its own, so that it goes on where it stopped");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let value = codec::decode(text.as_bytes(), Encoding::Json).unwrap_or_else(|_| text.as_str().into());
        given.set(name, &value)?;
    }
    Ok(given)
}

/// Returns the file name without its extension, restricted to the characters of names.
fn title(arguments: &Arguments) -> String {
    let stem =
        arguments.output.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

fn start_service(arguments: &Arguments) -> Result<ServiceLoop> {
    let mut options = ServiceOptions::default();
    options.description = format!("records {}", arguments.names.join(" "));
    let name = arguments.service.clone().unwrap_or_else(|| format!("record-{}", title(arguments)));
    ServiceLoop::start(&name, &options)
}

pub fn facts(names: &[String]) -> BTreeMap<String, String> {
    let read = |path: &str| {
        files::read(path.as_ref())
            .map_or_else(|_| String::new(), |text| String::from_utf8_lossy(&text).trim().to_owned())
    };
    let zone = linkspan::environment::variable("TZ").and_then(|zone| zone.into_string().ok()).or_else(|| {
        let link = std::fs::read_link("/etc/localtime").ok()?;
        Some(link.to_string_lossy().rsplit_once("zoneinfo/")?.1.to_owned())
    });
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    BTreeMap::from([
        ("id".to_owned(), read("/proc/sys/kernel/random/uuid").replace('-', "")),
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("machine".to_owned(), read("/proc/sys/kernel/hostname")),
        ("boot".to_owned(), read("/proc/sys/kernel/random/boot_id")),
        ("timezone".to_owned(), zone.unwrap_or_else(|| "UTC".to_owned())),
        ("command".to_owned(), words.join(" ")),
        ("names".to_owned(), names.join("\n")),
        ("started".to_owned(), Timestamp::now().to_string()),
    ])
}

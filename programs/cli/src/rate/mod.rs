//! `linkspan rate`: the rate, size, interval and delay of the messages that are published at names.
//!
//! | subject | module |
//! |---|---|
//! | the command line | `args` |
//! | counters of each name | `model` |
//! | lines of text and JSON | `print` |

mod args;
mod model;
mod print;

use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Message, Subscriber, Timeout, Timestamp};

pub use args::RateArgs;

use self::model::{Names, Seen};
use self::print::Printer;
use crate::exit::Exit;
use crate::signals::Signals;
use crate::stop_watch::watched;
use crate::subscribed_names;

/// Prints the rates of names until a signal or the end of the given time.
pub fn rate(args: &RateArgs, signals: &Signals) -> Result<(), Exit> {
    let options = args.endpoint.to_options()?;
    let names: Vec<_> = [&args.endpoint.name].into_iter().chain(&args.more).map(String::as_str).collect();
    // A publisher may wait for a subscriber, and send its first message before this call returns.
    let counted = Names::new(Timestamp::now().0);
    let subscriber = match names[..] {
        [name] => Subscriber::new(name, &options),
        _ => Subscriber::of(&names, &options),
    };
    let subscriber = subscriber.map_err(Exit::from_opening)?;
    let are_several = names.len() > 1 || args.endpoint.name.contains(['*', '?']);
    watched(
        signals,
        || subscriber.close(),
        |_| Run::new(&subscriber, args, counted).run(are_several, signals),
    )
}

struct Run<'a> {
    subscriber: &'a Subscriber,
    args: &'a RateArgs,
    names: Names,
    printer: Printer,
    began: Instant,
    /// The time of the last printed lines.
    printed: Instant,
    /// The reason why the last wait ended without a message.
    silence: Option<Error>,
}

impl<'a> Run<'a> {
    fn new(subscriber: &'a Subscriber, args: &'a RateArgs, names: Names) -> Run<'a> {
        let began = Instant::now();
        Run {
            subscriber,
            args,
            names,
            printer: Printer::new(args.json),
            began,
            printed: began,
            silence: None,
        }
    }

    fn run(mut self, are_several: bool, signals: &Signals) -> Result<(), Exit> {
        let mut messages = subscribed_names::Names::of(self.subscriber, are_several)?;
        let end = self.args.stay.and_then(|stay| self.began.checked_add(stay));
        loop {
            let now = Instant::now();
            let next = self.printed.checked_add(self.args.every);
            let Some(until) = next.into_iter().chain(end).min().filter(|until| *until > now) else {
                if end.is_some_and(|end| end <= now) {
                    break;
                }
                self.print(now)?;
                continue;
            };
            match messages.next(Timeout::After(until.saturating_duration_since(now))) {
                Ok(Some(message)) => self.take(&message),
                // A signal closed the subscriber.
                Ok(None) => break,
                Err(error) if is_silence(&error) => self.silence = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        messages.report_refused();
        self.end(signals, messages.is_lacking)
    }

    fn take(&mut self, message: &Message) {
        let name = message.name().unwrap_or(self.subscriber.endpoint());
        let incarnation = message.incarnation();
        if !self.names.is_last(name, incarnation) {
            // The end of the previous publisher comes first, because this message counts the loss with it.
            self.take_ends();
        }
        let seen = Seen {
            bytes: message.memory().len() as u64,
            missed: message.missed(),
            number: message.sequence(),
            incarnation,
            sent: message.sent().0,
            received: Timestamp::now().0,
        };
        self.names.take(name, seen);
    }

    /// Counts losses with publishers that ended. The next message of such a name also counts them.
    fn take_ends(&mut self) {
        for end in self.subscriber.ends() {
            self.names.end(&end.name, end.last.map(|_| end.lost()));
        }
    }

    fn print(&mut self, now: Instant) -> Result<(), Exit> {
        self.take_ends();
        let passed = now.saturating_duration_since(self.printed).max(Duration::from_nanos(1));
        self.printed = now;
        self.printer.lines(&self.names.lines(), passed, now.saturating_duration_since(self.began))
    }

    /// Prints the rest and the totals.
    fn end(mut self, signals: &Signals, is_lacking: bool) -> Result<(), Exit> {
        let now = Instant::now();
        self.print(now)?;
        self.printer.totals(&self.names.lines(), now.saturating_duration_since(self.began))?;
        signals.check_stdout()?;
        match self.silence {
            Some(error) if self.names.is_empty() => Err(error.into()),
            _ if is_lacking => Err(Exit::Code(1)),
            _ => Ok(()),
        }
    }
}

/// Returns whether the error only means that no message came in time.
fn is_silence(error: &Error) -> bool {
    use ErrorKind::{Disconnected, Empty, NotFound, Stalled, Timeout};
    matches!(error.kind(), Timeout | Empty | NotFound | Disconnected | Stalled)
}

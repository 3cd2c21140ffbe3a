//! `linkspan ping`: the round trip to the program that has a name.

use std::time::{Duration, Instant};

use clap::Args;
use linkspan::service::Controller;
use linkspan::{
    Channel, Error, ErrorKind, Options, Result, Timestamp, Value, Wait, doctor, one_line, registry,
};

use crate::args::EndpointArgs;
use crate::exit::{self, Exit};
use crate::quantity::{duration, interval};
use crate::signals::Signals;
use crate::spread::{Spread, time};
use crate::{input, output, stderr};

/// `linkspan ping`
#[derive(Args, Debug)]
pub struct PingArgs {
    /// The endpoint.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Send this value as a call, as JSON, instead of a query that the library answers
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub call: Option<String>,
    /// End after this many questions; 0 ends at Ctrl-C
    #[arg(long, short = 'n', value_name = "N", default_value = "0")]
    pub count: u64,
    /// The interval between two questions
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub every: Duration,
    /// Wait at most this long for each answer
    #[arg(long, short, value_name = "SECONDS", default_value = "1", allow_hyphen_values = true, value_parser = duration)]
    pub timeout: Duration,
    /// Print each answer and the summary as JSON, with times in seconds
    #[arg(long, short)]
    pub json: bool,
}

/// The answering side.
enum Answerer {
    /// The library in the program that listens, also while that program works.
    Library,
    /// The program's server.
    Server(Option<Channel>, Value),
    /// The loop of the controller.
    Controller(Option<Box<Controller>>),
}

pub fn ping(args: &PingArgs, signals: &Signals) -> std::result::Result<(), Exit> {
    let options = args.endpoint.to_options()?;
    let mut answerer = match &args.call {
        Some(text) => Answerer::Server(None, input::value(text, signals)?),
        None => Answerer::Library,
    };
    let (mut sent, mut times, mut last) = (0u64, Spread::default(), None);
    let stopped = loop {
        let began = Instant::now();
        sent = sent.saturating_add(1);
        match answerer.ask(args, &options, signals) {
            Ok((passed, program)) => {
                times.add(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX));
                print_answer(args, sent, passed, &program)?;
            }
            Err(error) if signals.check_stdout().is_err() => break Err(error),
            // No later question could succeed.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidEndpoint | ErrorKind::Unsupported) => {
                return Err(Exit::Usage(error));
            }
            Err(error) => {
                print_failure(args, sent, &error)?;
                last = Some(error);
            }
        }
        if sent == args.count {
            break Ok(());
        }
        if let Err(error) = input::stay(signals, Some(began + args.every)) {
            break Err(error);
        }
        // The reader of standard output may be gone.
        if let Err(error) = signals.check_stdout() {
            break Err(error);
        }
    };
    summary(args, sent, &times)?;
    signals.check_stdout()?;
    stopped?;
    match last {
        Some(error) if times.count() == 0 => {
            if let Some(found) = doctor::examine_name(&args.endpoint.name).first() {
                stderr::print_note(&format!("doctor: {}", one_line(&found.what)));
            }
            Err(Exit::Code(exit::code(error.kind())))
        }
        Some(_) => Err(Exit::Code(1)),
        None => Ok(()),
    }
}

impl Answerer {
    /// Asks once, and returns the time of the answer, without connecting, and the answering program.
    fn ask(&mut self, args: &PingArgs, options: &Options, signals: &Signals) -> Result<(Duration, String)> {
        let name = &args.endpoint.name;
        let mut check = || signals.check();
        let until = Instant::now() + args.timeout;
        let left = || until.saturating_duration_since(Instant::now());
        match self {
            Answerer::Library => {
                let began = Instant::now();
                let listed = registry::answer(name, Wait::new(args.timeout).tick(&mut check))?;
                let passed = began.elapsed();
                if listed.pattern == Some("controller") {
                    *self = Answerer::Controller(None);
                }
                let program = listed.program.unwrap_or_default();
                Ok((passed, format!("{program}, process {}", listed.pid.unwrap_or(0))))
            }
            Answerer::Server(connected, value) => {
                let channel = match connected.take() {
                    Some(channel) => channel,
                    None => Channel::connect(name, options, Wait::new(left()).tick(&mut check))?,
                };
                let began = Instant::now();
                let answer = channel.call(value, Wait::new(left()).tick(&mut check))?;
                let passed = began.elapsed();
                *connected = Some(channel);
                Ok((passed, answer.source().to_owned()))
            }
            Answerer::Controller(connected) => {
                let controller = match connected.take() {
                    Some(controller) => controller,
                    None => Box::new(Controller::connect(name, options, Wait::new(left()).tick(&mut check))?),
                };
                let began = Instant::now();
                controller.stats(Wait::new(left()).tick(&mut check))?;
                let passed = began.elapsed();
                *connected = Some(controller);
                Ok((passed, "the loop of the controller".to_owned()))
            }
        }
    }
}

fn print_answer(
    args: &PingArgs,
    number: u64,
    passed: Duration,
    program: &str,
) -> std::result::Result<(), Exit> {
    if args.json {
        return output::json(&Value::map([
            ("at", Value::from(Timestamp::now())),
            ("number", number.into()),
            ("program", program.into()),
            ("seconds", passed.as_secs_f64().into()),
        ]));
    }
    let name = one_line(&args.endpoint.name);
    let text = format!("{name} #{number}: {} ({})\n", time(passed.as_secs_f64()), one_line(program));
    output::write(text.as_bytes())
}

fn print_failure(args: &PingArgs, number: u64, error: &Error) -> std::result::Result<(), Exit> {
    let text = format!("{} ({}): {}", error.kind(), error.kind().code(), error.text());
    if args.json {
        return output::json(&Value::map([
            ("at", Value::from(Timestamp::now())),
            ("number", number.into()),
            ("program", Value::Null),
            ("seconds", Value::Null),
            ("error", text.into()),
        ]));
    }
    output::write(format!("{} #{number}: {}\n", one_line(&args.endpoint.name), one_line(&text)).as_bytes())
}

fn summary(args: &PingArgs, sent: u64, times: &Spread) -> std::result::Result<(), Exit> {
    let parts = [("min", 0.0), ("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
    let found = parts.map(|(title, part)| (title, times.at(part, 1e9)));
    if args.json {
        let numbers = found.map(|(title, number)| (title, Value::from(number)));
        let head = [("sent", Value::from(sent)), ("answered", times.count().into())];
        return output::json(&Value::map(head.into_iter().chain(numbers)));
    }
    let lost = sent.saturating_sub(times.count());
    let mut text =
        format!("{}: {sent} sent, {} answered, {lost} lost", one_line(&args.endpoint.name), times.count());
    for (title, number) in found {
        text.extend(number.map(|number| format!(", {title} {}", time(number))));
    }
    output::write(format!("{text}\n").as_bytes())
}

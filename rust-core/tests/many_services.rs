//! Two hundred services on one controller, each with a command a second: none is lost, none is carried out twice. The
//! controller is a process of its own, and its memory and processor time are printed.
//!
//! `LINKSPAN_ROUNDS=60` makes it a minute; it is five seconds otherwise.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use linkspan::service::{Hub, HubOptions};
use linkspan::{Command, Controller, Options, ServiceLoop, ServiceOptions, Timeout, Value};

const SERVICES: usize = 200;
const CLIENTS: usize = 8;
const ROLE: &str = "LINKSPAN_TEST_MANY_ENDPOINT";
/// Only guards against a hang.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn two_hundred_services_have_a_command_a_second_each() {
    match std::env::var(ROLE) {
        Ok(endpoint) => controller(&endpoint),
        Err(_) => load(),
    }
}

/// Ends with its standard input: whoever started it has gone then.
fn controller(endpoint: &str) {
    let mut options = HubOptions::default();
    options.handle_signals = false;
    let mut hub = Hub::listen(&[endpoint.to_owned()], &options).unwrap();
    let stop = hub.stopper();
    std::thread::spawn(move || {
        std::io::stdin().lock().read_to_end(&mut Vec::new()).unwrap();
        stop.stop();
    });
    eprintln!("listens");
    hub.run(Timeout::Forever).unwrap();
}

fn start(endpoint: &str) -> Child {
    let mut child = Program::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_hundred_services_have_a_command_a_second_each", "--nocapture"])
        .env(ROLE, endpoint)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listens") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the controller ended before it listened");
    }
    child
}

/// Carries out numbered commands, each of which has to be the next one; gives how many came.
fn serve(endpoint: &str, name: &str) -> u64 {
    let mut options = ServiceOptions::default();
    options.controller = endpoint.to_owned();
    options.handle_signals = false;
    options.commands = vec!["count".into()];
    let service = ServiceLoop::start(name, &options).unwrap();
    let mut count = 0;
    while let Some(task) = service.next(Timeout::Forever).unwrap() {
        if let Command::Own(_) = task.command() {
            count += 1;
            assert_eq!(task.arguments().as_u64().unwrap(), count, "{name}: lost, twice, or out of order");
        }
        task.done(&count.into()).unwrap();
    }
    count
}

fn load() {
    let rounds: u64 = std::env::var("LINKSPAN_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}/c", directory.path().display());
    let mut controller = start(&endpoint);
    let names: Vec<String> = (0..SERVICES).map(|i| format!("lab/s{i:03}")).collect();
    std::thread::scope(|scope| {
        let endpoint = &endpoint;
        let services: Vec<_> = names.iter().map(|name| scope.spawn(move || serve(endpoint, name))).collect();
        let client = || Controller::connect(endpoint, &Options::default(), PATIENCE).unwrap();
        let figures = client();
        let connected = || figures.stats(PATIENCE).unwrap().at("views/CONNECTED").unwrap().as_u64().unwrap();
        while connected() < SERVICES as u64 {
            std::thread::yield_now();
        }
        let count = Command::Own("count".into());
        let (begun, asked) = (Instant::now(), figures.stats(PATIENCE).unwrap());
        let clients: Vec<_> = names
            .chunks(SERVICES / CLIENTS)
            .map(|names| {
                let (client, count) = (client(), count.clone());
                scope.spawn(move || {
                    let mut slowest = Duration::ZERO;
                    for round in 1..=rounds {
                        for name in names {
                            let asked = Instant::now();
                            let done = client.command(name, &count, &round.into(), PATIENCE).unwrap();
                            slowest = slowest.max(asked.elapsed());
                            assert_eq!(done, Value::from(round));
                        }
                        // The load is a command a second.
                        let next = Duration::from_secs(round);
                        std::thread::sleep(next.saturating_sub(begun.elapsed()));
                    }
                    slowest
                })
            })
            .collect();
        let slowest = clients.into_iter().map(|client| client.join().unwrap()).max().unwrap();
        let took = begun.elapsed();
        let stats = figures.stats(PATIENCE).unwrap();
        let number = |stats: &Value, path: &str| stats.at(path).unwrap().as_u64().unwrap();
        let seconds = |stats: &Value| stats.at("processor").unwrap().as_f64().unwrap();
        println!(
            "{SERVICES} services, {} commands in {took:.1?}: the controller has {:.1} MiB, {:.1} MiB of them before, and used {:.2} s of a processor; the slowest command took {slowest:.1?}",
            number(&stats, "commands/done"),
            number(&stats, "memory") as f64 / f64::from(1 << 20),
            number(&asked, "memory") as f64 / f64::from(1 << 20),
            seconds(&stats) - seconds(&asked),
        );
        assert_eq!(number(&stats, "commands/done"), rounds * SERVICES as u64);
        assert_eq!(number(&stats, "commands/failed"), 0);
        for name in &names {
            figures.command(name, &Command::Shutdown, &Value::Null, PATIENCE).unwrap();
        }
        for service in services {
            assert_eq!(service.join().unwrap(), rounds);
        }
    });
    drop(controller.stdin.take());
    assert!(controller.wait().unwrap().success());
}

//! Tests of services and clients as programs use them: over Unix sockets and TCP, started in any order, with restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use linkspan::service::CommandRequest;
use linkspan::{Command, ErrorKind, Outcome, ServiceLoop, ServiceOptions, Timeout, Value};
use linkspan_controller::{ControllerServer, ControllerServerOptions};

use crate::running::{ServerThread, client, until};
use crate::support::{SOON, name};

/// Runs a service in a thread, which counts its `count` commands in `counted` and ends at SHUTDOWN.
fn serve(endpoint: &str, name: &str, counted: &Arc<AtomicU64>) -> JoinHandle<()> {
    let mut options = ServiceOptions::default();
    options.controller = endpoint.to_owned();
    options.handle_signals = false;
    options.commands = vec!["count".into(), "hang".into()];
    let service = ServiceLoop::start(name, &options).unwrap();
    let counted = counted.clone();
    std::thread::spawn(move || {
        while let Some(task) = service.next(Timeout::Forever).unwrap() {
            match task.command() {
                Command::Own(name) if **name == *"count" => {
                    let count = counted.fetch_add(1, Ordering::Relaxed) + 1;
                    task.done(&count.into()).unwrap();
                }
                Command::Own(_) => {
                    while !task.is_cancelled() {
                        std::thread::yield_now();
                    }
                    task.failed(&linkspan::Error::new(ErrorKind::Cancelled, "given up")).unwrap();
                }
                Command::GetData => task.done(&counted.load(Ordering::Relaxed).into()).unwrap(),
                _ => task.done(&Value::Null).unwrap(),
            }
        }
    })
}

/// Returns whether the service is connected and has started. A starting service refuses its own commands.
fn is_connected(record: &Value) -> bool {
    let text = |key| record.at(key).unwrap().as_text().unwrap();
    text("view") == "CONNECTED" && text("state") != "STARTING"
}

fn count() -> Command {
    Command::Own("count".into())
}

fn every_command_works_over(transport: &str) {
    let endpoint = name(transport);
    // The service starts before the controller.
    let counted = Arc::new(AtomicU64::new(0));
    let service = serve(&endpoint, "lab/power", &counted);
    let server = ServerThread::at(std::slice::from_ref(&endpoint));
    assert_eq!(server.endpoints, [endpoint.as_str()]);
    let client = client(&endpoint);
    until(&client, "lab/power", is_connected);
    let command = |command: &Command| client.command("lab/power", command, &Value::Null, SOON);
    let state =
        || client.status("lab/power", SOON).unwrap().at("state").unwrap().as_text().unwrap().to_owned();
    assert_eq!(command(&count()).unwrap(), Value::Int(1));
    assert_eq!(command(&Command::GetData).unwrap(), Value::Int(1));
    assert_eq!(command(&Command::Run).unwrap_err().kind(), ErrorKind::InvalidState);
    command(&Command::Pause).unwrap();
    until(&client, "lab/power", |record| record.at("state").unwrap().as_text().unwrap() == "PAUSED");
    let record = client.status("lab/power", SOON).unwrap();
    let allowed = record.at("allowed").unwrap().as_array().unwrap();
    assert!(allowed.contains(&"RUN".into()) && !allowed.contains(&"PAUSE".into()), "{allowed:?}");
    command(&Command::Run).unwrap();
    command(&Command::Checkpoint).unwrap();
    assert_eq!(command(&Command::Describe).unwrap().at("name").unwrap().as_text().unwrap(), "lab/power");
    // The service reports a command that takes too long at its deadline.
    let order = |id: &str, name: &str, milliseconds: u64| {
        let (command, within) = (Command::Own(name.into()), Duration::from_millis(milliseconds));
        let order = CommandRequest { id: id.into(), command, arguments: Value::Null, within, epoch: None };
        client.request("lab/power", &order, SOON).unwrap().into_result().unwrap_err()
    };
    let error = order("a", "hang", 1_500);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("still under way"), "{error}");
    assert_eq!(
        order("b", "count", 300).kind(),
        ErrorKind::Timeout,
        "the command waits behind the one that hangs"
    );
    command(&Command::Cancel).unwrap();
    assert_eq!(command(&count()).unwrap(), Value::Int(2));
    command(&Command::Shutdown).unwrap();
    service.join().unwrap();
    until(&client, "lab/power", |record| record.at("view").unwrap().as_text().unwrap() == "GONE");
    assert_eq!(state(), "STOPPED");
    client.forget("lab/power", SOON).unwrap();
}

#[test]
fn every_command_works_over_unix_sockets() {
    every_command_works_over("unix");
}

#[test]
fn every_command_works_over_tcp() {
    every_command_works_over("tcp");
}

#[test]
fn controller_serves_several_endpoints() {
    name("unix");
    let endpoints = [name("unix"), name("shm"), "tcp://127.0.0.1:0".to_owned()];
    let server = ServerThread::at(&endpoints);
    assert_eq!(server.endpoints[..2], endpoints[..2]);
    assert!(!server.endpoints[2].ends_with(":0"), "{:?}", server.endpoints);
    let counted = Arc::new(AtomicU64::new(0));
    let services: Vec<_> =
        server.endpoints.iter().enumerate().map(|(i, at)| serve(at, &format!("s{i}"), &counted)).collect();
    for (i, asked_at) in [1, 2, 0].into_iter().enumerate() {
        let client = client(&server.endpoints[asked_at]);
        until(&client, &format!("s{i}"), is_connected);
        client.command(&format!("s{i}"), &count(), &Value::Null, SOON).unwrap();
        client.command(&format!("s{i}"), &Command::Shutdown, &Value::Null, SOON).unwrap();
    }
    services.into_iter().for_each(|service| service.join().unwrap());
    assert_eq!(counted.load(Ordering::Relaxed), 3);
}

#[test]
fn controller_restart_keeps_open_commands() {
    let endpoint = name("unix");
    let mut server = ServerThread::at(std::slice::from_ref(&endpoint));
    let counted = Arc::new(AtomicU64::new(0));
    let service = serve(&endpoint, "power", &counted);
    let asker = client(&endpoint);
    until(&asker, "power", is_connected);
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    // Sends one request after the other while the controller restarts.
    let asking = std::thread::spawn(move || {
        let mut asked = 0u64;
        while !ended.load(Ordering::Relaxed) {
            let counted = asker.command("power", &count(), &Value::Null, SOON).unwrap();
            asked += 1;
            assert_eq!(counted.as_u64().unwrap(), asked, "each command is carried out once");
        }
        asked
    });
    let watcher = client(&endpoint);
    for _ in 0..3 {
        let seen = counted.load(Ordering::Relaxed);
        while counted.load(Ordering::Relaxed) < seen + 20 {
            assert!(!asking.is_finished(), "a command failed");
            watcher.stats(SOON).unwrap();
        }
        server.end();
        server = ServerThread::at(std::slice::from_ref(&endpoint));
        until(&watcher, "power", is_connected);
    }
    over.store(true, Ordering::Relaxed);
    let asked = asking.join().unwrap();
    assert!(asked >= 60);
    assert_eq!(counted.load(Ordering::Relaxed), asked);
    watcher.command("power", &Command::Shutdown, &Value::Null, SOON).unwrap();
    service.join().unwrap();
}

#[test]
fn repeated_id_is_the_same_command_for_every_client() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let counted = Arc::new(AtomicU64::new(0));
    let service = serve(&endpoint, "power", &counted);
    let first = client(&endpoint);
    until(&first, "power", is_connected);
    let epoch = first.status("power", SOON).unwrap().at("epoch").unwrap().as_u64().unwrap();
    let order = CommandRequest {
        id: "backup-2026-11-20".into(),
        command: count(),
        arguments: Value::Null,
        within: SOON,
        epoch: Some(epoch),
    };
    let clients: Vec<_> = (0..8).map(|_| (client(&endpoint), order.clone())).collect();
    let asked: Vec<_> = clients
        .into_iter()
        .map(|(client, order)| std::thread::spawn(move || client.request("power", &order, SOON).unwrap()))
        .collect();
    for answer in asked {
        let answer = answer.join().unwrap();
        assert_eq!((answer.outcome, &answer.value), (Outcome::Done, &Value::Int(1)), "{answer:?}");
    }
    let other = CommandRequest { command: Command::Pause, ..order.clone() };
    assert_eq!(first.request("power", &other, SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    let elsewhere = CommandRequest { id: "x".into(), epoch: Some(epoch + 1), ..order };
    let answer = first.request("power", &elsewhere, SOON).unwrap();
    assert_eq!(answer.outcome, Outcome::Rejected);
    first.command("power", &Command::Shutdown, &Value::Null, SOON).unwrap();
    service.join().unwrap();
}

#[test]
fn port_in_use_is_reported_with_its_process() {
    name("tcp");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", taken.local_addr().unwrap());
    let error = match ControllerServer::listen(
        std::slice::from_ref(&endpoint),
        &ControllerServerOptions::default(),
    ) {
        Ok(_) => panic!("two listen at {endpoint}"),
        Err(e) => e,
    };
    assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(endpoint.as_str())));
    assert!(error.text().contains(&format!("process {}", std::process::id())), "{error}");
}

#[test]
fn listing_contains_the_controller() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let listed = linkspan::registry::list().unwrap();
    let listed = listed.iter().find(|listed| listed.endpoint == endpoint).unwrap();
    assert_eq!(listed.pattern, Some("controller"));
    let error = linkspan::connect(&endpoint).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.text().contains("linkspan service"), "{error}");
}

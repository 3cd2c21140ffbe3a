//! Tests of connections that break: the controller restarts, or the network is cut.

use super::*;

#[test]
fn server_restart_resumes_services_commands_and_watchers() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let mut server = TestServer::at(directory.clone(), Duration::from_secs(5));
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let other_client = server.client();
    let waiting =
        std::thread::spawn(move || other_client.command("power", &Command::Pause, &Value::Null, PATIENCE));
    let first = power.next_command();
    client.watch(&WatchOptions::default()).unwrap();
    client.next(PATIENCE).unwrap();
    server.end();
    let server = TestServer::at(directory, Duration::from_secs(5));
    // The service's channel reconnects automatically.
    assert!(matches!(power.receive(), ToService::Welcome { .. }));
    power.introduce();
    let again = power.next_command();
    assert_eq!((&again.id, &again.command), (&first.id, &Command::Pause));
    power.done(&again, "paused".into());
    assert_eq!(waiting.join().unwrap().unwrap(), Value::from("paused"));
    // The watcher receives the record from the new server.
    let push = loop {
        let push = client.next(PATIENCE).unwrap();
        if push.at("service/answered/done").and_then(Value::as_u64).ok() == Some(1) {
            break push;
        }
    };
    assert_eq!(push.at("service/name").unwrap().as_text().unwrap(), "power");
    drop(server);
}

/// Returns a server whose service `power` has disconnected and may return, and a client of this server.
fn after_power_has_disconnected() -> (TestServer, Controller) {
    let server = TestServer::start();
    let client = server.client();
    drop(FakeService::connect(&server.endpoint, "power", 1));
    until(&client, "power", is("view", "DISCONNECTED"));
    (server, client)
}

#[test]
fn command_that_waited_for_its_service_waits_until_it_has_started() {
    let (server, client) = after_power_has_disconnected();
    let begun = |command: Command, time: Duration| {
        let client = server.client();
        std::thread::spawn(move || client.command("power", &command, &Value::Null, time))
    };
    let (waits, own) = (begun(Command::GetData, PATIENCE), begun(Command::Own("calibrate".into()), PATIENCE));
    let until_open = |count: u64| {
        while client.stats(PATIENCE).unwrap().at("open").unwrap().as_u64().unwrap() < count {
            std::thread::yield_now();
        }
    };
    until_open(2);
    let power =
        FakeService::connect_with(&server.endpoint, "power", 2, |it| it.report = report(State::Starting));
    until(&client, "power", is("view", "CONNECTED"));
    // A new command is sent to the service and refused; the other commands wait.
    let direct = begun(Command::Checkpoint, PATIENCE);
    let command = power.next_command();
    assert_eq!(command.command, Command::Checkpoint);
    let error = Error::new(ErrorKind::InvalidState, "it is STARTING");
    power.answer(&command.id, Outcome::Rejected, State::Starting, Value::Null, Some(error));
    assert_eq!(kind(direct.join().unwrap()), ErrorKind::InvalidState);
    // The connection breaks, and they wait on.
    drop(power);
    until(&client, "power", is("view", "DISCONNECTED"));
    let late = begun(Command::Pause, Duration::from_secs(2));
    until_open(3);
    let power =
        FakeService::connect_with(&server.endpoint, "power", 3, |it| it.report = report(State::Starting));
    let error = late.join().unwrap().unwrap_err();
    let text = "power has connected again and is STARTING: it did not start within the time-out of PAUSE";
    assert!(error.kind() == ErrorKind::Timeout && error.text().contains(text), "{error}");
    power.send(&ToController::Report(report(State::Running)));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let command = power.next_command();
        power.done(&command, command.command.name().into());
        seen.push(command.command);
    }
    seen.sort_by_key(|command| command.name().to_owned());
    assert_eq!(seen, [Command::GetData, Command::Own("calibrate".into())]);
    assert_eq!(waits.join().unwrap().unwrap(), Value::from("GET_DATA"));
    assert_eq!(own.join().unwrap().unwrap(), Value::from("calibrate"));
}

#[test]
fn shutdown_that_waited_for_its_service_is_sent_while_it_starts() {
    let (server, client) = after_power_has_disconnected();
    let ends =
        std::thread::spawn(move || client.command("power", &Command::Shutdown, &Value::Null, PATIENCE));
    let power =
        FakeService::connect_with(&server.endpoint, "power", 2, |it| it.report = report(State::Starting));
    let command = power.next_command();
    assert_eq!(command.command, Command::Shutdown);
    power.done(&command, Value::Null);
    ends.join().unwrap().unwrap();
}

/// A proxy that forwards connections until they are cut, and accepts new ones afterwards.
struct CuttableProxy {
    path: std::path::PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl CuttableProxy {
    fn start(directory: &TempDir) -> CuttableProxy {
        let (path, server) = (directory.path().join("between"), directory.path().join("c"));
        let listener = UnixListener::bind(&path).unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let open = streams.clone();
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let Ok(far) = UnixStream::connect(&server) else { return };
                open.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)]
                {
                    std::thread::spawn(move || {
                        // Ends when the connection is cut.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        CuttableProxy { path, streams }
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn client_reconnect_after_cut_receives_its_reply() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let server = TestServer::at(directory.clone(), Duration::from_secs(5));
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let proxy = CuttableProxy::start(&directory);
    let endpoint = format!("unix:{}", proxy.path.display());
    let other_client = Controller::connect(&endpoint, &Options::default(), PATIENCE).unwrap();
    for i in 0..20 {
        let waiting = std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| other_client.command("power", &Command::GetData, &Value::Null, PATIENCE));
            let command = power.next_command();
            proxy.cut();
            // Before or after the client has reconnected.
            if i % 2 == 0 {
                power.done(&command, i.into());
            }
            client.stats(PATIENCE).unwrap();
            if i % 2 == 1 {
                power.done(&command, i.into());
            }
            waiting.join().unwrap()
        });
        assert_eq!(waiting.unwrap(), Value::Int(i));
    }
}

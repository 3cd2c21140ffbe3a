//! Tests of the data of services: one sample for all watchers, failed samples, and silent services.

use super::*;

#[test]
fn data_are_sampled_once_for_all_watchers_and_sent_on_change() {
    let server = TestServer::start();
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let quiet = FakeService::connect(&server.endpoint, "quiet", 1);
    let watchers = [server.client(), server.client()];
    until(&watchers[0], "power", is("view", "CONNECTED"));
    let what = WatchOptions { data_every: Some(Duration::from_millis(20)), services: vec!["power".into()] };
    for watcher in &watchers {
        watcher.watch(&what).unwrap();
        // The first event shows that the server has received the watch request.
        watcher.next(PATIENCE).unwrap();
    }
    let stop = server.stop.clone();
    let service = std::thread::spawn(move || {
        for value in [1, 1, 1, 2, 2, 3] {
            let command = power.next_command();
            assert_eq!(command.command, Command::GetData);
            // No other sample is requested while this one is open.
            assert_eq!(
                power.next_command_within(Duration::from_millis(60)).unwrap_err().kind(),
                ErrorKind::Timeout
            );
            power.done(&command, value.into());
        }
        power
    });
    for watcher in &watchers {
        let mut values = Vec::new();
        while values.last() != Some(&3) {
            let push = watcher.next(PATIENCE).unwrap();
            if push.at("what").unwrap().as_text().ok() == Some("data") {
                assert_eq!(push.at("name").unwrap().as_text().unwrap(), "power");
                values.push(push.at("value").unwrap().as_i64().unwrap());
            }
        }
        assert!(values.ends_with(&[1, 2, 3]) && values.len() <= 4, "{values:?}");
    }
    let power = service.join().unwrap();
    drop(watchers);
    // The service without watchers was not sampled.
    assert_eq!(quiet.link.channel().try_recv().unwrap_err().kind(), ErrorKind::Empty);
    stop.stop();
    drop(power);
}

#[test]
fn failed_sample_is_reported_until_one_succeeds() {
    let server = TestServer::start();
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let watcher = server.client();
    until(&watcher, "power", is("view", "CONNECTED"));
    let what = WatchOptions { data_every: Some(Duration::from_millis(20)), services: vec!["power".into()] };
    watcher.watch(&what).unwrap();
    let problem = || loop {
        let push = watcher.next(PATIENCE).unwrap();
        if let Ok(problem) = push.at("service/problem") {
            return problem.as_text().unwrap().to_owned();
        }
    };
    assert_eq!(problem(), "");
    let command = power.next_command();
    let error = Error::new(ErrorKind::TransportUnavailable, "the meter is not plugged in");
    power.answer(&command.id, Outcome::Failed, State::Running, Value::Null, Some(error));
    while problem() != "its data cannot be read: the meter is not plugged in" {}
    let command = power.next_command();
    power.done(&command, 7.into());
    while !problem().is_empty() {}
}

#[test]
fn silent_service_is_stale_until_next_message() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let server = TestServer::at(directory, Duration::from_millis(30));
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    // The log shows both changes, however short the view lasts.
    let logged = |text: &str| {
        let begun = std::time::Instant::now();
        loop {
            let log = client.log(Some("power"), 100, PATIENCE).unwrap();
            let texts = log.as_array().unwrap().iter().map(|e| e.at("text").unwrap().as_text().unwrap());
            let count = texts.filter(|found| found.starts_with(text)).count();
            if count > 0 {
                return count;
            }
            assert!(begun.elapsed() < PATIENCE, "{text} is not in {log:?}");
        }
    };
    assert_eq!(logged("has sent nothing"), 1);
    power.send(&ToController::Report(report(State::Running)));
    assert_eq!(logged("sends messages again"), 1);
    until(&client, "power", is("view", "STALE"));
    // Another incarnation may replace a STALE one.
    let other = FakeService::connect(&server.endpoint, "power", 2);
    let record = until(&client, "power", |record| record.at("epoch").unwrap().as_u64().ok() == Some(2));
    assert_eq!(record.at("name").unwrap().as_text().unwrap(), "power");
    drop(other);
}

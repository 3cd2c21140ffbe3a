//! Tests of names of services: a name in use, many names at once, and names without a controller.

use super::*;

#[test]
fn service_with_name_in_use_is_refused() {
    let server = TestServer::start();
    let first = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let second = FakeService::connect(&server.endpoint, "power", 2);
    let ToService::Refused(failure) = second.receive() else { panic!("the second service was accepted") };
    assert_eq!(failure.code, i64::from(ErrorKind::AddressInUse.code()));
    let record =
        until(&client, "power", |record| !record.at("problem").unwrap().as_text().unwrap().is_empty());
    assert_eq!(record.at("epoch").unwrap().as_u64().unwrap(), 1);
    assert!(record.at("problem").unwrap().as_text().unwrap().contains("another program with the name power"));
    // This incarnation replaces its old link.
    let again = FakeService::connect(&server.endpoint, "power", 1);
    let other_client = server.client();
    let waiting =
        std::thread::spawn(move || other_client.command("power", &Command::GetData, &Value::Null, PATIENCE));
    let command = again.next_command();
    again.done(&command, 1.into());
    waiting.join().unwrap().unwrap();
    drop((first, again, second));
    until(&client, "power", is("view", "DISCONNECTED"));
    let _third = FakeService::connect(&server.endpoint, "power", 3);
    let record = until(&client, "power", is("view", "CONNECTED"));
    assert_eq!(record.at("epoch").unwrap().as_u64().unwrap(), 3);
}

#[test]
fn two_hundred_simultaneous_services_are_all_registered() {
    let server = TestServer::start();
    let client = server.client();
    let services: Vec<_> = (0..200)
        .map(|i| {
            let endpoint = server.endpoint.clone();
            std::thread::spawn(move || FakeService::connect(&endpoint, &format!("s{i:03}"), 1))
        })
        .collect();
    let services: Vec<FakeService> = services.into_iter().map(|thread| thread.join().unwrap()).collect();
    until(&client, "s199", is("view", "CONNECTED"));
    for service in &services {
        until(&client, &service.name, is("view", "CONNECTED"));
    }
    assert_eq!(client.services(PATIENCE).unwrap().as_array().unwrap().len(), 200);
    assert_eq!(client.stats(PATIENCE).unwrap().at("views/CONNECTED").unwrap().as_u64().unwrap(), 200);
}

#[test]
fn connect_without_controller_names_the_program_to_start() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}/c", directory.path().display());
    let error = match Controller::connect(&endpoint, &Options::default(), Duration::from_millis(50)) {
        Ok(_) => panic!("a controller listens"),
        Err(e) => e,
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.text().contains("start `linkspan controller`"), "{error}");
}

//! Tests that an idle controller, its services and its clients are not woken.

use linkspan::{Controller, ServiceLoop, ServiceOptions, WatchOptions};
use linkspan_controller::{ControllerServer, ControllerServerOptions};

use crate::support::resting::{HANG, rest, role, threads, watch};

#[test]
fn idle_controller_and_service_are_never_woken() {
    match role().as_deref() {
        Some("holder") => holder(),
        Some(_) => guest(),
        None => watch(
            "idle::idle_controller_and_service_are_never_woken",
            ["holder", "guest"],
            &[("controller", 1), ("service", 1), ("watcher", 1)],
        ),
    }
}

fn holder() {
    // The first heartbeat is due long after the end of this test.
    let mut controller = ControllerServerOptions::default();
    (controller.heartbeat, controller.handle_signals) = (HANG * 60, false);
    let mut server = ControllerServer::listen(&["unix:controller".to_owned()], &controller).unwrap();
    threads("controller", move || drop(server.run(None)));
    rest();
}

fn guest() {
    let mut resting = ServiceOptions::default();
    (resting.paused, resting.handle_signals) = (true, false);
    let service = ServiceLoop::start("resting", &resting).unwrap();
    threads("service", move || drop(service.next(None)));
    let client = Controller::connect_default(HANG).unwrap();
    client.watch(&WatchOptions::default()).unwrap();
    while !client.next(HANG).unwrap().at("service/state").is_ok_and(|state| *state == "READY".into()) {}
    threads("watcher", move || drop(client.next(None)));
    rest();
}

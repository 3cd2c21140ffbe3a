//! A controller in a thread, its clients, and waiting for a condition of a service's record.

use std::thread::JoinHandle;

use linkspan::{Controller, Options, Result, Timeout, Value, WatchOptions};
use linkspan_controller::{ControllerServer, ControllerServerOptions, StopHandle};

use crate::support::SOON;

/// A controller that runs in a thread.
pub struct ServerThread {
    stop: StopHandle,
    thread: Option<JoinHandle<Result<()>>>,
    /// Its endpoints, with the ports that were assigned.
    pub endpoints: Vec<String>,
}

impl ServerThread {
    pub fn at(endpoints: &[String]) -> ServerThread {
        let mut options = ControllerServerOptions::default();
        options.handle_signals = false;
        let mut server = ControllerServer::listen(endpoints, &options).unwrap();
        let (stop, endpoints) = (server.stopper(), server.endpoints());
        let thread = std::thread::spawn(move || server.run(Timeout::Forever));
        ServerThread { stop, thread: Some(thread), endpoints }
    }

    pub fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.stop();
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn client(endpoint: &str) -> Controller {
    Controller::connect(endpoint, &Options::default(), SOON).unwrap()
}

/// Waits until the controller's record of a service fulfils the condition.
pub fn until(client: &Controller, service: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let watch = WatchOptions { services: vec![service.to_owned()], data_every: None };
    // A new watcher receives the current record, and no earlier changes.
    let watcher = self::client(client.endpoint());
    watcher.watch(&watch).unwrap();
    loop {
        let push = watcher.next(SOON).unwrap();
        if let Ok(record) = push.at("service")
            && wanted(record)
        {
            return record.clone();
        }
    }
}

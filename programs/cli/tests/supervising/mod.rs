//! A controller in the test, and real programs that are supervised.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use linkspan::WatchOptions;
use linkspan::{Command, Controller, Options, Result, Timeout, Value};
use linkspan_controller::{ControllerServer, ControllerServerOptions, StopHandle};

use crate::program::{Finished, Place, Running};

/// Only guards against a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Laboratory {
    pub place: Place,
    endpoint: String,
    stop: StopHandle,
    server: Option<JoinHandle<()>>,
    pub client: Controller,
}

/// Killed if the test does not wait for it.
pub struct Supervised(Option<Running>);

impl Laboratory {
    pub fn new() -> Laboratory {
        let place = Place::new();
        let endpoint = format!("unix:{}", place.path().join("meeting").display());
        let mut options = ControllerServerOptions::default();
        options.handle_signals = false;
        let mut server = ControllerServer::listen(std::slice::from_ref(&endpoint), &options).unwrap();
        let stop = server.stopper();
        let server = std::thread::spawn(move || {
            server.run(Timeout::Forever).unwrap();
            server.close();
        });
        let client = Controller::connect(&endpoint, &Options::default(), PATIENCE).unwrap();
        Laboratory { place, endpoint, stop, server: Some(server), client }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Runs a shell script as the service `it`, in the shared directory.
    pub fn supervise(&self, options: &[&str], script: &str) -> Supervised {
        self.supervise_program(options, &["sh", "-c", script])
    }

    pub fn supervise_program(&self, options: &[&str], program: &[&str]) -> Supervised {
        let directory = self.place.path().to_str().unwrap().to_owned();
        let mut words =
            vec!["service", "run", "--name", "it", "--controller", &self.endpoint, "--cwd", &directory];
        words.extend(options);
        words.push("--");
        words.extend(program);
        Supervised(Some(self.place.start(&words)))
    }

    pub fn table(&self) -> String {
        let finished = self.place.run(&["service", "ls", "--controller", &self.endpoint]);
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        finished.out
    }

    pub fn command(&self, command: &Command) -> Result<Value> {
        self.client.command("it", command, &Value::Null, PATIENCE)
    }

    pub fn data(&self) -> Value {
        self.command(&Command::GetData).unwrap()
    }

    pub fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let watcher = Controller::connect(&self.endpoint, &Options::default(), PATIENCE).unwrap();
        watcher.watch(&WatchOptions { services: vec!["it".into()], ..WatchOptions::default() }).unwrap();
        let mut last = Value::Null;
        loop {
            let pushed = watcher.next(PATIENCE);
            let pushed = pushed.unwrap_or_else(|e| panic!("it has not become {what}: {e}; last {last:?}"));
            if pushed.at("what").unwrap().as_text().unwrap() == "service" {
                last = pushed.at("service").unwrap().clone();
                if is(&last) {
                    return last;
                }
            }
        }
    }

    pub fn until_state(&self, state: &str) -> Value {
        self.until(state, |record| text(record, "state") == state && text(record, "view") == "CONNECTED")
    }

    pub fn until_data(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.until("connected", |record| {
            text(record, "view") == "CONNECTED" && text(record, "state") != "STARTING"
        });
        let begun = std::time::Instant::now();
        loop {
            let data = self.data();
            if is(&data) {
                return data;
            }
            assert!(begun.elapsed() < PATIENCE, "its data has not become {what}: {data:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The lines of its log, each as `level text`.
    pub fn log(&self) -> Vec<String> {
        let log = self.client.log(Some("it"), 1000, PATIENCE).unwrap();
        let line = |entry: &Value| format!("{} {}", text(entry, "level"), text(entry, "text"));
        log.as_array().unwrap().iter().map(line).collect()
    }

    /// Makes a named pipe. [`Fifo::ends`] shows whether a process that opened it for writing lives.
    pub fn fifo(&self) -> Fifo {
        let path = self.file("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        Fifo(path)
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.server.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

impl Supervised {
    pub fn running(&mut self) -> &mut Running {
        self.0.as_mut().unwrap()
    }

    pub fn signal(&self, name: &str) {
        self.0.as_ref().unwrap().signal(name);
    }

    pub fn wait(mut self) -> Finished {
        self.0.take().unwrap().wait()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Its processes end with it.
        if let Some(running) = &self.0 {
            running.signal("KILL");
        }
    }
}

/// Its end shows that all processes with it have ended.
pub struct Fifo(PathBuf);

impl Fifo {
    /// Opens it; waits until a process opens the other end, and has written `up`.
    pub fn open(&self) -> File {
        let path = self.0.clone();
        within(move || {
            let mut file = std::fs::OpenOptions::new().read(true).mode(0o600).open(path).unwrap();
            let mut up = [0; 3];
            file.read_exact(&mut up).unwrap();
            assert_eq!(&up, b"up\n");
            file
        })
    }
}

/// Waits for the end of the writers, and returns the written text.
pub fn ends(mut fifo: File) -> String {
    within(move || {
        let mut rest = String::new();
        fifo.read_to_string(&mut rest).unwrap();
        rest
    })
}

fn within<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(f()));
    wait.recv_timeout(PATIENCE).expect("a program hangs, or its test failed")
}

pub fn text(value: &Value, key: &str) -> String {
    value.at(key).and_then(Value::as_text).unwrap_or_default().to_owned()
}

pub fn number(value: &Value, key: &str) -> f64 {
    match value.at(key).unwrap() {
        Value::Int(whole) => *whole as f64,
        other => other.as_f64().unwrap(),
    }
}

/// Returns S, R, or T for a stopped process; `None` after its end.
pub fn kernel_state(pid: f64) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid as i64)).ok()?;
    stat.rsplit_once(") ")?.1.chars().next().filter(|state| *state != 'Z')
}

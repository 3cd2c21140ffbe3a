//! Several processes that serve one name: each request is carried out, even after the kill of its worker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Options, Server, Value};

use crate::support::programs::program;
use crate::support::spools::{names, place};
use crate::support::victims::Random;
use crate::support::{SOON, name};

fn shared() -> Options {
    Options::default().with_shared(true)
}

pub struct Workers {
    endpoint: String,
    notes: PathBuf,
    started: i64,
    pub living: Vec<Child>,
}

impl Workers {
    pub fn at(endpoint: &str) -> Workers {
        let directory = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        fs::create_dir_all(&directory).unwrap();
        let notes = directory.join(format!("notes-{}", endpoint.replace(['/', ':'], "-")));
        Workers { endpoint: endpoint.to_owned(), notes, started: 0, living: Vec::new() }
    }

    /// Starts a worker; after `times` requests it holds the next one.
    pub fn start(&mut self, times: Option<i64>) {
        let mut command = Command::new(program("test-victim"));
        command.args(["work", &self.endpoint, &self.started.to_string()]);
        command.args(times.map(|n| n.to_string()));
        command.env("LINKSPAN_GIVEN", &self.notes).stdin(Stdio::null());
        self.started += 1;
        self.living.push(command.spawn().unwrap());
    }

    pub fn kill(&mut self, which: usize) {
        let mut worker = self.living.swap_remove(which);
        assert!(worker.try_wait().unwrap().is_none(), "a worker ended by itself");
        worker.kill().unwrap();
        worker.wait().unwrap();
    }

    pub fn given(&self) -> Vec<(i64, i64)> {
        let text = fs::read_to_string(&self.notes).unwrap_or_default();
        let noted = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        noted
            .map(|line| {
                let numbers: Vec<i64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
                (numbers[0], numbers[1])
            })
            .collect()
    }

    pub fn await_given(&self, count: usize) {
        let began = Instant::now();
        while self.given().len() < count {
            assert!(began.elapsed() < SOON, "{count} requests were to be given, and {:?} were", self.given());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.living {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// Clients call three workers, while the test repeatedly kills one worker.
///
/// Unrepeatable requests are carried out at most once; an unknown outcome is an error.
fn kills_lose_no_request(transport: &str, idempotent: bool) {
    const CLIENTS: i64 = 4;
    const CALLS: i64 = 60;
    let endpoint = name(transport);
    let mut random = Random::new();
    let mut workers = Workers::at(&endpoint);
    (0..3).for_each(|_| workers.start(None));
    let done = AtomicBool::new(false);
    let kills = thread::scope(|s| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|who| {
                let endpoint = &endpoint;
                s.spawn(move || {
                    let options = Options::default().with_idempotent(idempotent);
                    let client = Channel::connect(endpoint, &options, SOON).unwrap();
                    let mut answered = BTreeSet::new();
                    for i in 0..CALLS {
                        let asked = who * CALLS + i;
                        match client.call(&Value::Int(asked), SOON) {
                            Ok(answer) => {
                                assert_eq!(
                                    number(answer.get("1").unwrap()),
                                    asked,
                                    "an answer to another request"
                                );
                                answered.insert(asked);
                            }
                            Err(e) => {
                                let is_told =
                                    !idempotent && e.kind() == ErrorKind::Disconnected && !e.retryable();
                                assert!(is_told, "{asked}: {e:?}");
                            }
                        }
                    }
                    client.close(SOON).unwrap();
                    answered
                })
            })
            .collect();
        let done = &done;
        let killing = s.spawn(move || {
            let mut kills = 0;
            while !done.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5 + random.below(60)));
                workers.kill(random.below(3) as usize);
                kills += 1;
                workers.start(None);
            }
            (workers, kills)
        });
        let answered: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        done.store(true, Ordering::Relaxed);
        let (workers, kills) = killing.join().unwrap();
        let answered: BTreeSet<_> = answered.into_iter().flat_map(|one| one.unwrap()).collect();
        let mut times = BTreeMap::<i64, u32>::new();
        workers.given().iter().for_each(|(_, what)| *times.entry(*what).or_default() += 1);
        let unknown = CLIENTS * CALLS - answered.len() as i64;
        let again: u32 = times.values().map(|n| n - 1).sum();
        println!(
            "{transport}: {kills} kills, {again} requests were carried out again, {unknown} calls ended without an answer"
        );
        assert!(
            answered.iter().all(|asked| times.contains_key(asked)),
            "an answer to a request that no worker carried out"
        );
        if idempotent || transport == "spool" {
            assert_eq!(times.len() as i64, CLIENTS * CALLS, "every request was carried out");
            assert_eq!(unknown, 0);
            // A killed worker had one request.
            assert!(again <= kills, "{again} were carried out again after {kills} kills: {times:?}");
        } else {
            assert_eq!(again, 0, "carried out twice: {times:?}");
        }
        kills
    });
    assert!(kills > 0);
}

#[test]
fn killed_workers_of_a_spool_lose_no_request() {
    kills_lose_no_request("spool", false);
}

#[test]
fn killed_workers_at_a_unix_socket_lose_no_idempotent_request() {
    kills_lose_no_request("unix", true);
}

#[test]
fn killed_workers_in_shared_memory_lose_no_idempotent_request() {
    kills_lose_no_request("shm", true);
}

#[test]
fn unrepeatable_request_of_a_killed_worker_fails() {
    for transport in ["unix", "shm"] {
        kills_lose_no_request(transport, false);
    }
}

#[test]
fn clients_are_shared_out_among_the_workers_and_follow_when_one_dies() {
    for transport in ["unix", "shm"] {
        let endpoint = name(transport);
        let mut workers = Workers::at(&endpoint);
        (0..3).for_each(|_| workers.start(None));
        let options = Options::default().with_idempotent(true);
        let who = |client: &Channel| number(client.call(&Value::Int(7), SOON).unwrap().get("0").unwrap());
        let mut clients = Vec::new();
        let mut seen = BTreeSet::new();
        while seen.len() < 3 {
            assert!(clients.len() < 120, "{transport}: {} clients, all at {seen:?}", clients.len());
            let client = Channel::connect(&endpoint, &options, SOON).unwrap();
            seen.insert(who(&client));
            clients.push(client);
        }
        // The others do not depend on the first listener.
        workers.kill(0);
        for client in &clients {
            who(client);
        }
        for client in clients {
            client.close(SOON).unwrap();
        }
    }
}

#[test]
fn request_of_a_killed_worker_goes_to_another_before_later_ones() {
    let (endpoint, directory) = place();
    let client = {
        drop(Server::serve(&endpoint, &shared()).unwrap());
        Channel::connect(&endpoint, &Options::default(), SOON).unwrap()
    };
    let ask = |n: i64| client.start_call(&client.encode(&Value::Int(n)).unwrap(), SOON).unwrap();
    let asked: Vec<_> = (1..=4).map(ask).collect();
    let mut workers = Workers::at(&endpoint);
    workers.start(Some(0));
    workers.await_given(1);
    let server = Server::serve(&endpoint, &shared()).unwrap();
    let take = || server.next(SOON).unwrap().unwrap();
    let second = take();
    assert_eq!(number(second.value().unwrap()), 2, "the first is in the worker's hands");
    second.reply(&Value::Int(2)).unwrap();
    workers.kill(0);
    let first = take();
    assert_eq!(number(first.value().unwrap()), 1, "what the dead worker had comes before later requests");
    first.reply(&Value::Int(1)).unwrap();
    for left in 3..=4 {
        let request = take();
        assert_eq!(number(request.value().unwrap()), left);
        request.reply(&Value::Int(left)).unwrap();
    }
    for (asked, n) in asked.into_iter().zip(1..) {
        assert_eq!(number(client.finish_call(&asked, SOON).unwrap().value().unwrap()), n);
    }
    assert!(names(&directory.join("server")).is_empty() && names(&directory.join("client")).is_empty());
}

#[test]
fn worker_that_waits_is_woken_by_the_death_of_another() {
    let (endpoint, _) = place();
    let server = Server::serve(&endpoint, &shared()).unwrap();
    let mut workers = Workers::at(&endpoint);
    workers.start(Some(0));
    // This process does not take it yet.
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    client.send(&Value::Int(9), SOON).unwrap();
    workers.await_given(1);
    thread::scope(|s| {
        let waits = s.spawn(|| server.next(SOON).unwrap().unwrap());
        thread::sleep(Duration::from_millis(30));
        workers.kill(0);
        assert_eq!(number(waits.join().unwrap().value().unwrap()), 9, "a message that wants no answer, too");
    });
}

#[test]
fn shared_name_admits_only_sharing_processes() {
    for transport in ["spool", "unix", "shm"] {
        let endpoint = name(transport);
        let first = Server::serve(&endpoint, &shared()).unwrap();
        let second = Server::serve(&endpoint, &shared()).unwrap();
        let alone = Server::serve(&endpoint, &Options::default()).err().unwrap();
        assert_eq!(alone.kind(), ErrorKind::AddressInUse, "{transport}: {alone}");
        first.close(SOON).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        thread::scope(|s| {
            s.spawn(|| second.next(SOON).unwrap().unwrap().reply(&Value::Int(1)).unwrap());
            client.call(&Value::Null, SOON).unwrap();
        });
        second.close(SOON).unwrap();
        let alone = Server::serve(&endpoint, &Options::default()).unwrap();
        let late = Server::serve(&endpoint, &shared()).err().unwrap();
        assert_eq!(late.kind(), ErrorKind::AddressInUse, "{transport}: {late}");
        drop(alone);
        if transport != "spool" {
            let listed = linkspan::registry::list().unwrap();
            assert!(listed.iter().all(|one| one.endpoint != endpoint), "{transport}: {listed:?}");
        }
    }
}

#[test]
fn last_worker_removes_the_name() {
    let (endpoint, directory) = place();
    let first = Server::serve(&endpoint, &shared()).unwrap();
    let second = Server::serve(&endpoint, &shared()).unwrap();
    assert_eq!(names(&directory.join("hello")), ["server"]);
    first.close(SOON).unwrap();
    assert_eq!(names(&directory.join("hello")), ["server"], "a worker serves");
    second.close(SOON).unwrap();
    assert!(names(&directory.join("hello")).is_empty());
    let around = names(directory.parent().unwrap());
    assert!(around.iter().all(|name| !name.starts_with(".owner.")), "{around:?}");
}

#[test]
fn workers_share_the_requests_and_none_is_given_to_two() {
    let (endpoint, _) = place();
    let servers = [(); 3].map(|()| Server::serve(&endpoint, &shared()).unwrap());
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let ask = |n: i64| client.start_call(&client.encode(&Value::Int(n)).unwrap(), SOON).unwrap();
    let asked: Vec<_> = (0..30).map(ask).collect();
    let mut given = BTreeSet::new();
    let mut requests = Vec::new();
    for n in 0..30 {
        let request = servers[n % 3].next(SOON).unwrap().unwrap();
        // The workers take the requests in the order of the calls.
        assert_eq!(number(request.value().unwrap()), n as i64);
        assert!(given.insert(n));
        requests.push(request);
    }
    for server in &servers {
        assert_eq!(server.next(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    }
    for request in requests {
        request.reply(request.value().unwrap()).unwrap();
    }
    for (asked, n) in asked.into_iter().zip(0..) {
        assert_eq!(number(client.finish_call(&asked, SOON).unwrap().value().unwrap()), n);
    }
}

#[test]
fn shared_is_refused_where_it_means_nothing() {
    for transport in ["tcp", "fifo", "dgram"] {
        let error = Server::serve(&name(transport), &shared()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{transport}: {error}");
        assert!(error.text().contains("option shared"), "{error}");
    }
    let error = Channel::connect(&name("unix"), &shared(), Duration::ZERO).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn workers_serve_on_when_the_maker_of_their_socket_has_died() {
    for transport in ["unix", "shm"] {
        let endpoint = name(transport);
        let mut workers = Workers::at(&endpoint);
        workers.start(None);
        // The first client meets the first worker, which has made the socket.
        let early = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        early.call(&Value::Int(0), SOON).unwrap();
        let server = Server::serve(&endpoint, &shared()).unwrap();
        workers.kill(0);
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let (sender, waiting) = std::sync::mpsc::channel();
        thread::scope(|s| {
            let server = &server;
            s.spawn(move || {
                for _ in 0..2 {
                    // When the caller sleeps, it checks whether the other side lives.
                    waiting.recv_timeout(SOON).unwrap();
                    let request = server.next(SOON).unwrap().unwrap();
                    thread::sleep(Duration::from_millis(20));
                    request.reply(request.value().unwrap()).unwrap();
                }
            });
            for n in [1, 2] {
                sender.send(()).unwrap();
                let answer = client.call(&Value::Int(n), SOON).unwrap_or_else(|e| panic!("{transport}: {e}"));
                assert_eq!(number(answer.value().unwrap()), n, "{transport}");
            }
        });
        assert!(!client.events().iter().any(|e| e.kind == linkspan::EventKind::Disconnected), "{transport}");
    }
}

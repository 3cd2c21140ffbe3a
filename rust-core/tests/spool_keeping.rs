//! The lifetime of a spool's files: restarts of the machine, durability, files of dead clients, listings.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use linkspan::registry::{clean, list};
use linkspan::{Channel, ErrorKind, Listener, Server, Value};

use crate::support::alone::alone;
use crate::support::programs::program;
use crate::support::spools::{all_names, called, json, names, place, serve_one};
use crate::support::{SOON, name, waiting_options};

fn durable() -> linkspan::Options {
    let mut options = json();
    options.set("durable", &true.into()).unwrap();
    options
}

fn folder() -> tempfile::TempDir {
    // Sets the environment.
    name("spool");
    tempfile::tempdir().unwrap()
}

fn put(folder: &Path, name: &str, age: Duration) {
    let path = folder.join(name);
    fs::write(&path, "1").unwrap();
    let times = FileTimes::new().set_modified(SystemTime::now() - age);
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

const NOW: Duration = Duration::ZERO;
const TWO_DAYS: Duration = Duration::from_secs(48 * 3600);

#[test]
fn after_the_machine_has_restarted_a_volatile_spool_is_empty() {
    alone!(after_the_machine_has_restarted_a_volatile_spool_is_empty);
    for comes_first in ["server", "client"] {
        let (endpoint, directory) = place();
        drop(Server::serve(&endpoint, &json()).unwrap());
        let boot = fs::read_to_string(directory.join(".boot")).unwrap();
        assert_eq!(boot, fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
        for place in ["server/a.json", "client/b.json", "hello/panel", "rejected/c.json"] {
            fs::write(directory.join(place), "1").unwrap();
        }
        fs::write(directory.join(".boot"), "6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
        if comes_first == "server" {
            let server = Server::serve(&endpoint, &json()).unwrap();
            assert_eq!(server.next(NOW).err().unwrap().kind(), ErrorKind::Timeout);
        } else {
            let client = Channel::connect(&endpoint, &json(), NOW).unwrap();
            client.send(&Value::Int(1), NOW).unwrap();
            assert_eq!(names(&directory.join("server")).len(), 1);
            drop(client);
            let server = Server::serve(&endpoint, &json()).unwrap();
            assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(1));
        }
        for folder in ["server", "client", "hello", "rejected"] {
            let left = names(&directory.join(folder));
            assert!(left.is_empty() || comes_first == "client", "{folder}: {left:?}");
        }
        assert_eq!(fs::read_to_string(directory.join(".boot")).unwrap(), boot);
    }
}

#[test]
fn durable_spool_lies_in_the_state_directory_and_outlives_everything() {
    alone!(durable_spool_lies_in_the_state_directory_and_outlives_everything);
    let endpoint = name("spool");
    let file = endpoint.strip_prefix("spool:").unwrap().replace('/', "@") + ".spool";
    let state = PathBuf::from(std::env::var("LINKSPAN_STATE_DIR").unwrap()).join(&file);
    // A client with the option `durable` creates the spool.
    let client = Channel::connect(&endpoint, &durable(), NOW).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    client.close(SOON).unwrap();
    assert_eq!(names(&state.join("server")).len(), 1);
    assert!(state.join(".durable").exists() && !state.join(".boot").exists());
    let client = Channel::connect(&endpoint, &json(), NOW).unwrap();
    client.send(&Value::Int(2), SOON).unwrap();
    clean().unwrap();
    let server = Server::serve(&endpoint, &durable()).unwrap();
    for i in 1..3i64 {
        assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(i));
    }
    assert!(list().unwrap().iter().any(|listed| listed.endpoint == endpoint), "it is listed");
    let mut options = json();
    options.set("delivery", &"durable".into()).unwrap();
    let error = Server::serve(&endpoint, &options).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddressInUse, "the delivery says the same as the option");
}

#[test]
fn durable_spool_is_served_without_the_option_durable() {
    alone!(durable_spool_is_served_without_the_option_durable);
    let endpoint = name("spool");
    let client = Channel::connect(&endpoint, &durable(), NOW).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    client.close(SOON).unwrap();
    let server = Server::serve(&endpoint, &json()).unwrap();
    assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(1));
    let error = Server::serve(&endpoint, &durable()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddressInUse, "it is the same spool");
    drop(server);
    // No volatile spool of this name was created.
    let file = endpoint.strip_prefix("spool:").unwrap().replace('/', "@") + ".spool";
    assert!(!PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).join(file).exists());
}

#[test]
fn waiting_client_finds_a_durable_spool() {
    alone!(waiting_client_finds_a_durable_spool);
    let endpoint = name("spool");
    drop(Channel::connect(&name("spool"), &durable(), NOW).unwrap());
    std::thread::scope(|s| {
        let (options, waits) = waiting_options();
        let endpoint = &endpoint;
        let client = s.spawn(move || Channel::connect(endpoint, &options, SOON).unwrap());
        waits.recv().unwrap();
        let server = Server::serve(endpoint, &durable()).unwrap();
        client.join().unwrap().send(&Value::Int(1), SOON).unwrap();
        server.next(SOON).unwrap().unwrap();
    });
}

#[test]
fn durable_message_is_on_the_disk_before_send_returns() {
    alone!(durable_message_is_on_the_disk_before_send_returns);
    let folder = folder();
    let directory = folder.path().join("jobs");
    let endpoint = format!("spool:{}", directory.display());
    drop(Channel::connect(&endpoint, &durable(), NOW).unwrap());
    assert!(directory.join(".durable").exists(), "at an absolute path it lies there");
    let (trace, given) = (folder.path().join("trace"), folder.path().join("given"));
    let victim = program("test-victim");
    let traced = Command::new("strace")
        .args(["-o", trace.to_str().unwrap(), "-e", "trace=linkat,fsync,write"])
        .arg(&victim)
        .args(["post", &endpoint, "1", "3"])
        .env("LINKSPAN_GIVEN", &given)
        .status()
        .expect("strace has to be installed, see tools/apt.sh");
    assert!(traced.success(), "{traced}");
    let given = fs::read_to_string(&given).unwrap();
    let noted: Vec<Vec<&str>> = given.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(noted, [["1", "0"], ["1", "1"], ["1", "2"]]);
    let trace = fs::read_to_string(&trace).unwrap();
    let calls: Vec<&str> = trace.lines().filter_map(|line| line.split_once('(')).map(|(c, _)| c).collect();
    let mut linked = 0;
    for (i, call) in calls.iter().enumerate().filter(|(_, call)| **call == "linkat") {
        // The file, its name, and only then the report that it was accepted.
        assert_eq!((calls[i - 1], *call, calls[i + 1], calls[i + 2]), ("fsync", "linkat", "fsync", "write"));
        linked += 1;
    }
    assert_eq!(linked, 3);
    assert_eq!(names(&directory.join("server")).len(), 3);
}

#[test]
fn files_of_dead_clients_are_swept_and_fetchable_answers_kept() {
    alone!(files_of_dead_clients_are_swept_and_fetchable_answers_kept);
    let (endpoint, directory) = place();
    drop(Server::serve(&endpoint, &json()).unwrap());
    let (client, hello) = (directory.join("client"), directory.join("hello"));
    let number = "00000000000000000001";
    for (name, age) in [
        ("php-7+00ff00ff.json", NOW),
        ("php-8+00ff00ff.json.error", NOW),
        ("panel.json", NOW),
        ("old.json", TWO_DAYS),
    ] {
        put(&client, &format!("{number}.{name}"), age);
    }
    put(&client, "job.json", NOW);
    put(&client, "forgotten.json", TWO_DAYS);
    put(&directory.join("rejected"), "bad.json", TWO_DAYS);
    // This client was killed and could not remove its file.
    put(&hello, "php-7+00ff00ff", NOW);
    put(&hello, "panel", NOW);
    put(&hello, "old", TWO_DAYS);
    // An unfinished file of a dead sender, on a file system that needs names for files.
    put(&directory.join("server"), &format!(".new.{number}.php-7+00ff00ff.json"), NOW);
    // Requests of dead clients are still served.
    put(&directory.join("server"), &format!("{number}.php-9+00ff00ff.json"), TWO_DAYS);
    let server = Server::serve(&endpoint, &json()).unwrap();
    assert_eq!(names(&client), [format!("{number}.panel.json"), "job.json".to_owned()]);
    assert_eq!(names(&hello), ["panel", "server"]);
    assert_eq!(all_names(&directory.join("rejected")), [""; 0]);
    assert_eq!(all_names(&directory.join("server")), [format!("{number}.php-9+00ff00ff.json")]);
    assert_eq!(serve_one(&server), Value::Int(1));
    // The client has ended and never returns: the answer is dropped.
    assert_eq!(names(&client).len(), 2);
    assert!(names(&directory.join("server")).is_empty());
}

#[test]
fn files_of_dead_clients_stay_few_beside_a_long_running_server() {
    alone!(files_of_dead_clients_stay_few_beside_a_long_running_server);
    let (endpoint, directory) = place();
    let _server = Server::serve(&endpoint, &json()).unwrap();
    let (client, hello) = (directory.join("client"), directory.join("hello"));
    let died = || {
        for i in 0..40 {
            put(&hello, &format!("php-{i}+00ff00ff"), NOW);
            put(&client, &format!("00000000000000000001.php-{i}+00ff00ff.json"), NOW);
        }
    };
    died();
    list().unwrap();
    assert_eq!((names(&hello), names(&client)), (vec!["server".to_owned()], vec![]));
    died();
    assert!(clean().unwrap().tidied.contains(&endpoint));
    assert_eq!((names(&hello), names(&client)), (vec!["server".to_owned()], vec![]));
    died();
    Channel::connect(&endpoint, &json(), SOON).unwrap();
    assert_eq!((names(&hello), names(&client)), (vec!["server".to_owned()], vec![]));
}

#[test]
fn numbers_go_on_where_the_last_incarnation_stopped() {
    alone!(numbers_go_on_where_the_last_incarnation_stopped);
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &json()).unwrap();
    for life in 0..3u64 {
        let client = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
        for i in 1..3u64 {
            client.send(&Value::Int(1), SOON).unwrap();
            assert_eq!(server.next(SOON).unwrap().unwrap().sequence(), life * 2 + i);
        }
    }
    // Above the numbers that others have used, even if only a script's file is left.
    put(&directory.join("server"), "00000000000000000070.other.data.json", NOW);
    let client = Channel::connect(&endpoint, &called("late"), SOON).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    let numbers: Vec<_> = (0..2).map(|_| server.next(SOON).unwrap().unwrap().sequence()).collect();
    assert_eq!(numbers, [70, 71]);
}

#[test]
fn server_is_listed_and_unused_spool_is_cleaned() {
    alone!(server_is_listed_and_unused_spool_is_cleaned);
    let (endpoint, directory) = place();
    let listed = || list().unwrap().into_iter().find(|listed| listed.endpoint == endpoint);
    let server = Server::serve(&endpoint, &called("worker")).unwrap();
    let found = listed().expect("it is listed");
    assert_eq!((found.pattern, found.pid), (Some("request"), Some(std::process::id())));
    assert_eq!((found.program.as_deref(), found.encoding.as_deref()), (Some("worker"), Some("json")));
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    let cleaned = || clean().unwrap().removed.contains(&endpoint);
    assert!(!cleaned(), "it is served");
    drop(server);
    assert_eq!(listed().expect("it is listed without a server").pid, None);
    assert!(!cleaned(), "a client is there");
    client.send(&Value::Int(1), SOON).unwrap();
    drop(client);
    assert!(!cleaned(), "a message is there");
    let server = Server::serve(&endpoint, &json()).unwrap();
    server.next(SOON).unwrap().unwrap();
    server.close(SOON).unwrap();
    assert!(cleaned() && !directory.exists());
    assert!(!cleaned());
    fs::create_dir_all(directory.join("server")).unwrap();
    assert!(!cleaned() && directory.exists());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn listener_restart_with_messages_of_the_same_number_both_ways_keeps_both() {
    alone!(listener_restart_with_messages_of_the_same_number_both_ways_keeps_both);
    let (endpoint, _) = place();
    let listen = || Listener::listen(&endpoint, &json()).unwrap();
    let listener = listen();
    let near = listener.accept(SOON).unwrap();
    let far = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    far.send(&Value::Int(1), SOON).unwrap();
    near.send(&Value::Int(2), SOON).unwrap();
    drop((near, listener));
    let listener = listen();
    let near = listener.accept(SOON).unwrap();
    assert_eq!(near.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    assert_eq!(far.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
}

#[test]
fn client_that_joins_during_clean_loses_nothing() {
    alone!(client_that_joins_during_clean_loses_nothing);
    let (endpoint, _) = place();
    for _ in 0..200 {
        drop(Server::serve(&endpoint, &json()).unwrap());
        std::thread::scope(|s| {
            s.spawn(|| clean().unwrap());
            let sent = Channel::connect(&endpoint, &json(), NOW).and_then(|c| {
                c.send(&Value::Int(1), NOW)?;
                c.close(SOON)
            });
            match sent {
                Ok(()) => {
                    let server = Server::serve(&endpoint, &json()).unwrap();
                    assert_eq!(server.next(SOON).unwrap().unwrap().value().unwrap(), &Value::Int(1));
                    server.close(SOON).unwrap();
                }
                Err(e) => assert!(
                    matches!(
                        e.kind(),
                        ErrorKind::NotFound | ErrorKind::Disconnected | ErrorKind::Timeout | ErrorKind::Full
                    ),
                    "{e:?}"
                ),
            }
        });
    }
}

#[test]
fn modes_and_groups() {
    alone!(modes_and_groups);
    use std::os::unix::fs::MetadataExt;
    let (endpoint, directory) = place();
    drop(Server::serve(&endpoint, &json()).unwrap());
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode(&directory), mode(&directory.join("server"))), (0o700, 0o700));
    let (endpoint, directory) = place();
    let mut options = json();
    options.set("mode", &Value::Int(0o660)).unwrap();
    let group = rustix::process::getegid().as_raw();
    options.set("group", &Value::from(group)).unwrap();
    let server = Server::serve(&endpoint, &options).unwrap();
    // Its users put files into its directories, but cannot replace the directories.
    assert_eq!((mode(&directory), mode(&directory.join("client"))), (0o2750, 0o2770));
    let client = Channel::connect(&endpoint, &json(), SOON).unwrap();
    client.send(&Value::Int(1), SOON).unwrap();
    let [name] = &names(&directory.join("server"))[..] else { panic!("one message") };
    let facts = directory.join("server").join(name).metadata().unwrap();
    assert_eq!((facts.mode() & 0o777, facts.gid()), (0o660, group));
    let mut lists = json();
    lists.set("allow_uids", &vec![0i64].into()).unwrap();
    let error = Server::serve(&endpoint, &lists).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    drop(server);
}

#[test]
fn full_disk_is_reported_and_leaves_no_partial_file() {
    alone!(full_disk_is_reported_and_leaves_no_partial_file);
    let folder = folder();
    let path = folder.path().display().to_string();
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && shift && exec \"$@\"";
    let program = std::env::current_exe().unwrap();
    let inside = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "full", &path, program.to_str().unwrap()])
        .args(["--exact", "spool_keeping::inside_a_full_disk", "--ignored", "--nocapture"])
        .env("SPOOL_TEST_FOLDER", &path)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&inside.stdout);
    assert!(
        inside.status.success() && output.contains("1 passed"),
        "in a mount namespace of its own, with a small tmpfs: {output} {}",
        String::from_utf8_lossy(&inside.stderr)
    );
}

#[test]
#[ignore = "a process of its own, started by the one above"]
fn inside_a_full_disk() {
    let folder = PathBuf::from(std::env::var("SPOOL_TEST_FOLDER").unwrap());
    let directory = folder.join("jobs");
    let endpoint = format!("spool:{}", directory.display());
    let server = Server::serve(&endpoint, &json()).unwrap();
    let client = Channel::connect(&endpoint, &called("panel"), SOON).unwrap();
    let small = client.encode(&Value::from("small")).unwrap();
    let asked = client.start_call(&small, SOON).unwrap();
    let request = server.next(SOON).unwrap().unwrap();
    // Another program takes the rest of the disk.
    let mut number = 0;
    while fs::write(folder.join(format!("ballast{number}")), vec![0; 4096]).is_ok() {
        number += 1;
    }
    let large = client.encode(&Value::from("x".repeat(100_000))).unwrap();
    for _ in 0..5 {
        assert_eq!(client.send_payload(&large, SOON).unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(request.reply_payload(&large).unwrap_err().kind(), ErrorKind::NoSpace);
    }
    assert_eq!(all_names(&directory.join("server")), ["00000000000000000001.panel.json"]);
    assert_eq!(all_names(&directory.join("client")), [""; 0]);
    // The message and the request still belong to their receivers.
    for i in 0..number.min(40) {
        fs::remove_file(folder.join(format!("ballast{i}"))).unwrap();
    }
    request.reply_payload(&small).unwrap();
    assert_eq!(client.finish_call(&asked, SOON).unwrap().value().unwrap(), &Value::from("small"));
    client.send_payload(&large, SOON).unwrap();
    assert_eq!(server.next(SOON).unwrap().unwrap().body(), large.body());
}

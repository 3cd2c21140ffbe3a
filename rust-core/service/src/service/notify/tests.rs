//! Notifications to a supervisor: a socket by path and abstract name, and the assignments over time.

use super::*;

const WATCHED: Duration = Duration::from_secs(10);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct FakeSupervisor {
    socket: UnixDatagram,
    variables: Vec<(&'static str, OsString)>,
}

impl FakeSupervisor {
    fn at(name: &str, more: &[(&'static str, &str)]) -> FakeSupervisor {
        let socket = UnixDatagram::bind_addr(&address(OsStr::new(name)).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let more = more.iter().map(|(name, value)| (*name, OsString::from(value)));
        FakeSupervisor {
            socket,
            variables: [("NOTIFY_SOCKET", name.into())].into_iter().chain(more).collect(),
        }
    }

    fn program(&self) -> NotifySocket {
        environment(&self.variables).unwrap().unwrap()
    }

    fn received(&self) -> Option<String> {
        let mut bytes = [0; 4096];
        let n = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..n].to_vec()).unwrap())
    }
}

fn environment(variables: &[(&'static str, OsString)]) -> Result<Option<NotifySocket>> {
    let one = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    NotifySocket::from_variables(&one, 4711)
}

fn refused(variables: &[(&'static str, &str)]) -> Error {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
    environment(&variables).unwrap_err()
}

#[test]
fn notifications_arrive_at_a_path_and_at_an_abstract_name() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let hidden = format!("@linkspan-test-notify-{}", std::process::id());
    for name in [path.to_str().unwrap(), &hidden] {
        let supervisor = FakeSupervisor::at(name, &[]);
        let mut program = supervisor.program();
        assert_eq!(program.watchdog_time(), None);
        let ready = NotifyState::default().assignments(true, false, "listens at\nunix:controller");
        for assignments in [&ready, "STATUS=3 services\n", "WATCHDOG=1\n", "STOPPING=1\n"] {
            program.send(assignments).unwrap();
        }
        for assignments in [
            "READY=1\nSTATUS=listens at\\nunix:controller\n",
            "STATUS=3 services\n",
            "WATCHDOG=1\n",
            "STOPPING=1\n",
        ] {
            assert_eq!(supervisor.received().as_deref(), Some(assignments), "{name}");
        }
        assert_eq!(supervisor.received(), None);
    }
}

#[test]
fn without_notify_socket_nothing_is_sent() {
    assert!(environment(&[]).unwrap().is_none());
    assert!(environment(&[("NOTIFY_SOCKET", "".into())]).unwrap().is_none());
    for name in ["relative/path", "vsock:2:1234", &format!("/{}", "long".repeat(40))] {
        let error = refused(&[("NOTIFY_SOCKET", name)]);
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
        assert!(error.text().contains(name), "{error}");
        assert!(error.text().contains("expected an absolute path or @name"), "{error}");
    }
}

#[test]
fn watchdog_is_for_the_process_that_it_names() {
    let socket = ("NOTIFY_SOCKET", OsString::from("/nowhere"));
    let watched = |more: &[(&'static str, &str)]| {
        let more = more.iter().map(|(name, value)| (*name, OsString::from(value)));
        let variables: Vec<_> = [socket.clone()].into_iter().chain(more).collect();
        environment(&variables).unwrap().unwrap().watchdog_time()
    };
    assert_eq!(watched(&[("WATCHDOG_USEC", "3000000")]), Some(s(3)));
    assert_eq!(watched(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "4711")]), Some(s(3)));
    assert_eq!(watched(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "4712")]), None);
    assert_eq!(watched(&[("WATCHDOG_USEC", "0")]), None);
    let error = refused(&[("NOTIFY_SOCKET", "/nowhere"), ("WATCHDOG_USEC", "soon")]);
    assert!(error.text().contains("WATCHDOG_USEC is soon"), "{error}");
}

#[test]
fn absent_supervisor_is_reported_once() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let fake = FakeSupervisor::at(path.to_str().unwrap(), &[("WATCHDOG_USEC", "10000000")]);
    let mut supervisor = Supervisor::to(Some(fake.program()));
    assert!(supervisor.state(State::Running, "", s(0)).is_none());
    std::fs::remove_file(&path).unwrap();
    let error = supervisor.tick(None, s(0)).unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.text().contains("the supervisor at /"), "{error}");
    assert!(supervisor.tick(None, s(5)).is_none());
    let fake = FakeSupervisor::at(path.to_str().unwrap(), &[]);
    assert!(supervisor.tick(None, s(10)).is_none());
    assert_eq!(fake.received().as_deref(), Some("WATCHDOG=1\n"));
    std::fs::remove_file(&path).unwrap();
    assert!(
        supervisor.tick(None, s(15)).is_some(),
        "the watchdog is fed again once the program has worked in between"
    );
}

#[test]
fn full_supervisor_receives_newest_status_later() {
    let name = format!("@linkspan-test-full-{}", std::process::id());
    let fake = FakeSupervisor::at(&name, &[]);
    let mut program = fake.program();
    let mut sent = 0;
    while program.send("STATUS=fills\n").is_ok() {
        sent += 1;
        assert!(sent < 100_000, "a queue without an end");
    }
    let mut supervisor = Supervisor::to(Some(program));
    assert_eq!(supervisor.state(State::Ready, "", s(0)).unwrap().kind(), ErrorKind::Full);
    assert!(supervisor.state(State::Running, "", s(0)).is_none(), "a state is reported once");
    let retry_at = supervisor.next_due(None, s(0)).unwrap();
    assert!(retry_at > s(0) && supervisor.tick(None, retry_at).is_none());
    for _ in 0..sent {
        assert_eq!(fake.received().as_deref(), Some("STATUS=fills\n"));
    }
    assert_eq!(fake.received(), None);
    let retry_at = supervisor.next_due(None, retry_at).unwrap();
    assert!(supervisor.tick(None, retry_at).is_none());
    assert_eq!(fake.received().as_deref(), Some("READY=1\nSTATUS=RUNNING\n"));
    assert_eq!(supervisor.next_due(None, retry_at), None);
}

#[test]
fn each_state_is_notified_once() {
    let mut notifier = NotifyState::new(None);
    for (state, reason, assignments) in [
        (State::Starting, "", "STATUS=STARTING\n"),
        (State::Ready, "", "READY=1\nSTATUS=READY\n"),
        (State::Running, "", "STATUS=RUNNING\n"),
        (State::Running, "", ""),
        (State::Running, "the meter is silent", "STATUS=RUNNING: the meter is silent\n"),
        (State::Paused, "", "STATUS=PAUSED\n"),
        (State::Running, "", "STATUS=RUNNING\n"),
        (State::Stopping, "", "STOPPING=1\nSTATUS=STOPPING\n"),
        (State::Stopped, "", "STATUS=STOPPED\n"),
    ] {
        assert_eq!(notifier.state(state, reason), assignments, "{}", state.name());
    }
}

#[test]
fn failed_or_ended_service_is_never_ready() {
    for state in [State::Failed, State::Stopping] {
        let mut notifier = NotifyState::new(None);
        for state in [State::Starting, state, State::Stopped] {
            assert!(!notifier.state(state, "no meter").contains("READY"), "{}", state.name());
        }
    }
}

#[test]
fn waiting_program_notifies_twice_per_watchdog_interval() {
    let mut notifier = NotifyState::new(Some(WATCHED));
    for now in [0, 5, 10, 17, 22] {
        assert!(notifier.next_watchdog(None, s(now)).is_some_and(|due| due <= s(now)));
        assert_eq!(notifier.watchdog(None, s(now)), "WATCHDOG=1\n");
        assert_eq!(notifier.watchdog(None, s(now)), "");
        assert_eq!(notifier.next_watchdog(None, s(now)), Some(s(now + 5)));
    }
    assert_eq!(NotifyState::new(None).next_watchdog(None, s(3)), None);
}

#[test]
fn step_longer_than_the_watchdog_is_not_confirmed() {
    let mut notifier = NotifyState::new(Some(WATCHED));
    let begun = Some(s(2));
    assert_eq!(notifier.watchdog(None, s(0)), "WATCHDOG=1\n");
    assert_eq!(notifier.watchdog(begun, s(5)), "WATCHDOG=1\n");
    assert_eq!(notifier.next_watchdog(begun, s(5)), Some(s(10)));
    assert_eq!(notifier.watchdog(begun, s(10)), "WATCHDOG=1\n");
    // It would be due at 15, when the step is 13 s old: nothing is sent, and no thread wakes for it.
    assert_eq!(notifier.next_watchdog(begun, s(10)), None);
    assert_eq!(notifier.watchdog(begun, s(15)), "");
    assert_eq!(notifier.next_watchdog(None, s(19)), Some(s(19)));
    assert_eq!(notifier.watchdog(None, s(19)), "WATCHDOG=1\n");
    // A thread that wakes late for a step that is too old does not wake repeatedly.
    let begun = Some(s(20));
    assert_eq!(notifier.next_watchdog(begun, s(20)), Some(s(24)));
    assert_eq!(notifier.watchdog(begun, s(31)), "");
    assert_eq!(notifier.next_watchdog(begun, s(31)), None);
}

#[test]
fn missing_supervisor_is_no_error() {
    let mut supervisor = Supervisor::default();
    assert!(supervisor.state(State::Running, "", s(0)).is_none());
    assert!(supervisor.tick(None, s(9)).is_none());
    assert_eq!(supervisor.next_due(None, s(9)), None);
}

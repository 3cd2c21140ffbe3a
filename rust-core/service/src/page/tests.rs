//! The rules of the controller's page: origins, tokens, bodies, problems.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::error::{Error, ErrorKind, RemoteFailure};
use crate::service::{Answer, Command, Outcome, State};
use crate::value::Value;

fn origin(remote: bool) -> Origin {
    Origin { port: 8017, remote, hosts: Vec::new() }
}

fn head() -> RequestHead<'static> {
    RequestHead {
        method: "POST",
        path: "/api/services/power/commands",
        host: Some("127.0.0.1:8017"),
        ..RequestHead::default()
    }
}

fn status_of(request: &RequestHead) -> Option<u16> {
    origin(false).check(request).err().map(|problem| problem.status())
}

#[test]
fn authorities_of_this_page_cannot_be_redirected() {
    for ours in ["127.0.0.1:8017", "localhost:8017", "LocalHost:8017", "[::1]:8017", "127.0.0.2:8017"] {
        assert!(origin(false).has(ours), "{ours}");
    }
    for foreign in [
        "",
        ":8017",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:",
        "evil.example:8017",
        "localhost.evil.example:8017",
        "127.0.0.1.nip.io:8017",
        "192.168.1.7:8017",
        "[::1]",
        "::1:8017",
        "0.0.0.0:8017",
        "localhost:80171",
        "2130706433:8017",
        "user@127.0.0.1:8017",
        "127.1:8017",
        "localhost:8017:8017",
    ] {
        assert!(!origin(false).has(foreign), "{foreign}");
    }
    assert!(origin(true).has("192.168.1.7:8017") && !origin(true).has("evil.example:8017"));
    let named = Origin { hosts: vec![String::new(), "Lab.example".into()], ..origin(false) };
    assert!(named.has("lab.example") && !named.has("lab.example:1") && !named.has(""));
}

#[test]
fn requests_of_other_sites_are_refused() {
    assert_eq!(status_of(&head()), None);
    let own =
        RequestHead { origin: Some("http://127.0.0.1:8017"), fetch_site: Some("same-origin"), ..head() };
    assert_eq!(status_of(&own), None);
    assert_eq!(status_of(&RequestHead { is_https: true, ..own }), Some(403));
    assert_eq!(
        status_of(&RequestHead { origin: Some("https://127.0.0.1:8017"), is_https: true, ..own }),
        None
    );
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1:8017",
        "http://127.0.0.1:3000",
        "http://localhost:8017",
    ] {
        assert_eq!(status_of(&RequestHead { origin: Some(origin), ..head() }), Some(403), "{origin}");
    }
    for site in ["cross-site", "same-site", "whatever"] {
        assert_eq!(status_of(&RequestHead { fetch_site: Some(site), ..head() }), Some(403), "{site}");
    }
    assert_eq!(status_of(&RequestHead { host: Some("evil.example:8017"), ..head() }), Some(421));
    assert_eq!(status_of(&RequestHead { authority: Some("evil.example:8017"), ..head() }), Some(421));
    assert_eq!(status_of(&RequestHead { host: None, ..head() }), Some(400));
    assert_eq!(status_of(&RequestHead { host: Some(""), ..head() }), Some(400));
}

#[test]
fn link_from_another_site_may_open_the_page_and_nothing_else() {
    let link = RequestHead {
        method: "GET",
        path: "/",
        fetch_site: Some("cross-site"),
        fetch_mode: Some("navigate"),
        fetch_dest: Some("document"),
        ..head()
    };
    assert_eq!(status_of(&link), None);
    for other in [
        RequestHead { path: "/api", ..link },
        RequestHead { method: "POST", ..link },
        RequestHead { fetch_mode: Some("no-cors"), ..link },
        RequestHead { fetch_dest: Some("iframe"), ..link },
    ] {
        assert_eq!(status_of(&other), Some(403), "{other:?}");
    }
}

#[test]
fn other_machines_need_an_operator_who_named_a_host() {
    let remote = RequestHead { peer: Some("192.168.1.9".parse().unwrap()), ..head() };
    assert_eq!(status_of(&remote), Some(403));
    assert_eq!(status_of(&RequestHead { peer: Some("127.0.0.1".parse().unwrap()), ..head() }), None);
    let named = Origin { hosts: vec!["lab.example".into()], ..origin(false) };
    assert!(named.check(&RequestHead { host: Some("lab.example"), ..remote }).is_ok());
}

#[test]
fn bodies_that_a_form_can_send_are_refused() {
    for good in ["application/json", "Application/JSON; charset=utf-8", " application/json "] {
        assert!(check_content(good, false).is_ok(), "{good}");
        assert_eq!(check_content(good, true).unwrap_err().status(), 415);
    }
    for bad in
        ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "a;application/json"]
    {
        assert_eq!(check_content(bad, false).unwrap_err().status(), 415, "{bad}");
    }
}

#[test]
fn bearer_token_follows_scheme() {
    for right in [&b"Bearer abc"[..], b"bearer abc", b"BEARER abc"] {
        assert_eq!(bearer(Some(right)).unwrap(), b"abc");
    }
    for wrong in [None, Some(&b""[..]), Some(b"abc"), Some(b"Basic abc"), Some(b"Bearerabc")] {
        assert_eq!(bearer(wrong).unwrap_err().status(), 401);
    }
    assert_eq!(wrong_token().status(), 401);
}

#[test]
fn command_body_is_kept_unchanged() {
    let body = br#"{"command": "calibrate", "arguments": {"volts": 5}, "id": "a1", "within": 2.5}"#;
    let CommandBody { request, wait } = CommandBody::decode(body).unwrap();
    assert_eq!((&*request.id, request.within, wait), ("a1", Duration::from_millis(2500), true));
    assert_eq!(request.command, Command::Own("calibrate".into()));
    assert_eq!(request.arguments, Value::map([("volts", 5)]));
    let bare = br#"{"command": "PAUSE", "wait": false, "within": 7}"#;
    let first = CommandBody::decode(bare).unwrap();
    assert!(!first.request.id.is_empty() && !first.wait && first.request.epoch.is_none());
    assert_eq!(first.request.arguments, Value::Null);
    assert_ne!(first.request.id, CommandBody::decode(bare).unwrap().request.id);
}

#[test]
fn body_that_is_no_command_is_a_bad_request() {
    let long = format!(r#"{{"command": "PAUSE", "id": "{}"}}"#, "x".repeat(65));
    for body in [
        "",
        "{",
        "[]",
        "7",
        "null",
        "{}",
        r#"{"command": 7}"#,
        r#"{"command": "STEP"}"#,
        r#"{"command": "EXPLODE"}"#,
        r#"{"command": "PAUSE", "id": ""}"#,
        r#"{"command": "PAUSE", "within": 0}"#,
        r#"{"command": "PAUSE", "within": 1e9}"#,
        r#"{"command": "PAUSE", "within": "soon"}"#,
        r#"{"command": "PAUSE", "wait": 1}"#,
        r#"{"command": "PAUSE", "epoch": 1}"#,
        "{\"command\": \"PA\u{0}USE\"}",
        &long,
    ] {
        assert_eq!(CommandBody::decode(body.as_bytes()).unwrap_err().status(), 400, "{body}");
    }
    assert_eq!(CommandBody::decode(&vec![b' '; MAX_BODY + 1]).unwrap_err().status(), 413);
}

#[test]
fn log_lines_have_a_default_and_a_bound() {
    assert_eq!(log_lines(None).unwrap(), DEFAULT_LOG_LINES);
    assert_eq!(log_lines(Some("2000")).unwrap(), 2000);
    for wrong in ["", "0", "2001", "-1", "7.0", "many", "99999999999999999999"] {
        assert_eq!(log_lines(Some(wrong)).unwrap_err().status(), 400, "{wrong}");
    }
}

#[test]
fn every_kind_has_a_status_of_an_error() {
    for kind in ErrorKind::ALL {
        assert!((400..600).contains(&status(*kind)), "{kind}");
    }
    let unnamed: Vec<_> = ErrorKind::ALL.iter().filter(|kind| status(**kind) == 500).collect();
    assert_eq!(unnamed, [&ErrorKind::Corrupt, &ErrorKind::Internal]);
}

#[test]
fn error_of_a_service_keeps_its_code_and_name() {
    let failure =
        RemoteFailure { code: 7, kind: "MeterError".into(), text: "no meter".into(), data: Vec::new() };
    let problem = Problem::from(Error::remote(failure));
    let value = problem.to_value();
    let text = |key: &str| value.at(key).unwrap().as_text().unwrap().to_owned();
    assert_eq!(problem.status(), 502);
    assert_eq!(
        (text("kind"), text("detail"), text("type")),
        ("MeterError".into(), "no meter".into(), "urn:linkspan:error:Remote".into())
    );
    assert_eq!(value.at("code").unwrap(), &Value::from(7));
    assert!(value.at("answer").is_err());
}

#[test]
fn problem_of_an_answer_has_the_answer_in_its_body() {
    let mut answer = Answer {
        id: "a1".into(),
        outcome: Outcome::Rejected,
        state: State::Paused,
        value: Value::Null,
        failure: Some(RemoteFailure {
            code: i64::from(ErrorKind::InvalidState.code()),
            kind: "InvalidState".into(),
            text: "it is paused".into(),
            data: Vec::new(),
        }),
    };
    let problem = Problem::of_answer(&answer).unwrap();
    assert_eq!(problem.to_value().at("answer").unwrap(), &answer.to_value());
    assert!(String::from_utf8(problem.body().unwrap()).unwrap().contains("it is paused"));
    answer.outcome = Outcome::Accepted;
    answer.failure = None;
    assert!(Problem::of_answer(&answer).is_none());
    assert_eq!(answer_status(&answer), 202);
    answer.outcome = Outcome::Done;
    assert_eq!(answer_status(&answer), 200);
}

#[test]
fn headers_list_the_allowed_methods() {
    assert!(Problem::method("GET, HEAD").headers().contains(&("allow", "GET, HEAD")));
    assert!(bearer(None).unwrap_err().headers().iter().any(|(name, _)| *name == "www-authenticate"));
    let unreachable = Problem::unreachable(&Error::new(ErrorKind::NotFound, "no controller"));
    assert_eq!(unreachable.status(), 503);
    assert!(unreachable.headers().contains(&("retry-after", "1")));
}

#[test]
fn long_data_becomes_its_size_and_unknown_events_are_skipped() {
    let data = |text: String| {
        Value::map([
            ("what", Value::from("data")),
            ("name", "power".into()),
            ("at", 7.into()),
            ("value", text.into()),
        ])
    };
    let short = Event::of(&data("x".into())).unwrap().unwrap();
    assert_eq!((short.name, short.json.contains("\"value\":\"x\"")), ("data", true));
    let long = Event::of(&data("x".repeat(MAX_EVENT_DATA))).unwrap().unwrap();
    assert!(long.json.len() < 200 && long.json.contains("\"too_large\":65"), "{}", long.json);
    assert_eq!(Event::of(&Value::map([("what", "weather")])).unwrap(), None);
    assert!(Event::of(&Value::map([("name", "power")])).is_err());
}

#[test]
fn token_is_equal_to_the_whole_of_itself_only() {
    let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
    let address = one.address("127.0.0.1:8017");
    let shown = address.strip_prefix("http://127.0.0.1:8017/#token=").unwrap().as_bytes();
    assert_eq!(shown, one.digits().as_bytes());
    assert!(shown.len() == 64 && one.is(shown) && !other.is(shown) && one.is_same(&one));
    for wrong in [&shown[1..], &shown[..63], b"", &[shown, b"0"].concat()] {
        assert!(!one.is(wrong));
    }
    assert_eq!(format!("{one:?}"), "Token(…)");
}

#[test]
fn token_file_is_read_only_where_its_owner_alone_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = Token::draw().unwrap();
    assert!(Token::from_file(&path).unwrap().is_none());
    for text in [token.digits().to_owned(), format!("{}\n", token.digits()), token.address("127.0.0.1:8017")]
    {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Token::from_file(&path).unwrap().unwrap().is_same(&token));
    }
    let kind = || Token::from_file(&path).unwrap_err().kind();
    for mode in [0o640, 0o604, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(kind(), ErrorKind::PermissionDenied);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for wrong in ["", "short", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65), "http://h/#token=a"] {
        fs::write(&path, wrong).unwrap();
        assert_eq!(kind(), ErrorKind::Malformed, "{wrong}");
    }
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert_eq!(kind(), ErrorKind::PermissionDenied);
}

#[test]
fn file_that_another_user_can_have_put_there_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let refused = |what: &str| {
        let error = read_private(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
        fs::remove_file(&path).unwrap();
    };
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    refused("a pipe");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    refused("a file of a terabyte");
    if rustix::process::geteuid().is_root() {
        fs::write(&path, "http://127.0.0.1:1/#token=theirs").unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        refused("another user's file");
    }
}

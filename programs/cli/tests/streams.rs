//! Standard input and output: transcoding, readers that end, Ctrl-C, and readable help.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use program::Place;

/// A shell script with the program in it as `linkspan`.
fn shell(place: &Place, script: &str) -> (Option<i32>, String, String) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_linkspan")).parent().unwrap().to_owned();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = std::process::Command::new("bash");
    command.args(["-c", script]).env("PATH", path).env("LINKSPAN_DIR", place.path());
    let finished = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (finished.status.code(), text(finished.stdout), text(finished.stderr))
}

#[test]
fn value_is_transcoded_through_every_encoding() {
    let place = Place::new();
    let script = "set -o pipefail
        echo '{\"a\": [1, 2.5, \"ü\", {\"$time\": \"2026-01-02T03:04:05Z\"}]}' \
            | linkspan transcode --to cbor | linkspan transcode --from cbor --to bson \
            | linkspan transcode --from bson --to smile | linkspan transcode --from smile --to json";
    let (code, out, err) = shell(&place, script);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out, "{\"a\":[1,2.5,\"ü\",{\"$time\":\"2026-01-02T03:04:05Z\"}]}\n");
}

#[test]
fn refused_bytes_are_reported_with_their_offset() {
    let place = Place::new();
    for (from, bytes, expected) in [
        ("json", &b"[1, 2,]"[..], "Malformed (115): "),
        ("cbor", &[0x82, 0x01], "Malformed (115): "),
        ("cbor", &[0xf7], "Unsupported (116): "),
        ("bson", &[5, 0, 0], "Malformed (115): "),
        ("smile", b":(\n\x00", "Malformed (115): "),
    ] {
        let finished = place.run_with(&["transcode", "--from", from, "--to", "cbor"], bytes);
        assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{from}");
        assert!(finished.err.starts_with(&format!("linkspan: {expected}")), "{from}: {}", finished.err);
        assert!(finished.err.contains(", at byte "), "{from}: {}", finished.err);
    }
}

#[test]
fn closed_output_ends_the_program_silently() {
    let place = Place::new();
    let script = "set -o pipefail
        (n=0; while echo $((n += 1)); do sleep 0.01; done) 2> /dev/null | linkspan pub count &
        linkspan sub count --json | head -n 2 | wc -l
        status=$?
        kill $! && wait
        exit $status";
    let (code, out, err) = shell(&place, script);
    assert_eq!((code, out.trim(), err.as_str()), (Some(0), "2", ""));
}

#[test]
fn closed_output_is_noticed_without_messages() {
    let place = Place::new();
    for command in ["sub quiet", "recv quiet --timeout forever", "rate quiet"] {
        let (code, out, err) = shell(&place, &format!("set -o pipefail; linkspan {command} --json | true"));
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""), "{command}");
    }
}

#[test]
fn output_of_one_command_is_input_of_another() {
    let place = Place::new();
    let mut source = place.start(&["pub", "a"]);
    let mut bridge = std::process::Command::new("bash")
        .args(["-c", "\"$0\" sub a --json | \"$0\" pub unix:b", env!("CARGO_BIN_EXE_linkspan")])
        .env("LINKSPAN_DIR", place.path())
        .spawn()
        .unwrap();
    let mut end = place.start(&["sub", "unix:b", "--json", "--count", "1"]);
    source.write("{\"x\":{\"$float\":\"nan\"}}\n");
    assert_eq!(end.line(), "{\"x\":{\"$float\":\"nan\"}}");
    assert_eq!(end.end().code, Some(0));
    // The bridge's first half is ended; the second follows.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", bridge.id())).unwrap();
    let first = children.split_whitespace().next().unwrap();
    assert!(std::process::Command::new("kill").arg(first).status().unwrap().success());
    assert!(bridge.wait().unwrap().success());
    assert_eq!(source.end().code, Some(0));
}

#[test]
fn ctrl_c_ends_every_wait() {
    let place = Place::new();
    for arguments in [
        &["recv", "a"][..],
        &["sub", "a"],
        &["ping", "a"],
        &["ping", "a", "--call", "1", "--timeout", "60"],
        &["rate", "a"],
        &["rate", "a*", "--json"],
        &["pub", "a"],
        &["pub", "a", "1"],
        &["pub", "a", "-"],
        &["send", "a", "1"],
        &["call", "a", "1", "--timeout", "forever"],
        &["latest", "a", "--timeout", "forever"],
        &["schema", "infer", "unix:a", "--timeout", "forever"],
    ] {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let running = place.start(arguments);
            // Signals are watched before anything else.
            running.wait_for_handlers();
            running.signal(signal);
            let finished = running.wait();
            assert_eq!((finished.code, finished.err.as_str()), (Some(code), ""), "{arguments:?} {signal}");
        }
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

/// Every command of the program, as words, with its help; the first one is the program itself.
fn commands(place: &Place) -> Vec<(Vec<String>, String)> {
    let mut remaining = vec![Vec::<String>::new()];
    let mut found = Vec::new();
    while let Some(words) = remaining.pop() {
        let help = place.run(
            &[&words[..], &["--help".to_owned()]].concat().iter().map(String::as_str).collect::<Vec<_>>(),
        );
        assert_eq!(help.code, Some(0), "{words:?}");
        let listed = help.out.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
        // A long description continues, indented.
        let named = listed.filter_map(|l| l.strip_prefix("  ").filter(|l| !l.starts_with(' ')));
        // These are separate programs, which need not be installed.
        let is_schema = words == ["schema"];
        for command in named
            .filter_map(|l| l.split_whitespace().next())
            .filter(|c| !["help", "bridge", "gateway", "record", "replay", "recording"].contains(c))
            .filter(|c| !is_schema || !["export", "import", "infer"].contains(c))
        {
            remaining.push([&words[..], &[command.to_owned()]].concat());
        }
        found.push((words, help.out));
    }
    assert!(found.len() >= 30, "{}", found.len());
    found
}

#[test]
fn every_command_shows_examples() {
    for (words, help) in commands(&Place::new()).into_iter().skip(1) {
        let examples = help.split_once("Examples:\n").map(|(_, examples)| examples);
        assert!(examples.is_some_and(|examples| examples.contains("linkspan ")), "{words:?}: {help}");
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_examples() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(place.run(&["man", folder.path().to_str().unwrap()]).code, Some(0));
    for (words, _) in commands(&place).into_iter().skip(1) {
        let page = folder.path().join(format!("linkspan-{}.1", words.join("-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        assert!(text.starts_with(".ie") && text.contains("Examples"), "{}", page.display());
    }
}

#[test]
fn completions_load_in_bash() {
    let place = Place::new();
    let (code, out, err) = shell(&place, "source <(linkspan completions bash) && complete -p linkspan");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("linkspan"), "{out}");
    let zsh = place.run(&["completions", "zsh"]);
    assert!(zsh.out.starts_with("#compdef linkspan"), "{}", zsh.err);
}

//! `linkspan schema` with the real program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use std::io::Write;
use std::process::Stdio;

use program::{Finished, Place};

const OLD: &str = "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n";

fn run(place: &Place, words: &[&str], input: &str) -> Finished {
    let mut command = place.command(words);
    command.current_dir(place.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

fn file(place: &Place, name: &str, text: &str) {
    std::fs::write(place.path().join(name), text).unwrap();
}

#[test]
fn schema_check_prints_nothing_or_file_line_and_column() {
    let place = Place::new();
    file(&place, "good.toml", OLD);
    file(&place, "bad.toml", &OLD.replace("f64", "f46").replace("unit = \"W\"\n", ""));
    let finished = run(&place, &["schema", "check", "good.toml"], "");
    assert_eq!((finished.code, finished.out.as_str(), finished.err.as_str()), (Some(0), "", ""));
    let finished = run(&place, &["schema", "check", "bad.toml"], "");
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.err.contains("bad.toml:3:8: no type is called \"f46\": did you mean \"f64\"?"),
        "{}",
        finished.err
    );
    for (name, code, kind) in [("none.toml", 2, "NotFound"), (".", 1, "Unsupported")] {
        let finished = run(&place, &["schema", "check", name], "");
        assert!(
            finished.code == Some(code) && finished.err.contains(kind),
            "{} {:?}",
            finished.err,
            finished.code
        );
    }
    std::fs::write(place.path().join("bytes.toml"), b"name = \"x\xff\"").unwrap();
    let finished = run(&place, &["schema", "show", "bytes.toml"], "");
    assert!(
        finished.code == Some(1) && finished.err.contains("Malformed") && finished.err.contains("at byte 9"),
        "{}",
        finished.err
    );
    // A device is refused by path, a descriptor is read.
    let finished = run(&place, &["schema", "check", "/dev/zero"], "");
    assert!(
        finished.code == Some(1)
            && finished.err.contains("/dev/zero: a device is not a text file: name a file"),
        "{}",
        finished.err
    );
    let finished = run(&place, &["schema", "show", "/dev/stdin"], OLD);
    assert!(finished.code == Some(0) && finished.out.contains("[fields.watts]"), "{}", finished.err);
}

#[test]
fn schema_check_of_two_is_for_a_commit_hook() {
    let place = Place::new();
    file(&place, "old.toml", OLD);
    file(&place, "more.toml", &format!("{OLD}[fields.more]\ntype = \"u8\"\n"));
    let finished = run(&place, &["schema", "check", "old.toml", "more.toml"], "");
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.out.starts_with("not backward: ")
            && finished.out.contains("\n  more: the field is missing there"),
        "{}",
        finished.out
    );
    assert!(finished.out.contains("\nforward: programs with the old schema read"), "{}", finished.out);
    for (require, code) in [("forward", 0), ("backward", 1), ("both", 1), ("none", 0)] {
        let finished = run(&place, &["schema", "check", "old.toml", "more.toml", "--require", require], "");
        assert_eq!(finished.code, Some(code), "{require}");
    }
    file(&place, "kilo.toml", &OLD.replace("\"W\"", "\"kW\""));
    let finished = run(&place, &["schema", "diff", "old.toml", "kilo.toml"], "");
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.out,
        "- [fields.watts] unit = \"W\"\n+ [fields.watts] unit = \"kW\"\nnew reads old: watts: the unit is W there and kW here: 1 W is 0.001 kW\nold reads new: watts: the unit is kW there and W here: 1 kW is 1000 W\n"
    );
    let finished = run(&place, &["schema", "diff", "old.toml", "old.toml"], "");
    assert_eq!((finished.code, finished.out.as_str()), (Some(0), ""));
    // Harmless differences are listed.
    file(&place, "later.toml", &OLD.replacen('\n', "\nversion = 2\ndoc = \"more\"\n", 1));
    let finished = run(&place, &["schema", "diff", "old.toml", "later.toml"], "");
    assert_eq!(
        (finished.code, finished.out.as_str()),
        (
            Some(0),
            "- version = 1\n+ version = 2\n+ doc = \"more\"\neach reads all that the other one writes\n"
        )
    );
}

#[test]
fn schema_show_resolves_included_files_and_keeps_the_fingerprint() {
    let place = Place::new();
    file(&place, "geo.toml", "name = \"geo.point\"\n[fields]\nlatitude = \"f64\"\n");
    file(&place, "all.toml", "name = \"all\"\ninclude = [\"geo.toml\"]\n[fields]\nat = \"geo.point\"\n");
    let shown = run(&place, &["schema", "show", "all.toml"], "");
    assert!(
        shown.out.contains("[fields.at.fields.latitude]\ntype = \"f64\"\n"),
        "{}{}",
        shown.out,
        shown.err
    );
    file(&place, "shown.toml", &shown.out);
    let fingerprint = run(&place, &["schema", "fingerprint", "all.toml"], "").out;
    assert_eq!(fingerprint.trim().len(), 64);
    assert_eq!(run(&place, &["schema", "fingerprint", "shown.toml"], "").out, fingerprint);
}

#[test]
fn schema_validate_names_the_line_and_the_path() {
    let place = Place::new();
    file(&place, "power.toml", OLD);
    let finished = run(&place, &["schema", "validate", "power.toml"], "{\"watts\": 1.5}\n\n{\"watts\": 2}\n");
    assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    let finished =
        run(&place, &["schema", "validate", "power.toml"], "{\"watts\": 1.5}\n{\"watts\": \"2\"}\n");
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.err.contains(
            "standard input, line 2: schema power: f64 in W is expected, text was found, at path watts"
        ),
        "{}",
        finished.err
    );
}

struct Holds(std::process::Child);

impl Drop for Holds {
    fn drop(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

fn publishes(place: &Place, at: &str, schema: &str) -> Holds {
    let words = ["pub", "--schema", schema, at, "{\"watts\": 1.5}", "--for", "60"];
    let mut command = place.command(&words);
    command.current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::null());
    Holds(command.spawn().unwrap())
}

#[test]
fn schema_of_a_name_is_shown_compared_and_used_for_validation() {
    let place = Place::new();
    file(&place, "watts.toml", OLD);
    file(&place, "kilo.toml", &OLD.replace("\"W\"", "\"kW\""));
    let _publisher = publishes(&place, "unix:lab/power", "watts.toml");
    let finished = run(&place, &["sub", "--schema", "watts.toml", "unix:lab/power", "-n", "1", "--json"], "");
    assert_eq!((finished.code, finished.out.trim()), (Some(0), "{\"watts\":1.5}"), "{}", finished.err);
    let finished = run(&place, &["schema", "show", "unix:lab/power"], "");
    assert!(
        finished.code == Some(0) && finished.out.contains("unit = \"W\""),
        "{} {}",
        finished.out,
        finished.err
    );
    let finished = run(&place, &["schema", "diff", "unix:lab/power", "kilo.toml"], "");
    assert!(
        finished.code == Some(1) && finished.out.contains("watts: the unit is W there and kW here"),
        "{}",
        finished.out
    );
    let finished = run(&place, &["sub", "--schema", "kilo.toml", "unix:lab/power", "-n", "1"], "");
    assert!(
        finished.code == Some(1) && finished.err.contains("SchemaMismatch"),
        "{:?} {}",
        finished.code,
        finished.err
    );
    assert!(
        finished.err.contains("watts: the unit is W there and kW here: 1 W is 0.001 kW"),
        "{}",
        finished.err
    );
    let finished = run(&place, &["ls"], "");
    assert!(finished.out.contains("watts: the unit is W here and kW there"), "{}", finished.out);
    let finished = run(&place, &["doctor"], "");
    assert!(
        finished.code == Some(1) && finished.out.contains("a program called unix:lab/power whose schema"),
        "{}",
        finished.out
    );
    assert!(finished.out.contains("watts: the unit is W here and kW there"), "{}", finished.out);
    let finished = run(&place, &["schema", "show", "unix:lab/nobody"], "");
    assert!(
        finished.code == Some(4) && finished.err.contains("no program listens"),
        "{:?} {}",
        finished.code,
        finished.err
    );
    // A missing file is an error in the command line for every command.
    for words in [
        "pub unix:lab/x 1 --schema nofile",
        "schema check nofile",
        "schema show nofile.schema.toml",
        "schema diff nofile nofile",
    ] {
        let finished = run(&place, &words.split(' ').collect::<Vec<_>>(), "");
        assert!(
            finished.code == Some(2) && finished.err.contains("NotFound (103)"),
            "{words}: {}",
            finished.err
        );
    }
    let finished =
        run(&place, &["pub", "--schema", "watts.toml", "unix:lab/other", "{\"watts\": \"much\"}"], "");
    assert!(
        finished.code == Some(1)
            && finished.err.contains("watts")
            && finished.err.contains("f64 in W is expected"),
        "{}",
        finished.err
    );
}

#[test]
fn generate_writes_files_named_after_the_schema_or_prints_them() {
    let place = Place::new();
    file(&place, "good.toml", OLD);
    let finished =
        run(&place, &["schema", "generate", "--lang", "rust", "good.toml", "--output", "new/src"], "");
    assert_eq!((finished.code, finished.out.as_str(), finished.err.as_str()), (Some(0), "", ""));
    let written = std::fs::read_to_string(place.path().join("new/src/power.rs")).unwrap();
    assert!(written.contains("pub watts: f64,") && written.contains("/// Unit: W."), "{written}");
    let finished = run(&place, &["schema", "generate", "--lang", "rust", "good.toml", "--output", "-"], "");
    assert_eq!((finished.code, finished.out), (Some(0), written));
    let finished =
        run(&place, &["schema", "generate", "--lang", "rust", "good.toml", "--output", "good.toml"], "");
    assert!(
        finished.code == Some(1) && finished.err.contains("making the directory good.toml"),
        "{}",
        finished.err
    );
}

#[test]
fn generate_check_names_each_file_that_differs_and_writes_none() {
    let place = Place::new();
    file(&place, "good.toml", OLD);
    for language in ["rust", "c", "cpp", "fortran", "python", "php"] {
        let words = |check: bool| {
            let mut words = vec!["schema", "generate", "--lang", language, "good.toml", "--output", language];
            words.extend(check.then_some("--check"));
            words
        };
        let missing = run(&place, &words(true), "");
        let folder = place.path().join(language);
        assert!(missing.code == Some(1) && missing.err.is_empty(), "{language}: {}", missing.err);
        assert!(missing.out.lines().all(|line| line.ends_with(": does not exist")), "{}", missing.out);
        assert!(!folder.exists(), "{language}");
        assert_eq!(run(&place, &words(false), "").code, Some(0));
        let good = run(&place, &words(true), "");
        assert_eq!((good.code, good.out.as_str(), good.err.as_str()), (Some(0), "", ""), "{language}");
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), missing.out.lines().count(), "{language}: {}", missing.out);
        for path in files {
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let cut = lines.len() / 2;
            let changed = |line: &str| {
                let mut changed = lines.clone();
                changed[cut] = line;
                changed.join("\n") + "\n"
            };
            let other = changed("oops");
            let longer = format!("{text}oops\n");
            let shorter = lines[..cut].join("\n") + "\n";
            let windows = text.replacen('\n', "\r\n", 1);
            let at_end = lines.len() + 1;
            for (edited, text) in [
                (&other, format!("{language}/{name}:{}: found \"oops\", expected ", cut + 1)),
                (
                    &longer,
                    format!("{language}/{name}:{at_end}: found \"oops\", expected the end of the file"),
                ),
                (&shorter, format!("{language}/{name}:{}: found the end of the file", cut + 1)),
                (&windows, format!("{language}/{name}:1: ")),
            ] {
                std::fs::write(&path, edited).unwrap();
                let finished = run(&place, &words(true), "");
                assert!(
                    finished.code == Some(1) && finished.out.contains(&text),
                    "{text}: {} {}",
                    finished.out,
                    finished.err
                );
                assert_eq!(finished.out.lines().count(), 1, "{}", finished.out);
                assert_eq!(&std::fs::read_to_string(&path).unwrap(), edited);
            }
            std::fs::write(&path, text).unwrap();
        }
    }
}

#[test]
fn schema_show_all_lists_the_schemas_of_the_records_of_a_journal() {
    let place = Place::new();
    file(&place, "old.toml", OLD);
    file(&place, "new.toml", &format!("{OLD}[fields.phase]\ntype = \"u8\"\ndefault = 1\n"));
    for schema in ["old.toml", "new.toml"] {
        let finished = run(&place, &["pub", "--schema", schema, "journal:lab/power", "{\"watts\": 1.5}"], "");
        assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    }
    let finished = run(&place, &["schema", "show", "journal:lab/power", "--all"], "");
    assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    let (old, new) = finished.out.split_once("# from message 2 on\n").expect(&finished.out);
    assert!(old.starts_with("# from message 1 on\n# fingerprint "), "{old}");
    assert!(!old.contains("phase") && new.contains("[fields.phase]"), "{}", finished.out);
    let newest = run(&place, &["schema", "show", "journal:lab/power"], "").out;
    assert!(newest.contains("[fields.phase]") && !newest.contains("# from message"), "{newest}");
}

#[test]
fn reply_schema_is_shown_by_name_and_compared_with_the_callers() {
    let place = Place::new();
    let level = "name = \"tank\"\n[fields.level]\ntype = \"f64\"\nunit = \"m\"\n";
    file(&place, "power.toml", OLD);
    file(&place, "level.toml", level);
    file(&place, "cm.toml", &level.replace("\"m\"", "\"cm\""));
    let with = ["--schema", "power.toml", "--reply-schema"];
    let mut words = vec!["reply"];
    words.extend(with);
    words.extend(["level.toml", "unix:lab/tank", "--command", "echo", "--", "{\"level\":2.5}"]);
    let mut command = place.command(&words);
    command.current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let _holds = Holds(command.spawn().unwrap());
    let call = |schema| {
        let mut words = vec!["call"];
        words.extend(with);
        words.extend([schema, "unix:lab/tank", "{\"watts\": 1.0}"]);
        run(&place, &words, "")
    };
    // A call waits for the name; showing does not.
    let finished = call("level.toml");
    assert_eq!((finished.code, finished.out.trim(), finished.err.as_str()), (Some(0), "{level: 2.5}", ""));
    let finished = run(&place, &["schema", "show", "unix:lab/tank", "--reply"], "");
    assert!(
        finished.out.contains("name = \"tank\"") && finished.out.contains("unit = \"m\""),
        "{} {}",
        finished.out,
        finished.err
    );
    let finished = call("cm.toml");
    assert!(
        finished.err.contains("SchemaMismatch (117)")
            && finished.err.contains("the unit is m there and cm here"),
        "{}",
        finished.err
    );
    assert_ne!(finished.code, Some(0));
}

//! The layers of the core: a module uses layers below its own, never one above, never a sibling.
//!
//! That values, codecs and schemas use nothing above them is held by the compiler: they are the crate `linkspan-value`. So are the
//! system calls and deadlines in `linkspan-os`, and frames, keys and transports in `linkspan-transport`. The order inside of the
//! first, and that what is above uses only some of each, is held here.
//!
//! Reads the sources as text: every `crate::name` and every `super::` that climbs to the root, outside comments. Names
//! that the root re-exports count as the module that they come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::sources_under;

/// The layers, from the lowest up.
const FLOORS: [&[&str]; 11] = [
    // In tests alone: the check of the documents against the code, and the random histories.
    &["error", "buffers", "documents", "histories"],
    &["body"],
    &["deadline", "value"],
    &["sys", "codec", "frame", "keys"],
    // A schema's fingerprint is that of CBOR, so it is above the codecs.
    &["transport", "region", "schema"],
    // A message may be checked against a schema while it is decoded.
    &["message", "convert"],
    &["channel"],
    &["request", "publish"],
    &["service", "registry", "verbs"],
    // Above services: the doctor, and the rules of the controller's page.
    &["doctor", "page"],
    // In tests and under a fuzzer alone: they use every layer.
    &["costs", "fuzzing", "ninth", "planted_rule"],
];

/// Siblings that may use each other, each with its reason.
const ALLOWED: [(&str, &str); 1] = [
    // A test of the table of errors holds the documents to it.
    ("error", "documents"),
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The modules behind the names that the root re-exports: `Encoding` is `codec`.
fn re_exports(root: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let code: String = root.lines().map(without_comment).collect::<Vec<_>>().join(" ");
    for statement in code.split(';') {
        let Some((_, path)) = statement.split_once("use ") else { continue };
        let Some((module, rest)) = path.split_once("::") else { continue };
        // The modules of the crates below, under their own names.
        if ["linkspan_value", "linkspan_os", "linkspan_transport"].contains(&module.trim()) {
            continue;
        }
        for name in rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|n| !n.is_empty()) {
            names.insert(name.to_owned(), module.trim().to_owned());
        }
    }
    names
}

fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// The name at the start of a text, and the names in braces there.
fn first_names(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let Some(inside) = text.strip_prefix('{') else {
        return vec![text.split(|c| !is_part(c)).next().unwrap_or("")];
    };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut start = Some(0);
    for (i, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = Some(i + 1),
            c if is_part(c) && depth == 0 => {
                if let Some(from) = start.take() {
                    let name = inside[from..].trim_start();
                    names.push(name.split(|c| !is_part(c)).next().unwrap_or(""));
                }
            }
            _ => {}
        }
    }
    names
}

/// Returns the modules that a source file names at the root of the crate, with the line of each.
fn named_at_root(source: &str, depth: usize) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.lines().map(without_comment).collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        // A list in braces may continue on the next line.
        let whole = || lines[i..(i + 8).min(lines.len())].join(" ");
        for (at, _) in line.match_indices("crate::") {
            // `$crate::` in a macro is the same crate; a longer word is another.
            let before = line[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' {
                continue;
            }
            let rest = &whole()[at + "crate::".len()..];
            found.extend(first_names(rest).into_iter().map(|name| (i + 1, name.to_owned())));
        }
        if let Some(path) = line.strip_prefix("use ").or_else(|| line.strip_prefix("pub(crate) use ")) {
            let steps = path.split("::").take_while(|step| *step == "super").count();
            if steps > 0 && steps >= depth {
                let start = line.len() - path.len() + steps * "super::".len();
                found.extend(first_names(&whole()[start..]).into_iter().map(|name| (i + 1, name.to_owned())));
            }
        }
    }
    found
}

/// Returns the violations in one file of a module.
fn faults(module: &str, source: &str, depth: usize, exported: &BTreeMap<String, String>) -> Vec<String> {
    let Some(own) = floor(module) else { return vec![format!("the module {module} stands on no floor")] };
    let mut faults = Vec::new();
    for (line, name) in named_at_root(source, depth) {
        let target = exported.get(&name).cloned().unwrap_or(name);
        let Some(other) = floor(&target) else {
            faults.push(format!("line {line}: {target} stands on no floor"));
            continue;
        };
        if target == module || other < own || ALLOWED.contains(&(module, &target)) {
            continue;
        }
        let step = if other == own { "sideways" } else { "up" };
        faults.push(format!("line {line}: {module} (floor {own}) steps {step} to {target} (floor {other})"));
    }
    faults
}

#[test]
fn every_module_uses_only_floors_below_it() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wrong = [core.join("src"), core.join("value/src")].map(|folder| wrong_steps(&folder)).concat();
    assert!(wrong.is_empty(), "{} steps leave their floor:\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns the violations in the crate whose sources are in this folder, a line each.
fn wrong_steps(folder: &Path) -> Vec<String> {
    let exported = re_exports(&fs::read_to_string(folder.join("lib.rs")).unwrap());
    let mut sources = Vec::new();
    sources_under(folder, &mut sources);
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for path in sources {
        let inner = path.strip_prefix(folder).unwrap();
        let steps: Vec<String> = inner
            .with_extension("")
            .components()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .collect();
        if steps == ["lib"] {
            continue;
        }
        let depth = steps.iter().filter(|s| *s != "mod").count();
        let source = fs::read_to_string(&path).unwrap();
        looked_at += 1;
        wrong.extend(
            faults(&steps[0], &source, depth, &exported).iter().map(|f| format!("{}, {f}", inner.display())),
        );
    }
    assert!(looked_at > 50, "only {looked_at} files were found under {}", folder.display());
    wrong
}

#[test]
fn steps_up_and_sideways_are_found() {
    let root = "pub use channel::{Channel, Listener};\npub use codec::Encoding;\n";
    let exported = re_exports(root);
    let bad = [
        ("region", "use crate::message::Message;", "up to message"),
        ("region", "use crate::transport::Tx;", "sideways to transport"),
        ("region", "fn f() { let c = crate::Channel::new(); }", "up to channel"),
        ("codec", "use crate::{\n    error::Error,\n    schema::{Type, Kind},\n};", "up to schema"),
        ("request", "use crate::publish;", "sideways to publish"),
        ("value", "use super::codec::Encoding;", "up to codec"),
        ("value", "use super::{error::Error, codec};", "up to codec"),
        ("channel", "use crate::utils::x;", "utils stands on no floor"),
        ("utils", "", "utils stands on no floor"),
    ];
    for (module, source, expected) in bad {
        let found = faults(module, source, 1, &exported);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(found[0].contains(expected), "{source}: {found:?}");
    }
    let good = [
        ("region", "use crate::error::Error; // crate::channel is not for us"),
        ("region", "use crate::region::Layout;\nuse crate::sys::{fork, lock};"),
        ("channel", "use crate::{Encoding, error::{Error, Result}};"),
        ("service", "use crate::{channel, publish::{Publisher, Subscriber}, request};"),
    ];
    for (module, source) in good {
        assert_eq!(faults(module, source, 1, &exported), [""; 0], "{source}");
    }
    // One step up from a file in a folder stays in the folder.
    assert_eq!(faults("value", "use super::codec::Encoding;", 2, &exported), [""; 0]);
}

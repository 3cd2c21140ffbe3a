//! The modules of the shell program have no cycles: each uses only modules below it.
//!
//! Reads the sources as text. A module uses what its `crate::` and `super::` paths name, and the child modules that it declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Every source file under `folder` by the path of its module: `service/mod.rs` is `service`, `service/args.rs` is `service::args`.
fn modules(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = if prefix.is_empty() { stem.to_owned() } else { format!("{prefix}::{stem}") };
        if path.is_dir() {
            modules(&path, &name, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "tests" {
            let name = if stem == "mod" { prefix.to_owned() } else { name };
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The source without comments, and without its module of tests, which may use everything.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths that follow `start`, with those in braces written out: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn paths(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let Some(inside) = rest.strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::")) else {
        return vec![path.to_owned()];
    };
    let mut found = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices() {
        let ends = depth == 0 && (c == ',' || c == '}');
        if ends {
            found.extend(paths(inside[start..at].trim()).into_iter().map(|inner| format!("{path}{inner}")));
            start = at + 1;
        }
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

/// The module that a path names: the longest of its beginnings that is a module.
fn module_of(path: &str, known: &BTreeSet<String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    (1..=parts.len()).rev().map(|length| parts[..length].join("::")).find(|name| known.contains(name))
}

fn uses(name: &str, source: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let code = code(source);
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(['_', '$'])) {
        used.extend(paths(&code[at + "crate::".len()..]).iter().filter_map(|path| module_of(path, known)));
    }
    for (at, _) in code.match_indices("super::").filter(|(at, _)| !code[..*at].ends_with("super::")) {
        let mut rest = &code[at..];
        let mut base: Vec<&str> = name.split("::").collect();
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        let base = base.join("::");
        for path in paths(rest) {
            let path = if base.is_empty() { path } else { format!("{base}::{path}") };
            used.extend(module_of(&path, known));
        }
    }
    for line in code.lines() {
        let declared = line
            .trim()
            .trim_start_matches("pub ")
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(child) = declared {
            let child = if name == "main" { child.to_owned() } else { format!("{name}::{child}") };
            used.extend(known.get(&child).cloned());
        }
    }
    used.remove(name);
    used
}

fn graph(sources: &BTreeMap<String, String>) -> Graph {
    let known: BTreeSet<String> = sources.keys().cloned().collect();
    sources.iter().map(|(name, source)| (name.clone(), uses(name, source, &known))).collect()
}

/// The modules of one cycle, or none. Removes modules that use nothing that is left; what remains uses itself.
fn cycle(mut graph: Graph) -> Option<Vec<String>> {
    loop {
        let leaf = graph.iter().find(|(_, used)| !used.iter().any(|name| graph.contains_key(name)));
        let Some(leaf) = leaf.map(|(name, _)| name.clone()) else { break };
        graph.remove(&leaf);
    }
    let mut way = vec![graph.keys().next()?.clone()];
    loop {
        let next = graph[way.last()?].iter().find(|name| graph.contains_key(*name))?.clone();
        if let Some(start) = way.iter().position(|name| *name == next) {
            way.push(next);
            return Some(way.split_off(start));
        }
        way.push(next);
    }
}

#[test]
fn modules_have_no_cycle() {
    let mut sources = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    let graph = graph(&sources);
    // What the parser must find, so that a change of style cannot blind it.
    assert!(graph["service::queries"].contains("service::connection"), "{:?}", graph["service::queries"]);
    assert!(graph["service::queries"].contains("output"), "{:?}", graph["service::queries"]);
    assert!(graph["main"].contains("service") && graph["service"].contains("service::queries"));
    assert_eq!(cycle(graph), None);
}

#[test]
fn cycles_are_found_through_every_form_of_path() {
    let sources = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, source)| (String::from(*name), String::from(*source))).collect()
    };
    for (a, b) in [
        ("use crate::b::B;", "use crate::a;"),
        ("use crate::{output, b::{self, B}};", "fn f() { crate::a::g() }"),
        ("use super::b;", "use super::{x, a::A};"),
    ] {
        let found = cycle(graph(&sources(&[("a", a), ("b", b), ("main", "mod a;\nmod b;")])));
        assert_eq!(found, Some(vec!["a".into(), "b".into(), "a".into()]), "{a} {b}");
    }
    let child = sources(&[("top", "mod child;"), ("top::child", "use super::Args;")]);
    assert!(cycle(graph(&child)).is_some());
    for (a, b) in [
        ("use crate::b;", "// use crate::a;"),
        ("use crate::b;", "#[cfg(test)]\nmod tests { use super::super::a; }"),
    ] {
        assert_eq!(cycle(graph(&sources(&[("a", a), ("b", b)]))), None, "{a} {b}");
    }
}

//! No module of a crate uses, directly or indirectly, a module that uses it.
//!
//! This covers the workspace's crates with a folder `src`, and the layers of the core's crates. The compiler
//! keeps crates from using higher crates.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::crates;
use crate::support::modules::{Graph, cycles, graph, graph_of};

fn described(set: &[String], graph: &Graph) -> String {
    let line = |name: &String| {
        let inside: Vec<&str> =
            graph[name].iter().filter(|used| set.contains(used)).map(String::as_str).collect();
        format!("    {name} uses {}\n", inside.join(", "))
    };
    set.iter().map(line).collect()
}

#[test]
fn no_crate_has_a_cycle_of_modules() {
    let (mut modules, mut found) = (0, String::new());
    for folder in crates() {
        let graph = graph(&folder.join("src"));
        modules += graph.len();
        for set in cycles(&graph) {
            found += &format!("{}:\n{}", folder.display(), described(&set, &graph));
        }
    }
    assert!(modules > 1000, "only {modules} modules were found");
    assert!(found.is_empty(), "these modules use each other; move what they share below them:\n{found}");
}

/// The crates of the core whose modules at the root are layers.
///
/// Messages are below channels, channels below requests and publishing, listings below the doctor, codecs
/// below schemas.
const LAYERED: [&str; 5] =
    ["rust-core/value", "rust-core/os", "rust-core/session", "rust-core/engine", "rust-core/service"];

fn at_root(graph: &Graph) -> Graph {
    let top = |name: &str| name.split("::").next().unwrap_or_default().to_owned();
    let mut tops = Graph::new();
    for (name, used) in graph.iter().filter(|(name, _)| !name.is_empty()) {
        let all = tops.entry(top(name)).or_default();
        all.extend(used.iter().filter(|used| !used.is_empty()).map(|used| top(used)));
        all.remove(&top(name));
    }
    tops
}

#[test]
fn no_layer_uses_one_that_uses_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = String::new();
    for folder in LAYERED {
        let graph = at_root(&graph(&root.join(folder).join("src")));
        assert!(graph.len() > 3, "only {} layers were found in {folder}", graph.len());
        for set in cycles(&graph) {
            found += &format!("{folder}:\n{}", described(&set, &graph));
        }
    }
    assert!(found.is_empty(), "these layers use each other; move what they share below them:\n{found}");
}

#[test]
fn layers_that_use_each_other_through_different_modules_are_found() {
    let sources = [
        ("", "mod low;\nmod high;"),
        ("low", "mod a;\nmod b;"),
        ("low::a", "use crate::high::c::C;"),
        ("low::b", "pub struct B;"),
        ("high", "pub mod c;\nmod d;"),
        ("high::c", "pub struct C;"),
        ("high::d", "use crate::low::b::B;"),
    ];
    let sources = sources.map(|(name, source)| (name.to_owned(), source.to_owned()));
    let graph = graph_of(&BTreeMap::from(sources));
    assert_eq!(cycles(&graph), [[""; 0]; 0]);
    assert_eq!(cycles(&at_root(&graph)), [["high", "low"]]);
}

#[test]
fn graph_finds_the_known_uses_in_our_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cli = graph(&root.join("programs/cli/src"));
    assert!(cli["service::queries"].contains("service::connection"), "{:?}", cli["service::queries"]);
    assert!(cli["service::queries"].contains("output"), "{:?}", cli["service::queries"]);
    assert!(cli[""].contains("service"), "{:?}", cli[""]);
    let engine = graph(&root.join("rust-core/engine/src"));
    // Through a name that `channel` re-exports.
    assert!(engine["publish::latest"].contains("channel::options"), "{:?}", engine["publish::latest"]);
    assert!(!engine.keys().any(|name| name.ends_with("tests") || name.contains("simulation")));
}

#[test]
fn cycles_are_found_through_every_form_of_path() {
    let sources = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
    };
    let of = |a: &str, b: &str| {
        cycles(&graph_of(&sources(&[("a", a), ("b", b), ("", "mod a;\nmod b;\npub use b::B;")])))
    };
    for (a, b) in [
        ("use crate::b::B;", "use crate::a::A;"),
        ("use crate::{output, b::{self, B}};", "fn f() { crate::a::g() }"),
        ("use super::b; fn f() { b::g() }", "use super::{x, a::A};"),
        ("use crate::B;", "use crate::a::*;"),
        ("use crate::b as c; const N: u8 = c::N;", "fn f() -> super::a::A { '\"'; \"\\\"\" }"),
    ] {
        assert_eq!(of(a, b), [["a", "b"]], "{a} {b}");
    }
    for (a, b) in [
        ("use crate::b::B;", "// use crate::a::A;\n/* crate::a::g() */"),
        ("use crate::b::B;", "#[cfg(test)]\nmod tests { use super::super::a::A; }"),
        ("use crate::b::B;", "const TEXT: &str = r#\"crate::a::A\"#;"),
        ("use crate::b::B;", "pub use other::a::A; use std::a;"),
    ] {
        assert_eq!(of(a, b), [[""; 0]; 0], "{a} {b}");
    }
    let child = |child: &str| {
        cycles(&graph_of(&sources(&[
            ("", ""),
            ("top", "mod child; struct Args; fn f() { child::run() }"),
            ("top::child", child),
        ])))
    };
    assert_eq!(child("use super::Args;"), [["top", "top::child"]]);
    assert_eq!(child("use crate::{x, y};"), [[""; 0]; 0]);
}

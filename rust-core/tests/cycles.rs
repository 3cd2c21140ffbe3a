//! No module of any crate uses, directly or indirectly, a module that uses it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::modules::{Graph, cycles, graph, graph_of};

/// The crates, by their folders. The core's cycles do not go beyond a layer, see `layering.rs`.
const CRATES: [&str; 12] = [
    "rust-core",
    "rust-core/value",
    "rust-core/os",
    "rust-core/transport",
    "controller",
    "schema-tools",
    "cli",
    "c-api",
    "python",
    "php",
    "bridge",
    "benches",
];

/// Returns the uses within a set of modules, a line each.
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = String::new();
    for folder in CRATES {
        let graph = graph(&root.join(folder).join("src"));
        assert!(graph.len() > 10, "only {} modules were found in {folder}", graph.len());
        for set in cycles(&graph) {
            found += &format!("{folder}:\n{}", described(&set, &graph));
        }
    }
    assert!(found.is_empty(), "these modules use each other; move what they share below them:\n{found}");
}

#[test]
fn graph_finds_the_known_uses_in_our_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cli = graph(&root.join("cli/src"));
    assert!(cli["service::queries"].contains("service::connection"), "{:?}", cli["service::queries"]);
    assert!(cli["service::queries"].contains("output"), "{:?}", cli["service::queries"]);
    assert!(cli[""].contains("service"), "{:?}", cli[""]);
    let core = graph(&root.join("rust-core/src"));
    // Through a name that `channel` re-exports.
    assert!(core["service::link"].contains("channel::ends"), "{:?}", core["service::link"]);
    assert!(!core.keys().any(|name| name.ends_with("tests") || name.contains("simulation")));
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

//! The modules of a crate and their uses of each other, read from the sources as text.
//!
//! A module uses another module if it names an item defined there, even by a re-export. Declaring children,
//! or re-exporting their items, is not a use. Code only for tests, comments and texts are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::tokens::{is_word, tokens};

/// Each module by its path, with the modules that it uses. The root is the empty text.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, Default)]
struct Module {
    /// Names that a `use` imports, and their origin, from the root.
    aliases: BTreeMap<String, Vec<String>>,
    /// Modules whose items a `use` imports all.
    globs: Vec<Vec<String>>,
    defined: BTreeSet<String>,
    /// Paths in use, from the root, without re-exports of children.
    used: Vec<Vec<String>>,
    /// Paths that begin with a name, resolved after all aliases are known.
    relative: Vec<Vec<String>>,
}

/// Returns the end of the block or statement that begins here, after its `}` or `;`.
fn end_of_item(tokens: &[&str], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match *token {
            "{" => depth += 1,
            "}" if depth <= 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Parses the tree of a `use`; returns its paths with the imported names, and the end.
fn tree(tokens: &[&str], mut at: usize, path: &[String], found: &mut Vec<(Vec<String>, String)>) -> usize {
    let mut path = path.to_vec();
    loop {
        match tokens.get(at).copied() {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some("::") => at += 1,
            Some("as") => {
                if let (Some((_, name)), Some(new)) = (found.last_mut(), tokens.get(at + 1)) {
                    (*new).clone_into(name);
                }
                return at + 2;
            }
            Some(token) if is_word(token) || token == "*" => {
                if token != "self" || path.is_empty() {
                    path.push(token.to_owned());
                }
                at += 1;
                if tokens.get(at) != Some(&"::") {
                    let name = path.last().cloned().unwrap_or_default();
                    found.push((path.clone(), name));
                    if tokens.get(at) != Some(&"as") {
                        return at;
                    }
                }
            }
            _ => return at,
        }
    }
}

/// Returns the path from the root for a path with `crate`, `self` or `super`.
fn absolute(module: &str, path: &[String]) -> Option<Vec<String>> {
    let mut base: Vec<String> =
        module.split("::").filter(|step| !step.is_empty()).map(str::to_owned).collect();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {}
        _ => return None,
    }
    while rest.first().is_some_and(|step| step == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend_from_slice(rest);
    Some(base)
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_owned() } else { format!("{module}::{child}") }
}

fn read(name: &str, tokens: &[&str], into: &mut BTreeMap<String, Module>, for_tests: &mut BTreeSet<String>) {
    const ITEMS: [&str; 9] =
        ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];
    let mut module = into.remove(name).unwrap_or_default();
    let mut at = 0;
    let mut test_only = false;
    while at < tokens.len() {
        let token = tokens[at];
        let before = if at > 0 { tokens[at - 1] } else { "" };
        if token == "#" && tokens.get(at + 1) == Some(&"[") {
            let end = (at..tokens.len()).find(|at| tokens[*at] == "]").unwrap_or(at);
            let inside = &tokens[at..end];
            test_only |= inside.contains(&"cfg") && inside.contains(&"test") && !inside.contains(&"not");
            at = end + 1;
            continue;
        }
        if test_only {
            if let Some(place) = tokens[at..].iter().take(5).position(|token| *token == "mod") {
                for_tests.insert(join(name, tokens.get(at + place + 1).copied().unwrap_or("")));
            }
            test_only = false;
            at = end_of_item(tokens, at);
            continue;
        }
        match token {
            "use" => {
                let mut found = Vec::new();
                at = tree(tokens, at + 1, &[], &mut found);
                for (path, new) in found {
                    let path = absolute(name, &path).unwrap_or_else(|| {
                        let mut relative = vec!["?".to_owned()];
                        relative.extend(path);
                        relative
                    });
                    if new == "*" {
                        module.globs.push(path[..path.len() - 1].to_vec());
                    } else {
                        module.aliases.insert(new, path.clone());
                    }
                    let re_export = matches!(before, "pub" | ")");
                    let below = path.len() > 1 && path[..path.len() - 1].join("::").starts_with(name);
                    if !(re_export && (below || path[0] == "?")) {
                        module.used.push(path);
                    }
                }
                continue;
            }
            "mod" if tokens.get(at + 2) == Some(&"{") => {
                let end = end_of_item(tokens, at);
                read(&join(name, tokens[at + 1]), &tokens[at + 3..end - 1], into, for_tests);
                at = end;
                continue;
            }
            "mod" => at += 1,
            item if ITEMS.contains(&item) => {
                module
                    .defined
                    .extend(tokens.get(at + 1).filter(|next| is_word(next)).map(|next| (*next).to_owned()));
            }
            word if is_word(word) && !matches!(before, "::" | ".") && tokens.get(at + 1) == Some(&"::") => {
                let mut path = vec![word.to_owned()];
                while tokens.get(at + 1) == Some(&"::")
                    && tokens.get(at + 2).is_some_and(|next| is_word(next))
                {
                    path.push(tokens[at + 2].to_owned());
                    at += 2;
                }
                match absolute(name, &path) {
                    Some(path) => module.used.push(path),
                    None => module.relative.push(path),
                }
            }
            _ => {}
        }
        at += 1;
    }
    into.insert(name.to_owned(), module);
}

/// Returns the module that defines the item of a path.
fn defined_in(
    path: &[String],
    modules: &BTreeMap<String, Module>,
    from: &str,
    depth: usize,
) -> Option<String> {
    let mut path = path.to_vec();
    if path.first()? == "?" {
        // A name in this module: of a child, of an imported item, or of another crate.
        let child = join(from, path.get(1)?);
        let alias = modules[from].aliases.get(&path[1]).filter(|alias| alias[0] != "?" || alias.len() > 2);
        if modules.contains_key(&child) {
            path = child.split("::").map(str::to_owned).chain(path[2..].iter().cloned()).collect();
        } else if let Some(alias) = alias.filter(|_| path.len() > 2 && depth < 8) {
            path = alias.iter().chain(&path[2..]).cloned().collect();
            return defined_in(&path, modules, from, depth + 1);
        } else {
            return None;
        }
    }
    let mut module = String::new();
    for (i, step) in path.iter().enumerate() {
        let below = join(&module, step);
        if modules.contains_key(&below) {
            module = below;
            continue;
        }
        let here = &modules[&module];
        if here.defined.contains(step) || depth > 8 {
            return Some(module);
        }
        if let Some(alias) = here.aliases.get(step) {
            let rest: Vec<String> = alias.iter().chain(&path[i + 1..]).cloned().collect();
            return defined_in(&rest, modules, &module, depth + 1);
        }
        for glob in &here.globs {
            let inside: Vec<String> = glob.iter().chain(&path[i..]).cloned().collect();
            let found = defined_in(&inside, modules, &module, depth + 1);
            if let Some(found) = found.filter(|found| modules[found].defined.contains(step)) {
                return Some(found);
            }
        }
        return Some(module);
    }
    None
}

fn sources(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            sources(&path, &join(prefix, stem), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let root = prefix.is_empty() && matches!(stem, "lib" | "main");
            let name = if root || stem == "mod" { prefix.to_owned() } else { join(prefix, stem) };
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// Returns the uses among the modules of a crate's sources.
pub fn graph(folder: &Path) -> Graph {
    let mut found = BTreeMap::new();
    sources(folder, "", &mut found);
    graph_of(&found)
}

/// Like [`graph`], for sources by the paths of their modules.
pub fn graph_of(sources: &BTreeMap<String, String>) -> Graph {
    let mut modules = BTreeMap::new();
    let mut for_tests = BTreeSet::new();
    for (name, source) in sources {
        read(name, &tokens(source), &mut modules, &mut for_tests);
    }
    let is_for_tests = |name: &str| {
        for_tests
            .iter()
            .any(|test| name == test || name.strip_prefix(test).is_some_and(|rest| rest.starts_with("::")))
    };
    modules.retain(|name, _| !is_for_tests(name));
    let uses = |name: &str, module: &Module| {
        let relative = module.relative.iter().map(|path| {
            let mut named = vec!["?".to_owned()];
            named.extend(path.iter().cloned());
            named
        });
        let paths = module.used.iter().cloned().chain(relative);
        let mut used: BTreeSet<String> =
            paths.filter_map(|path| defined_in(&path, &modules, name, 0)).collect();
        used.remove(name);
        used
    };
    modules.iter().map(|(name, module)| (name.clone(), uses(name, module))).collect()
}

/// Returns the sets of modules that use each other, directly or indirectly.
pub fn cycles(graph: &Graph) -> Vec<Vec<String>> {
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut left = vec![from.to_owned()];
        while let Some(name) = left.pop() {
            for used in graph.get(&name).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    left.push(used.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|name| (name, reach(name))).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (name, from_here) in &reached {
        let with: Vec<String> = from_here
            .iter()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(*name)))
            .cloned()
            .collect();
        if with.len() > 1 && !found.contains(&with) {
            found.push(with);
        }
    }
    found
}

//! Names as ROS 2 allows them: fields in lower case with single underscores, types in capitals without any.

use std::collections::HashSet;

/// The package of all types that are not those of ROS.
const PACKAGE: &str = "linkspan_msgs";
/// The most characters of a part of a name: those of a type are made of the names that lead to it.
const MOST: usize = 48;

/// Returns a name for a field, which is not among those that are taken, and takes it.
pub fn field(given: &str, taken: &mut HashSet<String>) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in given.chars().take(MOST * 2) {
        // `maxTemp` is max_temp.
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            name.push('_');
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('_') {
            name.push('_');
        }
        before = c;
    }
    let name = name.trim_matches('_');
    let name = match name.chars().next() {
        None => "field".to_owned(),
        Some(first) if first.is_ascii_lowercase() => name.to_owned(),
        Some(_) => format!("n{name}"),
    };
    unique(&name, taken)
}

/// Returns this name, or one with a number behind it, that is not taken; and takes it.
pub fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut found = name.to_owned();
    let mut number = 2;
    while !taken.insert(found.clone()) {
        // A digit may stand in front of it already.
        found =
            format!("{name}{}{number}", if name.ends_with(|c: char| c.is_ascii_digit()) { "x" } else { "" });
        number += 1;
    }
    found
}

/// Returns the name of a type without its package: `power.reading` is `PowerReading`.
pub fn camel(given: &str) -> String {
    let mut name = String::new();
    let mut begins = true;
    for c in given.chars() {
        if !c.is_ascii_alphanumeric() {
            begins = true;
        } else if name.len() < MOST {
            name.push(if begins { c.to_ascii_uppercase() } else { c });
            begins = false;
        }
    }
    match name.chars().next() {
        None => "Message".to_owned(),
        Some(first) if first.is_ascii_uppercase() => name,
        Some(_) => format!("M{name}"),
    }
}

/// Returns the name of a type with its package.
pub fn type_name(given: &str) -> String {
    full(&camel(given))
}

/// Returns the name of one of our types with its package.
pub fn full(name: &str) -> String {
    format!("{PACKAGE}/msg/{name}")
}

/// Returns the same as other types refer to it.
pub fn reference(name: &str) -> String {
    format!("{PACKAGE}/{name}")
}

/// Returns a text that is a comment of one line.
pub fn comment(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // A bracket would be taken for that of a unit.
    shown.split_whitespace().collect::<Vec<_>>().join(" ").replace('[', "(").replace(']', ")")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_name_of_its_own() {
        let mut taken = HashSet::new();
        for (given, name) in [
            ("watts", "watts"),
            ("maxTemp", "max_temp"),
            ("max_temp", "max_temp2"),
            ("__a__B__", "a_b"),
            ("3d", "n3d"),
            ("", "field"),
            ("é", "field2"),
            ("x1", "x1"),
            ("X1", "x1x2"),
        ] {
            assert_eq!(field(given, &mut taken), name, "{given}");
        }
        assert_eq!(camel("power.reading"), "PowerReading");
        assert_eq!((camel("3.4"), camel("…")), ("M34".into(), "Message".into()));
    }
}

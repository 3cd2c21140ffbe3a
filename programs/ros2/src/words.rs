//! Names that ROS 2 permits: fields in lower case with single underscores, types in camel case.

use std::collections::HashSet;

/// The package of all types outside of ROS.
const PACKAGE: &str = "linkspan_msgs";
/// The most characters of a name's component. Names of nested types join the names of their fields.
const MOST: usize = 48;

/// Returns an unused name for a field, and marks it as used.
pub fn field(given: &str, taken: &mut HashSet<String>) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in given.chars().take(MOST * 2) {
        // `maxTemp` becomes max_temp.
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

/// Returns this name, with a number appended if it is used, and marks it as used.
pub fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut found = name.to_owned();
    let mut number = 2u64;
    while !taken.insert(found.clone()) {
        // The name may end in a digit.
        found =
            format!("{name}{}{number}", if name.ends_with(|c: char| c.is_ascii_digit()) { "x" } else { "" });
        number = number.saturating_add(1);
    }
    found
}

/// Returns the name of a type without its package: `power.reading` becomes `PowerReading`.
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

/// Returns the full name of a type in our package.
pub fn full(name: &str) -> String {
    format!("{PACKAGE}/msg/{name}")
}

/// Returns the name in references of other types.
pub fn reference(name: &str) -> String {
    format!("{PACKAGE}/{name}")
}

/// Returns a text as a comment of one line.
pub fn comment(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Brackets would look like a unit.
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

//! Substitutes names for keys that a schema cannot have, such as `temp [C]`, while a type is inferred.

use std::collections::HashMap;

use linkspan::schema::{Field, Kind, Type};
use linkspan::{Map, Value};

/// The beginning of substitute names.
const PREFIX: &str = "linkspan_key_";
/// The most substituted keys. A map with more keys counts as a map with any keys.
const MOST: usize = 1_024;

/// The substituted keys of a name's messages, with their numbers.
#[derive(Debug, Default)]
pub struct Keys {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

/// Returns whether a key needs a substitute.
fn is_other(key: &str) -> bool {
    !Field::is_name(key) || key.starts_with(PREFIX)
}

fn has_other(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.iter().any(|(key, value)| is_other(key) || has_other(value)),
        Value::Array(items) => items.iter().any(has_other),
        _ => false,
    }
}

impl Keys {
    /// Returns the value with substitutes; `None` if it needs none.
    pub fn replaced(&mut self, value: &Value) -> Option<Value> {
        has_other(value).then(|| self.replace(value))
    }

    fn replace(&mut self, value: &Value) -> Value {
        match value {
            Value::Map(map) => {
                let mut replaced = Map::new();
                for (key, value) in map {
                    let value = self.replace(value);
                    replaced.insert(self.name(key), value);
                }
                Value::Map(replaced)
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.replace(item)).collect()),
            other => other.clone(),
        }
    }

    fn name(&mut self, key: &str) -> String {
        if !is_other(key) {
            return key.to_owned();
        }
        let known = self.texts.len();
        let number = match self.numbers.get(key) {
            Some(number) => *number,
            None if known >= MOST => return key.to_owned(),
            None => {
                self.numbers.insert(key.to_owned(), known);
                self.texts.push(key.to_owned());
                known
            }
        };
        format!("{PREFIX}{number}")
    }

    /// Gives the fields of an inferred type their original keys, for [`key`].
    pub fn restore(&self, of: &mut Type) {
        match &mut of.kind {
            Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
                for field in fields {
                    let number = field.name.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
                    let text = number.and_then(|number: usize| self.texts.get(number));
                    field.aliases.extend(text.cloned());
                    self.restore(&mut field.of);
                }
            }
            Kind::List(of, _) | Kind::Map(of) => self.restore(of),
            _ => {}
        }
    }
}

/// Returns the original key of a field.
pub fn key(field: &Field) -> &str {
    match field.aliases.first() {
        Some(key) if field.name.starts_with(PREFIX) => key,
        _ => &field.name,
    }
}

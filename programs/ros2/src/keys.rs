//! Keys that no field of a schema can have, such as `temp [C]`: while the type of messages is inferred each has a name
//! that stands for it.

use std::collections::HashMap;

use linkspan::schema::{Field, Kind, Type};
use linkspan::{Map, Value};

/// What names that stand for keys begin with.
const PREFIX: &str = "linkspan_key_";
/// Keys that get a name; with more of them a map is one with any keys.
const MOST: usize = 1_024;

/// The keys of the messages of a name, each with the number in its stand-in.
#[derive(Debug, Default)]
pub struct Keys {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

/// Returns whether a key needs a stand-in.
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
    /// Returns the value with stand-ins; `None` where it needs none.
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

    /// Gives the fields of a type that was inferred the keys that they stand for, as [`key`] returns them.
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

/// Returns the key that a field has in messages.
pub fn key(field: &Field) -> &str {
    match field.aliases.first() {
        Some(key) if field.name.starts_with(PREFIX) => key,
        _ => &field.name,
    }
}

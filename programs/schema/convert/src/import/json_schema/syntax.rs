//! Parts of the text: objects, values of keys, texts and numbers.

use jsonc_parser::ast::{Object, Value as Json};

pub(super) fn object<'a>(json: &'a Json<'a>) -> Option<&'a Object<'a>> {
    match json {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

/// Returns a key's value; for a repeated key the last one, as JSON parsers do.
pub(super) fn get<'a>(object: &'a Object<'a>, key: &str) -> Option<&'a Json<'a>> {
    object.properties.iter().rev().find(|each| each.name.as_str() == key).map(|each| &each.value)
}

pub(super) fn text_of(json: &Json<'_>) -> Option<String> {
    match json {
        Json::StringLit(text) => Some(text.value.to_string()),
        _ => None,
    }
}

pub(super) fn described(json: &Json<'_>) -> String {
    object(json).and_then(|all| get(all, "description")).and_then(text_of).unwrap_or_default()
}

pub(super) fn number_of(json: &Json<'_>) -> Option<f64> {
    match json {
        Json::NumberLit(number) => number.value.parse().ok(),
        _ => None,
    }
}

//! Helpers of the import tests.

use linkspan::schema::{Kind, Schema};
use linkspan_schema_convert::import::Options;

pub fn message(name: &str) -> Options {
    let mut options = Options::default();
    options.message = Some(name.to_owned());
    options
}

pub fn fields(schema: &Schema) -> Vec<String> {
    let Kind::Record(fields) = &schema.root.kind else { panic!("{}", schema.root) };
    fields
        .iter()
        .map(|field| format!("{}{}: {}", field.name, if field.optional { "?" } else { "" }, field.of))
        .collect()
}

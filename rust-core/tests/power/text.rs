//! The messages and options of the program whose power is cut, shared with the checks of its images.

use linkspan::{Options, Value};

use super::histories::Random;

/// Returns the text with this number: empty to a few pages.
pub fn text(id: u64) -> String {
    let mut random = Random::new(id);
    let length = match random.below(16) {
        0..8 => random.below(300),
        8..12 => 300 + random.below(1500),
        12..15 => 3000 + random.below(6000),
        _ => 15_000 + random.below(6000),
    };
    let mut text = format!("{id} ");
    while text.len() < length {
        let number = random.below(1 << 24);
        text.extend((0..4).map(|n| char::from(b'a' + (number >> (6 * n) & 15) as u8)));
    }
    text
}

/// Returns the number of a text, if it is whole.
pub fn id(of: &str) -> Option<u64> {
    let id = of.split(' ').next()?.parse().ok()?;
    (text(id) == of).then_some(id)
}

pub struct Shape {
    pub segment: i64,
    pub bytes: Option<i64>,
    /// Whether segments that all readers have consumed are deleted.
    pub consumed: bool,
}

impl Shape {
    pub fn of(number: u64) -> Shape {
        let segment = [8192, 14_000, 30_000][number as usize % 3];
        let bytes = (number / 3 % 3 == 1).then_some(40_000);
        Shape { segment, bytes, consumed: number / 3 % 3 == 2 }
    }
}

pub fn with_schemas(form: u64) -> bool {
    form >= 9
}

pub fn schemas_of_server() -> [(&'static str, Value); 2] {
    let schema = |name: &str| Value::from(format!("name = \"{name}\"\ntype = \"any\"\n"));
    [("schema", schema("asked")), ("reply_schema", schema("replied"))]
}

#[derive(Clone, Copy)]
pub struct Form {
    pub framing: &'static str,
    pub locked: bool,
}

impl Form {
    pub fn of(number: u64) -> Form {
        Form { framing: ["linkspan", "lines", "raw"][number as usize % 3], locked: number / 3 % 2 == 1 }
    }

    pub fn options(self) -> linkspan::Result<Options> {
        let mut options = Options::default();
        options.set("durable", &true.into())?;
        options.set("framing", &self.framing.into())?;
        options.set("locked", &self.locked.into())?;
        options.set("encoding", &if self.framing == "raw" { "raw" } else { "json" }.into())?;
        Ok(options)
    }

    /// Returns a text as such a file takes it.
    pub fn value(self, text: &str) -> Value {
        if self.framing == "raw" { Value::Bytes(text.as_bytes().to_vec().into()) } else { Value::from(text) }
    }
}

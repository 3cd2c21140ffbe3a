//! Paths into values: keys and zero-based positions joined by `/`, escaped as in RFC 6901.
//!
//! Errors of decoding and checking use this notation, so a program can pass the text of
//! [`Error::path`](crate::Error::path) to [`Value::at`].

use super::Value;
use crate::error::{Error, ErrorKind, Result, quoted};

/// A path into a value, such as `rows/0/name`. The empty path is the value itself.
///
/// In a key, `~1` stands for `/` and `~0` for `~`, as in RFC 6901. In contrast to RFC 6901, a path does not begin with
/// `/`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a>(&'a str);

impl<'a> Path<'a> {
    /// Returns the path of this text. Every text is a path.
    pub fn new(text: &'a str) -> Path<'a> {
        Path(text)
    }

    /// Returns the keys and positions, unescaped, outermost first.
    pub fn segments(self) -> impl Iterator<Item = std::borrow::Cow<'a, str>> {
        let path = (!self.0.is_empty()).then_some(self.0);
        path.into_iter().flat_map(|p| p.split('/')).map(|segment| {
            if segment.contains('~') {
                segment.replace("~1", "/").replace("~0", "~").into()
            } else {
                segment.into()
            }
        })
    }

    /// Returns the value at this path below `root`.
    ///
    /// # Errors
    ///
    /// `Missing` if a key or position does not exist; the error names the keys that exist. `WrongType` if the path goes
    /// below a value that is neither an array nor a map. Both have the whole path.
    pub fn find(self, root: &Value) -> Result<&Value> {
        if let Value::Map(map) = root
            && !self.0.is_empty()
            && !self.0.bytes().any(|c| matches!(c, b'/' | b'~'))
        {
            return map.get(self.0).ok_or_else(|| self.missing(self.0, root));
        }
        let mut here = root;
        for segment in self.segments() {
            here = match here {
                Value::Map(map) => map.get(segment.as_ref()),
                Value::Array(items) => position(&segment).and_then(|i| items.get(i)),
                other => {
                    let text = format!(
                        "nothing exists below {}, so there is no {segment} in it",
                        other.type_name(),
                        segment = quoted(&segment)
                    );
                    return Err(Error::new(ErrorKind::WrongType, text).with_path(self.0));
                }
            }
            .ok_or_else(|| self.missing(&segment, here))?;
        }
        Ok(here)
    }

    #[cold]
    fn missing(self, segment: &str, here: &Value) -> Error {
        let text = match here {
            Value::Map(map) if map.is_empty() => {
                format!("no value for the key {segment}: the map is empty", segment = quoted(segment))
            }
            Value::Map(map) => {
                let keys: Vec<_> = map.keys().take(8).map(|k| quoted(k).to_string()).collect();
                let more = if map.len() > 8 { ", …" } else { "" };
                format!(
                    "no value for the key {segment}; the map has {}{more}",
                    keys.join(", "),
                    segment = quoted(segment)
                )
            }
            Value::Array(items) => {
                format!("no item {segment} in an array of {}", items.len(), segment = quoted(segment))
            }
            _ => format!("no value for {segment}", segment = quoted(segment)),
        };
        Error::new(ErrorKind::Missing, text).with_path(self.0)
    }
}

impl Value {
    /// Returns the value at this path: `value.at("rows/0/name")`.
    ///
    /// # Errors
    ///
    /// As [`Path::find`].
    pub fn at(&self, path: &str) -> Result<&Value> {
        Path::new(path).find(self)
    }
}

fn position(segment: &str) -> Option<usize> {
    let plain = segment == "0" || (!segment.starts_with('0') && segment.bytes().all(|c| c.is_ascii_digit()));
    plain.then(|| segment.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Map;

    #[test]
    fn path_finds_values_and_reports_missing_keys() {
        let inner = Map::from_iter([("a/b".to_owned(), Value::Int(7))]);
        let root = Value::Map(Map::from_iter([("rows".to_owned(), Value::Array(vec![Value::Map(inner)]))]));
        assert_eq!(Path::new("rows/0/a~1b").find(&root).unwrap(), &Value::Int(7));
        assert_eq!(Path::new("").find(&root).unwrap(), &root);
        for (path, kind) in [
            ("rows/1", ErrorKind::Missing),
            ("rows/00", ErrorKind::Missing),
            ("cols", ErrorKind::Missing),
            ("rows/0/a~1b/c", ErrorKind::WrongType),
        ] {
            let error = Path::new(path).find(&root).unwrap_err();
            assert_eq!((error.kind(), error.path()), (kind, Some(path)));
        }
    }
}

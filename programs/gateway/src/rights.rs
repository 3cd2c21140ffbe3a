//! Rights of a token: name patterns for reading, calling and writing, and an expiry.

use linkspan::{Error, ErrorKind, Result, Timestamp, Value, quoted};

use crate::names::Name;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Subscribe, read the newest value and the schema.
    Read,
    Call,
    Write,
}

impl Right {
    fn verb(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Call => "call",
            Right::Write => "write",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub name: String,
    pub read: Vec<Name>,
    pub call: Vec<Name>,
    pub write: Vec<Name>,
    pub expires: Option<Timestamp>,
    /// The hash of the token: two tokens may have the same name at different times.
    pub hash: [u8; 32],
}

impl Rights {
    fn patterns(&self, right: Right) -> &[Name] {
        match right {
            Right::Read => &self.read,
            Right::Call => &self.call,
            Right::Write => &self.write,
        }
    }

    pub fn allow(&self, right: Right, name: &Name) -> bool {
        self.patterns(right).iter().any(|pattern| pattern.fits(name))
    }

    /// Returns whether any right covers a name.
    pub fn allow_some(&self, name: &Name) -> bool {
        [Right::Read, Right::Call, Right::Write].into_iter().any(|right| self.allow(right, name))
    }

    /// Checks a name, or that the token allows at least one name of a pattern.
    ///
    /// # Errors
    /// `PermissionDenied`, with the missing right.
    pub fn check(&self, right: Right, name: &Name) -> Result<()> {
        let is_allowed = if name.is_pattern() {
            self.patterns(right).iter().any(|pattern| pattern.overlaps(name))
        } else {
            self.allow(right, name)
        };
        if is_allowed {
            return Ok(());
        }
        let (verb, shown) = (right.verb(), name.text());
        let what = if name.is_pattern() { "any name that fits " } else { "" };
        let text = format!(
            "the token {} does not allow to {verb} {what}{}; `linkspan gateway token add NAME --{verb} '{shown}'` makes one that does",
            quoted(&self.name),
            quoted(&shown)
        );
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }

    /// Checks that a name may be read and can be published.
    ///
    /// # Errors
    /// `PermissionDenied` and `Unsupported`.
    pub fn check_followed(&self, name: &Name) -> Result<()> {
        self.check(Right::Read, name)?;
        name.check_published()
    }

    /// Checks that the token allows to read any name, for services that only read.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn check_reads(&self) -> Result<()> {
        if !self.read.is_empty() {
            return Ok(());
        }
        let text = format!(
            "the token {} does not allow to read; `linkspan gateway token add NAME --read PATTERN` makes one that does",
            quoted(&self.name)
        );
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }

    /// Checks that the token has some right for a pattern; `*` lists all allowed names.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn check_listing(&self, pattern: &Name) -> Result<()> {
        let mut rights = [Right::Call, Right::Write].into_iter();
        if pattern.text() == "*" || rights.any(|right| self.check(right, pattern).is_ok()) {
            return Ok(());
        }
        self.check(Right::Read, pattern)
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Returns a copy with only the right to read.
    pub fn reading(&self) -> Rights {
        Rights { call: Vec::new(), write: Vec::new(), ..self.clone() }
    }

    pub fn to_value(&self) -> Value {
        let texts = |names: &[Name]| Value::from(names.iter().map(Name::text).collect::<Vec<_>>());
        Value::map([
            ("name", Value::from(self.name.as_str())),
            ("read", texts(&self.read)),
            ("call", texts(&self.call)),
            ("write", texts(&self.write)),
            ("expires", self.expires.map_or(Value::Null, Value::Timestamp)),
        ])
    }

    pub fn from_value(value: &Value) -> Result<Rights> {
        let names = |key: &str| -> Result<Vec<Name>> {
            value.at(key)?.as_array()?.iter().map(|text| Name::parse(text.as_text()?, true)).collect()
        };
        let expires = match value.at("expires")? {
            Value::Null => None,
            end => Some(end.as_timestamp()?),
        };
        let name = value.at("name")?.as_text()?.to_owned();
        Ok(Rights {
            name,
            read: names("read")?,
            call: names("call")?,
            write: names("write")?,
            expires,
            hash: [0; 32],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights() -> Rights {
        let names = |texts: &[&str]| texts.iter().map(|text| Name::parse(text, true).unwrap()).collect();
        Rights {
            name: "panel".into(),
            read: names(&["lab/*"]),
            call: names(&["lab/valve"]),
            write: names(&["ui/*"]),
            expires: Some(Timestamp(1_000)),
            hash: [0; 32],
        }
    }

    #[test]
    fn nothing_but_what_the_patterns_say_is_allowed() {
        let rights = rights();
        for (right, name, allowed) in [
            (Right::Read, "lab/a", true),
            (Right::Read, "ui/a", false),
            (Right::Read, "journal:lab/a", false),
            (Right::Call, "lab/valve", true),
            (Right::Call, "lab/valve2", false),
            (Right::Call, "spool:lab/valve", false),
            (Right::Write, "ui/a", true),
            (Right::Write, "lab/a", false),
        ] {
            let name = Name::parse(name, false).unwrap();
            assert_eq!(rights.check(right, &name).is_ok(), allowed, "{right:?} {name:?}");
            assert!(!rights.reading().allow(right, &name) || right == Right::Read);
        }
        assert!(!rights.is_expired(Timestamp(999)) && rights.is_expired(Timestamp(1_000)));
    }

    #[test]
    fn rights_are_the_same_after_a_file() {
        assert_eq!(Rights::from_value(&rights().to_value()).unwrap(), rights());
    }
}

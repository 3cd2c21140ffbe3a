//! The cases of identifiers.

/// How the words of a name are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `power_reading`.
    Snake,
    /// `powerReading`.
    Camel,
    /// `PowerReading`.
    Pascal,
    /// `POWER_READING`.
    Upper,
    /// As in the schema.
    Kept,
}

impl Case {
    /// Joins the words of `name` in this case. Words end at dots and underscores, and before a capital after a small
    /// letter.
    pub fn join(self, name: &str) -> String {
        if self == Case::Kept {
            return name.replace('.', "_");
        }
        let words = words(name);
        let written = words.iter().enumerate().map(|(i, word)| match self {
            Case::Upper => word.to_ascii_uppercase(),
            Case::Pascal => capital(word),
            Case::Camel if i > 0 => capital(word),
            _ => word.to_ascii_lowercase(),
        });
        let between = if matches!(self, Case::Snake | Case::Upper) { "_" } else { "" };
        let joined = written.collect::<Vec<_>>().join(between);
        // A name may begin with an underscore and continue with a digit.
        if joined.starts_with(|first: char| first.is_ascii_digit()) || joined.is_empty() {
            return format!("_{joined}");
        }
        joined
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_ascii_uppercase().to_string() + &letters.as_str().to_ascii_lowercase()
    })
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_ascii_uppercase() && before.is_ascii_lowercase();
        if matches!(c, '.' | '_') || begins {
            words.push(String::new());
        }
        if !matches!(c, '.' | '_')
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_each_case() {
        for (name, snake, pascal, camel, upper) in [
            ("power.reading", "power_reading", "PowerReading", "powerReading", "POWER_READING"),
            ("maxWatts", "max_watts", "MaxWatts", "maxWatts", "MAX_WATTS"),
            ("OFF", "off", "Off", "off", "OFF"),
            ("_3d", "_3d", "_3d", "_3d", "_3D"),
            ("_", "_", "_", "_", "_"),
        ] {
            let joined = [Case::Snake, Case::Pascal, Case::Camel, Case::Upper].map(|case| case.join(name));
            assert_eq!(joined, [snake, pascal, camel, upper]);
        }
        assert_eq!(Case::Kept.join("power.Reading"), "power_Reading");
    }
}

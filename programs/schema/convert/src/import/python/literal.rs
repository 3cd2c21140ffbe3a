//! Python literals: numbers and strings with their prefixes and escapes.

use super::expression::What;

pub(super) fn integer(written: &str) -> Option<i128> {
    let plain = written.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return i128::from_str_radix(digits, radix).ok();
        }
    }
    plain.parse().ok()
}

pub(super) fn float(written: &str) -> Option<f64> {
    written.replace('_', "").parse().ok()
}

/// Reads a string or bytes. Returns `None` for an f-string, which needs evaluation, and for named escapes.
pub(super) fn string(written: &str) -> Option<What> {
    let start = written.find(['"', '\''])?;
    let (prefix, rest) = written.split_at(start);
    let prefix = prefix.to_ascii_lowercase();
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(*quote))?;
    let inner = rest.strip_prefix(quote)?.strip_suffix(quote)?;
    let is_raw = prefix.contains('r');
    match prefix.trim_matches('r') {
        "" | "u" if is_raw => Some(What::Text(inner.to_owned())),
        "" | "u" => {
            let mut out = String::new();
            unescape(inner, false, &mut |c| out.push(c))?;
            Some(What::Text(out))
        }
        "b" if is_raw => Some(What::Bytes(inner.as_bytes().to_vec())),
        "b" => {
            let mut out = Vec::new();
            let mut fits = true;
            unescape(inner, true, &mut |c| match u8::try_from(u32::from(c)) {
                Ok(byte) => out.push(byte),
                Err(_) => fits = false,
            })?;
            fits.then_some(What::Bytes(out))
        }
        _ => None,
    }
}

fn unescape(inner: &str, bytes: bool, push: &mut dyn FnMut(char)) -> Option<()> {
    let mut rest = inner.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(c);
            continue;
        }
        let escaped = rest.next()?;
        let mut digits = |count: usize, radix: u32| {
            let mut number = 0_u32;
            for _ in 0..count {
                number = number.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?)?;
            }
            char::from_u32(number)
        };
        match escaped {
            '\n' => {}
            '\\' | '\'' | '"' => push(escaped),
            'a' => push('\x07'),
            'b' => push('\x08'),
            'f' => push('\x0c'),
            'n' => push('\n'),
            'r' => push('\r'),
            't' => push('\t'),
            'v' => push('\x0b'),
            'x' => push(digits(2, 16)?),
            'u' if !bytes => push(digits(4, 16)?),
            'U' if !bytes => push(digits(8, 16)?),
            'N' if !bytes => return None,
            '0'..='7' => {
                let mut number = escaped.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
                    number = number * 8 + digit;
                    rest.next();
                }
                push(char::from_u32(number)?);
            }
            // Python keeps unknown escapes.
            other => {
                push('\\');
                push(other);
            }
        }
    }
    Some(())
}

/// Removes the indentation of a docstring's lines.
pub(super) fn docstring(text: &str) -> String {
    let indent = text
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim();
    let rest = lines.map(|line| line.get(indent.unwrap_or(0)..).unwrap_or_default().trim_end());
    let whole: Vec<&str> = std::iter::once(first).chain(rest).collect();
    whole.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_as_python_reads_them() {
        let text = |written: &str| match string(written) {
            Some(What::Text(text)) => Some(text),
            _ => None,
        };
        assert_eq!(text(r#""a\n\x41\u00e9\101\q\"""#).as_deref(), Some("a\nA\u{e9}A\\q\""));
        assert_eq!(text(r"r'a\n'").as_deref(), Some("a\\n"));
        assert_eq!(text("'''a\"b'''").as_deref(), Some("a\"b"));
        assert_eq!(text("f'{x}'"), None);
        assert_eq!(text(r"'\N{BULLET}'"), None);
        assert_eq!(text(r"'\ud800'"), None);
        assert_eq!(string(r"b'\x00\xffa'"), Some(What::Bytes(vec![0, 255, b'a'])));
        assert_eq!((integer("0x_ff"), integer("1_000"), integer("0b11")), (Some(255), Some(1000), Some(3)));
    }

    #[test]
    fn docstrings_lose_their_indentation() {
        assert_eq!(docstring("One.\n\n    Two\n      three\n    "), "One.\n\nTwo\n  three");
    }
}

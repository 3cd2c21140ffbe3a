//! The words and signs of Rust sources, for tests that read them.

/// Returns the words and signs of a source without comments, texts and lifetimes; `::` is one sign.
pub fn tokens(source: &str) -> Vec<&str> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let raw = ["r\"", "r#\"", "br\"", "br#\"", "r##\""].into_iter().find(|start| rest.starts_with(start));
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(start) = raw {
            let end = format!("\"{}", "#".repeat(start.matches('#').count()));
            start.len() + rest[start.len()..].find(&end).map_or(rest.len(), |at| at + end.len())
        } else if word > 0 {
            found.push(&rest[..word]);
            word
        } else if rest.starts_with('"') {
            text(rest)
        } else if rest.starts_with('\'') {
            character(rest)
        } else if rest.starts_with("::") {
            found.push("::");
            2
        } else {
            let sign = rest.chars().next().map_or(1, char::len_utf8);
            if !rest[..sign].trim().is_empty() {
                found.push(&rest[..sign]);
            }
            sign
        };
    }
    found
}

fn text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// Returns the length of a character in quotes, or of a lifetime's quote.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(1, |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

pub fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

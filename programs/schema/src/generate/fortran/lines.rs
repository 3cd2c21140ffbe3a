//! Lines and texts of a length that compilers accept.

use crate::generate::text::is_hidden;

pub(super) fn wrap(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line.to_owned();
    while rest.len() > 100 {
        let Some(at) = rest[..98].rfind(", ") else { break };
        out += &format!("{} &\n", &rest[..=at]);
        rest = format!("   {}", rest[at + 2..].trim_start());
    }
    out + &rest
}

/// Returns a text literal in pieces that fit a line; control characters by their numbers.
pub(super) fn literal(text: &str) -> String {
    let mut pieces = vec![String::new()];
    let mut out = Vec::new();
    for c in text.chars() {
        let last = pieces.len() - 1;
        if c.is_control() || is_hidden(c) {
            out.push(format!("\"{}\"", pieces[last]));
            out.extend(c.to_string().bytes().map(|byte| format!("char({byte})")));
            pieces.push(String::new());
        } else {
            pieces[last].push(c);
            if c == '"' {
                pieces[last].push(c);
            }
            if pieces[last].len() > 70 {
                out.push(format!("\"{}\"", pieces[last]));
                pieces.push(String::new());
            }
        }
    }
    if let Some(last) = pieces.last().filter(|last| !last.is_empty() || out.is_empty()) {
        out.push(format!("\"{last}\""));
    }
    out.join("// &\n   ")
}

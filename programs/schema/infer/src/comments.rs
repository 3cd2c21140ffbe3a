//! Comments in the notation, below the header of their field.

use linkspan::schema::Schema;

/// The comments: a table's header without brackets (`fields.watts`, empty for the file), and the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Comments(pub(super) Vec<(String, String)>);

impl Comments {
    pub(super) fn add(&mut self, path: &str, text: impl Into<String>) {
        self.0.push((path.to_owned(), text.into()));
    }

    /// Returns the schema's notation with these comments. A part within another part's line has its comment there.
    pub(super) fn written(&self, schema: &Schema) -> String {
        let text = schema.to_toml();
        let headers: Vec<&str> = text.lines().filter_map(header).collect();
        let place = |path: &str| {
            let mut path = path;
            while !path.is_empty() && !headers.contains(&path) {
                path = path.rfind('.').map_or("", |dot| &path[..dot]);
            }
            path.to_owned()
        };
        let placed: Vec<(String, &str)> =
            self.0.iter().map(|(path, text)| (place(path), text.as_str())).collect();
        let mut out = String::new();
        comment(&mut out, &placed, "");
        for line in text.lines() {
            out += line;
            out.push('\n');
            if let Some(header) = header(line) {
                comment(&mut out, &placed, header);
            }
        }
        out
    }
}

/// Returns the header in this line. Texts follow a key on one line, so no other line begins with a bracket.
fn header(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

fn comment(out: &mut String, all: &[(String, &str)], path: &str) {
    for (_, text) in all.iter().filter(|(place, _)| place == path) {
        *out += &format!("# {text}\n");
    }
}

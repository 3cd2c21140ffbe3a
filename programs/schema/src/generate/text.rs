//! Text that is written line by line, with indentation.

/// Returns whether a character is invisible in source code: a control, directing or joining character.
pub(super) fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns the text with each hidden character replaced by `escape`.
pub(super) fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_hidden(c) {
            out.push_str(&escape(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// Source text that grows by lines.
#[derive(Clone, Debug)]
pub struct Text {
    out: String,
    unit: &'static str,
    depth: usize,
}

impl Text {
    /// Creates an empty text whose blocks are indented by `unit`, such as four spaces.
    pub fn new(unit: &'static str) -> Text {
        Text { out: String::new(), unit, depth: 0 }
    }

    /// Adds indented lines. An empty line gets no spaces, and a line break at the end adds an empty line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if text.is_empty() {
            self.out.push('\n');
            return;
        }
        for line in text.lines() {
            if !line.is_empty() {
                (0..self.depth).for_each(|_| self.out.push_str(self.unit));
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        if text.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Adds `head`, the lines of `body` one level deeper, and a non-empty `tail`.
    pub fn block(&mut self, head: impl AsRef<str>, tail: impl AsRef<str>, body: impl FnOnce(&mut Text)) {
        self.line(head);
        self.indented(tail, body);
    }

    /// Adds the lines of `body` one level deeper, and a non-empty `tail`.
    pub fn indented(&mut self, tail: impl AsRef<str>, body: impl FnOnce(&mut Text)) {
        self.depth += 1;
        body(self);
        self.depth -= 1;
        if !tail.as_ref().is_empty() {
            self.line(tail);
        }
    }

    /// Adds a comment: each line of `text` after `prefix`. Breaks long lines between words at about 100 columns.
    pub fn comment(&mut self, prefix: &str, text: &str) {
        const WIDTH: usize = 100;
        let room = WIDTH.saturating_sub(self.depth * self.unit.len() + prefix.len()).max(40);
        for line in text.lines() {
            let mut current = String::new();
            for word in line.split_whitespace() {
                if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > room {
                    self.line(format!("{prefix}{current}"));
                    current.clear();
                }
                if !current.is_empty() {
                    current.push(' ');
                }
                current.push_str(word);
            }
            self.line(format!("{prefix}{current}").trim_end());
        }
    }

    /// Returns the whole text.
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_indented_and_empty_lines_are_not() {
        let mut text = Text::new("    ");
        text.block("a {", "}", |text| {
            text.line("b\n\nc");
            text.line("");
            text.block("d:", "", |text| text.line("e"));
        });
        assert_eq!(text.finish(), "a {\n    b\n\n    c\n\n    d:\n        e\n}\n");
    }

    #[test]
    fn long_comments_are_broken_between_words() {
        let mut text = Text::new("    ");
        text.comment("/// ", &"word ".repeat(40));
        let text = text.finish();
        assert!(text.lines().all(|line| line.len() <= 104 && line.starts_with("/// word")), "{text}");
        assert_eq!(text.split_whitespace().filter(|word| *word == "word").count(), 40);
    }
}

//! Subjects: the name `lab/fft.raw` becomes `lab.fft=2Eraw`.
//!
//! | content | subject |
//! |---|---|
//! | messages of a publisher | `linkspan.REALM.publish.NAME` |
//! | requests to a server | `linkspan.REALM.request.NAME` |
//! | queries for a publisher's newest message | `linkspan.REALM.newest.NAME` |
//! | heartbeats of bridges, with the version of their list of names | `linkspan.REALM.presence` |
//! | requests for that list | `linkspan.REALM.bridge.ID.names` |
//! | packets to a bridge from another machine's bridge | `linkspan.REALM.bridge.ID.packet.MACHINE` |
//!
//! The purpose precedes the name. A subscription to messages thus excludes requests, and the server reports to a
//! caller that a name has no server.

/// The subjects of one realm, by their common prefix.
#[derive(Clone, Debug)]
pub struct Subjects(String);

impl Subjects {
    pub fn new(realm: &str) -> Subjects {
        Subjects(format!("linkspan.{}", escaped(realm)))
    }

    pub fn publish(&self, name: &str) -> String {
        format!("{}.publish.{}", self.0, escaped(name))
    }

    /// Returns a subject that matches the messages of all matching names, and perhaps of others.
    pub fn publish_pattern(&self, pattern: &str) -> String {
        let Some(at) = pattern.find(['*', '?']) else { return self.publish(pattern) };
        match pattern[..at].rsplit_once('/') {
            Some((folder, _)) => format!("{}.>", self.publish(folder)),
            None => format!("{}.publish.>", self.0),
        }
    }

    /// Returns the name of the publisher with this subject; `None` for other subjects.
    pub fn published(&self, subject: &str) -> Option<String> {
        self.name_after("publish", subject)
    }

    pub fn request(&self, name: &str) -> String {
        format!("{}.request.{}", self.0, escaped(name))
    }

    /// Returns the name of the server with this subject; `None` for other subjects.
    pub fn requested(&self, subject: &str) -> Option<String> {
        self.name_after("request", subject)
    }

    pub fn newest(&self, name: &str) -> String {
        format!("{}.newest.{}", self.0, escaped(name))
    }

    pub fn presence(&self) -> String {
        format!("{}.presence", self.0)
    }

    pub fn names(&self, bridge: u64) -> String {
        format!("{}.bridge.{bridge:x}.names", self.0)
    }

    pub fn packet(&self, bridge: u64, from: &str) -> String {
        format!("{}.bridge.{bridge:x}.packet.{}", self.0, escaped(from))
    }

    /// Returns the subject that matches packets to a bridge from any machine.
    pub fn packets(&self, bridge: u64) -> String {
        format!("{}.bridge.{bridge:x}.packet.*", self.0)
    }

    /// Returns the machine that sends packets with this subject to a bridge; `None` for other subjects.
    pub fn sender(&self, bridge: u64, subject: &str) -> Option<String> {
        unescaped(subject.strip_prefix(self.packets(bridge).strip_suffix('*')?)?)
    }

    /// Returns the name in a subject with this purpose.
    fn name_after(&self, word: &str, subject: &str) -> Option<String> {
        unescaped(subject.strip_prefix(&self.0)?.strip_prefix('.')?.strip_prefix(word)?.strip_prefix('.')?)
    }
}

/// Returns whether `wide` matches every subject that `narrow` matches. Either is a subject or ends with `.>`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('>') {
        Some(folder) => narrow.starts_with(folder),
        None => wide == narrow,
    }
}

/// Returns a name's form in subjects and bucket keys.
///
/// A dot becomes `=2E` and a slash a dot, to make folders tokens of the subject.
pub fn escaped(name: &str) -> String {
    name.replace('.', "=2E").replace('/', ".")
}

/// Returns the name in a subject; `None` for forms that `escaped` does not produce, and for wildcards.
fn unescaped(subject: &str) -> Option<String> {
    let name = subject.replace('.', "/").replace("=2E", ".");
    // Each name has exactly one form.
    (escaped(&name) == subject && !subject.contains(['*', '>', ' '])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_through_subjects() {
        let subjects = Subjects::new("plant.1");
        assert_eq!(subjects.publish("lab/fft.raw"), "linkspan.plant=2E1.publish.lab.fft=2Eraw");
        for name in ["a", "lab/fft", "lab/fft.raw", "a.b/c..d/e-_", ".a"] {
            assert_eq!(subjects.published(&subjects.publish(name)).as_deref(), Some(name));
            assert_eq!(subjects.requested(&subjects.request(name)).as_deref(), Some(name));
        }
        let foreign =
            ["linkspan.plant=2E1.publish.*", "linkspan.plant=2E1.request.a", "linkspan.x.publish.a"];
        assert!(foreign.iter().all(|subject| subjects.published(subject).is_none()));
    }

    #[test]
    fn patterns_are_covered_and_cover_each_other() {
        let subjects = Subjects::new("x");
        let of = |pattern| subjects.publish_pattern(pattern);
        assert_eq!(
            ["lab/a", "lab/*", "lab/a*b", "*", "x?"].map(of),
            [
                "linkspan.x.publish.lab.a",
                "linkspan.x.publish.lab.>",
                "linkspan.x.publish.lab.>",
                "linkspan.x.publish.>",
                "linkspan.x.publish.>",
            ]
        );
        assert!(covers(&of("*"), &of("lab/*")) && covers(&of("lab/*"), &of("lab/a")));
        assert!(covers(&of("lab/a"), &of("lab/a")) && !covers(&of("lab/a"), &of("lab/*")));
        assert!(!covers(&of("lab/*"), &of("label/*")) && !covers(&of("lab/*"), &of("lab")));
    }
}

//! Subjects: the name `lab/fft.raw` is `lab.fft=2Eraw` in them.
//!
//! | what | subject |
//! |---|---|
//! | messages of a publisher | `linkspan.REALM.publish.NAME` |
//! | requests to a server | `linkspan.REALM.request.NAME` |
//! | queries for a publisher's newest message | `linkspan.REALM.newest.NAME` |
//! | heartbeats of bridges, with the version of their list of names | `linkspan.REALM.presence` |
//! | requests for that list | `linkspan.REALM.bridge.ID.names` |
//! | packets to a bridge from one of another machine | `linkspan.REALM.bridge.ID.packet.MACHINE` |
//!
//! The purpose stands before the name. So a subscription to messages is not one to requests, and the server
//! reports to a caller that a name has no server.

/// The subjects of one realm, by their common beginning.
#[derive(Clone, Debug)]
pub struct Subjects(String);

impl Subjects {
    /// Returns the subjects of this realm.
    pub fn new(realm: &str) -> Subjects {
        Subjects(format!("linkspan.{}", escaped(realm)))
    }

    /// Returns the subject of a publisher's messages.
    pub fn publish(&self, name: &str) -> String {
        format!("{}.publish.{}", self.0, escaped(name))
    }

    /// Returns a subject that matches the messages of all names that match a pattern, and perhaps those of
    /// other names.
    pub fn publish_pattern(&self, pattern: &str) -> String {
        let Some(at) = pattern.find(['*', '?']) else { return self.publish(pattern) };
        match pattern[..at].rsplit_once('/') {
            Some((folder, _)) => format!("{}.>", self.publish(folder)),
            None => format!("{}.publish.>", self.0),
        }
    }

    /// Returns the name of the publisher whose messages have this subject; `None` for any other subject.
    pub fn published(&self, subject: &str) -> Option<String> {
        self.name_after("publish", subject)
    }

    /// Returns the subject of requests to a server.
    pub fn request(&self, name: &str) -> String {
        format!("{}.request.{}", self.0, escaped(name))
    }

    /// Returns the name of the server whose requests have this subject; `None` for any other subject.
    pub fn requested(&self, subject: &str) -> Option<String> {
        self.name_after("request", subject)
    }

    /// Returns the subject of queries for a publisher's newest message.
    pub fn newest(&self, name: &str) -> String {
        format!("{}.newest.{}", self.0, escaped(name))
    }

    /// Returns the subject of heartbeats.
    pub fn presence(&self) -> String {
        format!("{}.presence", self.0)
    }

    /// Returns the subject of requests for a bridge's names.
    pub fn names(&self, bridge: u64) -> String {
        format!("{}.bridge.{bridge:x}.names", self.0)
    }

    /// Returns the subject of packets to a bridge from one on the machine `from`.
    pub fn packet(&self, bridge: u64, from: &str) -> String {
        format!("{}.bridge.{bridge:x}.packet.{}", self.0, escaped(from))
    }

    /// Returns the subject that matches packets to a bridge from any machine.
    pub fn packets(&self, bridge: u64) -> String {
        format!("{}.bridge.{bridge:x}.packet.*", self.0)
    }

    /// Returns the machine whose packets to a bridge have this subject; `None` for any other subject.
    pub fn sender(&self, bridge: u64, subject: &str) -> Option<String> {
        unescaped(subject.strip_prefix(self.packets(bridge).strip_suffix('*')?)?)
    }

    /// Returns the name in a subject with this purpose.
    fn name_after(&self, word: &str, subject: &str) -> Option<String> {
        unescaped(subject.strip_prefix(&self.0)?.strip_prefix('.')?.strip_prefix(word)?.strip_prefix('.')?)
    }
}

/// Returns whether every subject that the second one matches is matched by the first one. Either is a
/// subject, or ends with `.>`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('>') {
        Some(folder) => narrow.starts_with(folder),
        None => wide == narrow,
    }
}

/// Returns a name as it is written in a subject, and as the key of a bucket: a dot becomes `=2E` and a slash
/// a dot, so that folders are tokens of the subject.
pub fn escaped(name: &str) -> String {
    name.replace('.', "=2E").replace('/', ".")
}

/// Returns the name that is written in a subject; `None` if it is not written as `escaped` does, or has
/// wildcards.
fn unescaped(subject: &str) -> Option<String> {
    let name = subject.replace('.', "/").replace("=2E", ".");
    // There is one way to write a name.
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

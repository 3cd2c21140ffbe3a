//! Subjects: the name `lab/fft.raw` is `lab.fft=2Eraw` in them.
//!
//! | what | subject |
//! |---|---|
//! | messages of a publisher | `linkspan.REALM.publish.NAME` |
//! | requests to a server | `linkspan.REALM.request.NAME` |
//! | questions for a publisher's newest message | `linkspan.REALM.newest.NAME` |
//! | that a bridge is there, and the number of its list of names | `linkspan.REALM.presence` |
//! | questions for that list | `linkspan.REALM.bridge.ID.names` |
//! | what a bridge is sent by one of another machine | `linkspan.REALM.bridge.ID.packet.MACHINE` |
//!
//! What a name is for stands before it: a subscription to publishers is no responder to requests, so that the server tells who asks
//! for a name that nobody has.

/// The subjects of one realm.
#[derive(Clone, Debug)]
pub struct Subjects(String);

impl Subjects {
    /// Those of this realm.
    pub fn new(realm: &str) -> Subjects {
        Subjects(format!("linkspan.{}", escaped(realm)))
    }

    /// Where a publisher's messages go.
    pub fn publish(&self, name: &str) -> String {
        format!("{}.publish.{}", self.0, escaped(name))
    }

    /// Where the messages of all names go that are like a pattern, and perhaps those of others.
    pub fn publish_pattern(&self, pattern: &str) -> String {
        let Some(at) = pattern.find(['*', '?']) else { return self.publish(pattern) };
        match pattern[..at].rsplit_once('/') {
            Some((folder, _)) => format!("{}.>", self.publish(folder)),
            None => format!("{}.publish.>", self.0),
        }
    }

    /// The name whose messages go there; none where it is no such subject.
    pub fn published(&self, subject: &str) -> Option<String> {
        self.name_after("publish", subject)
    }

    /// Where requests to a server go.
    pub fn request(&self, name: &str) -> String {
        format!("{}.request.{}", self.0, escaped(name))
    }

    /// The name of the server to which requests go there; none where it is no such subject.
    pub fn requested(&self, subject: &str) -> Option<String> {
        self.name_after("request", subject)
    }

    /// Where a publisher's newest message is asked for.
    pub fn newest(&self, name: &str) -> String {
        format!("{}.newest.{}", self.0, escaped(name))
    }

    /// Where bridges say that they are there.
    pub fn presence(&self) -> String {
        format!("{}.presence", self.0)
    }

    /// Where a bridge is asked for its names.
    pub fn names(&self, bridge: u64) -> String {
        format!("{}.bridge.{bridge:x}.names", self.0)
    }

    /// Where a bridge is sent what concerns it alone by one of this machine.
    pub fn packet(&self, bridge: u64, from: &str) -> String {
        format!("{}.bridge.{bridge:x}.packet.{}", self.0, escaped(from))
    }

    /// Where a bridge is sent something by anyone.
    pub fn packets(&self, bridge: u64) -> String {
        format!("{}.bridge.{bridge:x}.packet.*", self.0)
    }

    /// The machine that sends there; none where it is no such subject.
    pub fn sender(&self, bridge: u64, subject: &str) -> Option<String> {
        unescaped(subject.strip_prefix(self.packets(bridge).strip_suffix('*')?)?)
    }

    fn name_after(&self, word: &str, subject: &str) -> Option<String> {
        unescaped(subject.strip_prefix(&self.0)?.strip_prefix('.')?.strip_prefix(word)?.strip_prefix('.')?)
    }
}

/// Whether every subject that is like the second one is like the first one. Either is a subject, or ends with `.>`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('>') {
        Some(folder) => narrow.starts_with(folder),
        None => wide == narrow,
    }
}

/// A name as it stands in a subject, and as the key of a bucket.
pub fn escaped(name: &str) -> String {
    name.replace('.', "=2E").replace('/', ".")
}

fn unescaped(subject: &str) -> Option<String> {
    let name = subject.replace('.', "/").replace("=2E", ".");
    // There is one way to write a name.
    (escaped(&name) == subject && !subject.contains(['*', '>', ' '])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_their_subjects() {
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

//! A finding of the doctor: the examined thing, its severity and the remedy.
//!
//! Findings are texts for a person. Programs compare the [`ErrorKind`](crate::error::ErrorKind) of
//! the failed call.

/// The severity of a finding. A problem is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is wrong.
    Fine,
    /// Useful if something else fails.
    Note,
    /// Something does not work, or will not.
    Problem,
}

impl Severity {
    /// Returns the name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Fine => "fine",
            Severity::Note => "note",
            Severity::Problem => "problem",
        }
    }
}

/// The result of one examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The fact, as one sentence.
    pub what: String,
    /// The remedy; empty if nothing needs one.
    pub remedy: String,
}

impl Finding {
    pub(super) fn fine(what: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fine, what: what.into(), remedy: String::new() }
    }

    pub(super) fn note(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn into_note(self) -> Finding {
        Finding { severity: self.severity.min(Severity::Note), ..self }
    }

    pub(super) fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Problem, what: what.into(), remedy: remedy.into() }
    }
}

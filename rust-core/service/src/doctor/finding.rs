//! A finding of the doctor: the examined thing, its severity and the remedy.
//!
//! Findings are texts for a person: the fact, then the remedy with the command to run. Programs that need a
//! reason in a form that they can compare have the [`ErrorKind`](crate::error::ErrorKind) of the call that failed.

/// How much a finding matters. Ordered: a problem is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Worth knowing if something does not work.
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

/// One thing that was examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found, as one sentence.
    pub what: String,
    /// What to do about it; empty if there is nothing to do.
    pub remedy: String,
}

impl Finding {
    /// Returns a finding that needs no action.
    pub(super) fn fine(what: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fine, what: what.into(), remedy: String::new() }
    }

    /// Returns a note with what to do if something does not work.
    pub(super) fn note(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, what: what.into(), remedy: remedy.into() }
    }

    /// Returns it as a note, if it is a problem.
    pub(super) fn into_note(self) -> Finding {
        Finding { severity: self.severity.min(Severity::Note), ..self }
    }

    /// Returns a problem with its remedy.
    pub(super) fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Problem, what: what.into(), remedy: remedy.into() }
    }
}

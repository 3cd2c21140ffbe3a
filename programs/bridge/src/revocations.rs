//! Watches the list of revoked certificates: a change takes effect while the bridge runs.
//!
//! A session's access control is fixed when the session opens. A changed list therefore ends the session, and the
//! event loop opens a new one.

use std::path::PathBuf;

use linkspan::Result;
use time::{Duration, OffsetDateTime};

use crate::config::Config;
use crate::directory::Watch;
use crate::status::Status;
use crate::tls::{Folder, REVOKED, revoked};

/// The remaining validity of a certificate below which a warning is logged.
const WARNING: Duration = Duration::days(30);

/// The list at the time when the session opened.
pub struct Revocations {
    list: PathBuf,
    known: Vec<String>,
}

impl Revocations {
    /// Watches the list and records this machine's certificate in the status; `None` without keys.
    ///
    /// Logs a warning if the certificate expires within 30 days.
    ///
    /// # Errors
    /// Errors of `Folder::read`: a missing or malformed file, an expired or revoked certificate.
    pub fn watch(config: &Config, watch: &Watch, status: &mut Status) -> Result<Option<Revocations>> {
        let Some(tls) = &config.tls else { return Ok(None) };
        watch.also(&tls.folder)?;
        let folder = Folder::read(&tls.folder)?;
        let certificate = &folder.certificate;
        status.certificate = Some((certificate.name(), certificate.not_after));
        if certificate.not_after < OffsetDateTime::now_utc().saturating_add(WARNING) {
            let (name, until) = (certificate.name(), certificate.not_after);
            status.note("warning", format!("the certificate {name} expires at {until}; `linkspan bridge keys issue` makes the next one"));
        }
        Ok(Some(Revocations { list: tls.folder.join(REVOKED), known: folder.revoked }))
    }

    /// Returns whether the list has changed since the session opened.
    ///
    /// If it is unreadable, logs the error and keeps the previous list: copying a file must not end every session.
    pub fn has_changed(&self, status: &mut Status) -> bool {
        revoked(&self.list).map_or_else(
            |e| {
                status.note(
                    "error",
                    format!("what was revoked is not known, and what was known before counts: {e}"),
                );
                false
            },
            |now| now != self.known,
        )
    }
}

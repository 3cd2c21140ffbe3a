//! Watches the list of revoked certificates in the bridge's folder of keys: a change takes effect while the
//! bridge runs.
//!
//! The access control of a session is fixed when the session is opened. So a changed list ends the session,
//! and the event loop opens a new one with the new list.

use std::path::PathBuf;

use linkspan::Result;
use time::{Duration, OffsetDateTime};

use crate::config::Config;
use crate::directory::Watch;
use crate::status::Status;
use crate::tls::{Folder, REVOKED, revoked};

/// How long before its end a certificate is worth a warning.
const WARNING: Duration = Duration::days(30);

/// The list as it was when the session was opened.
pub struct Revocations {
    /// The path of the list.
    list: PathBuf,
    /// The names of the certificates that were revoked then.
    known: Vec<String>,
}

impl Revocations {
    /// Starts to watch the list, and enters the certificate of this machine in the status. Returns `None` if
    /// the bridge has no keys. A certificate that expires within 30 days is a warning in the log.
    ///
    /// # Errors
    /// Those of `Folder::read`: a missing or malformed file, a certificate that has expired or was revoked.
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

    /// Returns whether the list has changed since the session was opened. If it cannot be read, the error is
    /// logged and the previous list stays in force: a file that is being copied must not end every session.
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

//! What was revoked while the bridge runs: the list in its folder of keys counts as soon as it changes.

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
    list: PathBuf,
    known: Vec<String>,
}

impl Revocations {
    /// Watches the list from now on; none without keys.
    pub fn watch(config: &Config, watch: &Watch, status: &mut Status) -> Result<Option<Revocations>> {
        let Some(tls) = &config.tls else { return Ok(None) };
        watch.also(&tls.folder)?;
        let folder = Folder::read(&tls.folder)?;
        let certificate = &folder.certificate;
        status.certificate = Some((certificate.name(), certificate.not_after));
        if certificate.not_after - OffsetDateTime::now_utc() < WARNING {
            let (name, until) = (certificate.name(), certificate.not_after);
            status.note("warning", format!("the certificate {name} expires at {until}; `linkspan bridge keys issue` makes the next one"));
        }
        Ok(Some(Revocations { list: tls.folder.join(REVOKED), known: folder.revoked }))
    }

    /// Whether it says something else by now. One that cannot be read says what it said before.
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

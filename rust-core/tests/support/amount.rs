//! How much of a test is done.

/// How much of a test is done every day, or with `LINKSPAN_FULL=1`, before a release.
pub fn short_or_full<T>(short: T, full: T) -> T {
    if std::env::var_os("LINKSPAN_FULL").is_some() { full } else { short }
}

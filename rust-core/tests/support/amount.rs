//! The amount of work in a test.

/// Selects the daily amount, or with `LINKSPAN_FULL=1` the amount before a release.
pub fn short_or_full<T>(short: T, full: T) -> T {
    if std::env::var_os("LINKSPAN_FULL").is_some() { full } else { short }
}

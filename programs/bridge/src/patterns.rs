//! Patterns of names that have a key expression of zenoh: the rights of a machine are written in such
//! patterns alone.

/// Returns whether a pattern has a key expression that matches exactly the same names: a name, `FOLDER/*` and
/// `*` have one. Access control with a wider expression would allow names that the configuration does not
/// allow, so other patterns are refused there.
pub fn is_exact(pattern: &str) -> bool {
    let folder = pattern.strip_suffix('*').unwrap_or(pattern);
    let is_folder = folder.is_empty() || folder.ends_with('/') || folder.len() == pattern.len();
    is_folder && !pattern.is_empty() && !folder.contains(['*', '?'])
}

//! Patterns of names that have a key expression of zenoh.

/// Returns whether a zenoh key expression has exactly the pattern's names: a name, `FOLDER/*`, or `*`.
///
/// Access control with a wider expression would allow more names than the configuration, so other patterns are
/// refused.
pub fn is_exact(pattern: &str) -> bool {
    let folder = pattern.strip_suffix('*').unwrap_or(pattern);
    let is_folder = folder.is_empty() || folder.ends_with('/') || folder.len() == pattern.len();
    is_folder && !pattern.is_empty() && !folder.contains(['*', '?'])
}

//! Names of users and groups by their numbers, and home directories, from `/etc/passwd` and
//! `/etc/group`.
//!
//! The files are read directly: the C library's functions may query a name service over the network,
//! which would block. A user that is only in a name service has no name here, and texts show its
//! number.

/// Returns the name of a user; `None` where /etc/passwd does not have it.
pub fn name_of_user(uid: u32) -> Option<String> {
    find("/etc/passwd", |fields| {
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == uid).map(|_| fields[0].into())
    })
}

/// Returns the home directory of a user; `None` where /etc/passwd does not have it.
pub fn home_of_user(uid: u32) -> Option<std::path::PathBuf> {
    find("/etc/passwd", |fields| {
        let home = fields.get(5)?;
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == uid).map(|_| (*home).into())
    })
}

/// Returns the number of a group; `None` where /etc/group does not have it.
pub fn group_of_name(name: &str) -> Option<u32> {
    find("/etc/group", |fields| if fields[0] == name { fields.get(2)?.parse().ok() } else { None })
}

/// Returns the name of a group; `None` where /etc/group does not have it.
pub fn name_of_group(gid: u32) -> Option<String> {
    find("/etc/group", |fields| {
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == gid).map(|_| fields[0].into())
    })
}

/// Returns the result for the first line of a file for whose fields `wanted` has one.
fn find<T>(file: &str, wanted: impl Fn(&[&str]) -> Option<T>) -> Option<T> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| wanted(&line.split(':').collect::<Vec<_>>()))
}

//! The names behind the numbers of users and groups, and where users are at home.

/// The name of a user in /etc/passwd, if it is there.
pub fn name_of_user(uid: u32) -> Option<String> {
    find("/etc/passwd", |fields| {
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == uid).map(|_| fields[0].into())
    })
}

/// The home directory of a user in /etc/passwd, if it is there.
pub fn home_of_user(uid: u32) -> Option<std::path::PathBuf> {
    find("/etc/passwd", |fields| {
        let home = fields.get(5)?;
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == uid).map(|_| (*home).into())
    })
}

/// The number of a group in /etc/group, if it is there.
pub fn group_of_name(name: &str) -> Option<u32> {
    find("/etc/group", |fields| if fields[0] == name { fields.get(2)?.parse().ok() } else { None })
}

/// The name of a group in /etc/group, if it is there.
pub fn name_of_group(gid: u32) -> Option<String> {
    find("/etc/group", |fields| {
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == gid).map(|_| fields[0].into())
    })
}

fn find<T>(file: &str, wanted: impl Fn(&[&str]) -> Option<T>) -> Option<T> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| wanted(&line.split(':').collect::<Vec<_>>()))
}

//! Error texts for clients, without paths of this machine.

use std::sync::OnceLock;

use linkspan::registry;

/// The directories of names, which clients must not see.
static DIRECTORIES: OnceLock<Vec<String>> = OnceLock::new();

pub fn without_paths(text: &str) -> String {
    let directories = DIRECTORIES.get_or_init(|| {
        let mut found: Vec<String> = [registry::directory(), registry::state_directory()]
            .into_iter()
            .flatten()
            .flat_map(|path| [path.canonicalize().unwrap_or_else(|_| path.clone()), path])
            .map(|path| path.to_string_lossy().into_owned())
            .filter(|path| path.len() > 1)
            .collect();
        // Nested directories come first.
        found.sort_unstable_by_key(|path| std::cmp::Reverse(path.len()));
        found
    });
    directories.iter().fold(text.to_owned(), |text, directory| {
        text.replace(&format!("{directory}/"), "").replace(directory, "the directory of names")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_clients_have_no_directory_of_this_machine() {
        let directory = registry::directory().unwrap();
        let directory = directory.display();
        let text = format!("process 7 listens at {directory}/ui@x.shm; {directory} is full");
        assert_eq!(without_paths(&text), "process 7 listens at ui@x.shm; the directory of names is full");
    }
}

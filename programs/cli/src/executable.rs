//! Checks whether a program can be started, with exit codes as in a shell.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::Access;
use rustix::io::Errno;

use crate::exit::Exit;
use crate::stderr;

pub fn find_program(program: &OsStr, directory: Option<&Path>) -> Result<(), Exit> {
    find(program, directory).map_err(|error| cannot_start(program, &error))
}

/// Exit codes as in a shell: 127 if it does not exist, else 126.
pub fn cannot_start(program: &OsStr, error: &io::Error) -> Exit {
    stderr::print_note(&format!("{} cannot be started: {error}", program.display()));
    Exit::Code(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

fn find(program: &OsStr, directory: Option<&Path>) -> io::Result<()> {
    if let Some(directory) = directory {
        rustix::fs::access(directory, Access::EXEC_OK)?;
    }
    let program = Path::new(program);
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        let path = directory.map_or_else(|| program.to_owned(), |directory| directory.join(program));
        return executable(&path);
    }
    let path = linkspan::environment::path();
    let found: Vec<io::Result<()>> =
        std::env::split_paths(&path).map(|folder| executable(&folder.join(program))).collect();
    let is_refused =
        found.iter().any(|one| matches!(one, Err(e) if e.kind() == io::ErrorKind::PermissionDenied));
    match found.into_iter().any(|one| one.is_ok()) {
        true => Ok(()),
        false if is_refused => Err(Errno::ACCESS.into()),
        false => Err(Errno::NOENT.into()),
    }
}

fn executable(path: &Path) -> io::Result<()> {
    rustix::fs::access(path, Access::EXISTS)?;
    if path.is_dir() {
        return Err(Errno::ACCESS.into());
    }
    Ok(rustix::fs::access(path, Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_is_detected_beforehand() {
        let look = |program: &str, directory: Option<&str>| {
            find(OsStr::new(program), directory.map(Path::new)).map_err(|e| e.kind())
        };
        assert_eq!(look("sh", None), Ok(()));
        assert_eq!(look("/bin/sh", Some("/")), Ok(()));
        assert_eq!(look("bin/sh", Some("/")), Ok(()));
        assert_eq!(look("bin/sh", Some("/nowhere")), Err(io::ErrorKind::NotFound));
        assert_eq!(look("linkspan-no-such-program", None), Err(io::ErrorKind::NotFound));
        assert_eq!(look("/etc", None), Err(io::ErrorKind::PermissionDenied));
    }
}

//! The desktop's browser: whether one exists, which program opens an address, and how to start it.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use linkspan::service::{start_program, start_thread};
use linkspan::{Error, ErrorKind, Result, environment, one_line, programs};
use linkspan_program::stderr;

/// Returns whether a desktop user started this program: its output is a terminal, and a display exists.
pub fn is_there() -> bool {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| environment::variable(name).is_some());
    has_display && std::io::stdout().is_terminal()
}

/// Opens an address in the browser. Other users can see it in the browser's command line.
///
/// # Errors
/// `NotFound` if neither BROWSER nor `PATH` names a program; errors of starting it.
pub fn open(address: &str) -> Result<()> {
    let named = environment::variable("BROWSER").map(|named| named.to_string_lossy().into_owned());
    let choices = named.as_deref().unwrap_or("xdg-open").split(':');
    let Some((program, words)) = choices.into_iter().find_map(|choice| command_line(choice, address)) else {
        let text = match &named {
            Some(named) => format!(
                "BROWSER names {}, and no program of it is in the folders of PATH: give the whole path of one, or unset it",
                linkspan::quoted(named)
            ),
            None => "no folder of PATH has xdg-open, and BROWSER names no program".to_owned(),
        };
        return Err(Error::new(ErrorKind::NotFound, text));
    };
    let mut command = Command::new(&program);
    programs::desktop_environment(&mut command);
    command.args(words).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in the terminal must not end the browser.
    command.process_group(0);
    let shown = one_line(&program.to_string_lossy()).to_string();
    let mut child = start_program(&mut command)
        .map_err(|e| Error::os(format!("starting {shown}"), e.raw_os_error().unwrap_or(0)))?;
    let waiting = start_thread("browser", move || {
        let end = match child.wait() {
            // The browser showed the page, or passed the address to a running browser.
            Ok(status) if status.success() => return,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        stderr::print_note(&format!("{shown} ended with {end}: open the address that is printed above"));
    });
    waiting.map(|_| ())
}

/// Returns the program of a BROWSER choice (a full path, or found in PATH) and its arguments. The address replaces
/// `%s` or comes last.
fn command_line(choice: &str, address: &str) -> Option<(PathBuf, Vec<String>)> {
    // The path may contain a space.
    let whole = PathBuf::from(choice);
    if whole.is_absolute() && whole.is_file() {
        return Some((whole, vec![address.to_owned()]));
    }
    let mut words = choice.split_whitespace();
    let name = words.next()?;
    let program = match name.contains('/') {
        true => Some(PathBuf::from(name)).filter(|path| path.is_absolute() && path.is_file()),
        false => programs::program_of_path(name.as_ref()),
    }?;
    let mut all: Vec<String> = words.map(|word| word.replace("%s", address)).collect();
    if !choice.contains("%s") {
        all.push(address.to_owned());
    }
    Some((program, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_is_named_by_its_path_or_found_in_absolute_folders_of_path() {
        let words = |choice: &str| command_line(choice, "http://a/b");
        let sh =
            |words: &[&str]| Some((PathBuf::from("/bin/sh"), words.iter().map(|&w| w.to_owned()).collect()));
        assert_eq!(words("/bin/sh"), sh(&["http://a/b"]));
        assert_eq!(words("/bin/sh -x --url=%s -y"), sh(&["-x", "--url=http://a/b", "-y"]));
        assert!(words("sh").is_some_and(|(program, _)| program.is_absolute()));
        let folder = tempfile::tempdir().unwrap();
        let spaced = folder.path().join("a browser");
        std::fs::write(&spaced, "").unwrap();
        assert_eq!(words(spaced.to_str().unwrap()), Some((spaced, vec!["http://a/b".to_owned()])));
        for none in ["", " ", "bin/sh", "./sh", "../bin/sh", "/bin", "/bin/none-such", "none-such-program"] {
            assert_eq!(words(none), None, "{none}");
        }
    }
}

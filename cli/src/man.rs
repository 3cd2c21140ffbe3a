//! `linkspan man`: the manual pages, from the same definition as `--help`.

use std::path::Path;

use linkspan::Error;

use crate::exit::Exit;

/// Writes a page for `commands` and one for each command below it: `linkspan.1`, `linkspan-sub.1`, `linkspan-service-ls.1`.
///
/// # Errors
///
/// The system's error, with the folder, where a page cannot be written.
pub fn write(commands: clap::Command, folder: &Path) -> Result<(), Exit> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(commands.disable_help_subcommand(true), folder))
        .map_err(|e| {
            let writing = format!("writing manual pages into {}", folder.display());
            Exit::from(Error::os(&writing, e.raw_os_error().unwrap_or(0)))
        })
}

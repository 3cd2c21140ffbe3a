//! `linkspan keys`: which machines may talk to this one over TCP, and what this one shows them.

use clap::Subcommand;
use linkspan::keys::{Keyring, PublicKey};

use crate::exit::Exit;
use crate::output;

/// What is to be done with keys.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Make this user's key, and print its public half
    #[command(after_help = "Examples:
  linkspan keys new")]
    New,

    /// Print the public half of this user's key
    #[command(after_help = "Examples:
  linkspan keys show
  ssh microscope linkspan keys show")]
    Show,

    /// Let whoever has this key connect, and connect to it
    #[command(
        after_help = "The name is for listings and texts alone, and yours to choose. Compare the key with what `linkspan keys show` prints there, by a way that nobody can change: read it out, or use ssh.

Examples:
  linkspan keys trust microscope ed25519:KRcNxa-eB7mxnOYuFvxFb_hKa4AJvlhVdIRAFPk2nK4
  linkspan keys trust microscope \"$(ssh microscope linkspan keys show)\""
    )]
    Trust {
        /// What to call it: 1 to 64 letters, digits, `.`, `_`, `-`
        name: String,
        /// What `linkspan keys show` prints there
        #[arg(value_parser = parse)]
        key: PublicKey,
    },

    /// Print the keys that are trusted, each with its name
    #[command(after_help = "Examples:
  linkspan keys list")]
    List,

    /// Trust a key no longer
    #[command(
        after_help = "It counts from the next connection on; what is connected stays so until either side ends.

Examples:
  linkspan keys revoke microscope"
    )]
    Revoke {
        /// The name that it was trusted under
        name: String,
    },
}

fn parse(text: &str) -> Result<PublicKey, String> {
    text.trim().parse().map_err(|e: linkspan::Error| e.text().to_owned())
}

/// Does it.
pub fn keys(command: &KeysCommand) -> Result<(), Exit> {
    let keyring = Keyring::new()?;
    let said = match command {
        KeysCommand::New => format!("{}\n", keyring.make()?),
        KeysCommand::Show => match keyring.own()? {
            Some(key) => format!("{key}\n"),
            None => {
                let text = format!(
                    "there is no key in {}; make one with `linkspan keys new`",
                    keyring.directory().display()
                );
                return Err(linkspan::Error::new(linkspan::ErrorKind::Missing, text).into());
            }
        },
        KeysCommand::Trust { name, key } => {
            keyring.trust(name, key)?;
            format!("{name} is trusted: {key}\n")
        }
        KeysCommand::List => keyring.trusted()?.iter().map(|(name, key)| format!("{key} {name}\n")).collect(),
        KeysCommand::Revoke { name } => format!("{name} is trusted no longer: {}\n", keyring.revoke(name)?),
    };
    output::write(said.as_bytes())
}

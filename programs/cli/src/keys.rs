//! `linkspan keys`: the key of this user, and the keys of other machines that may connect over TCP.

use clap::Subcommand;
#[cfg(feature = "tls")]
use linkspan::keys::{Keyring, PublicKey};

use crate::exit::Exit;
#[cfg(feature = "tls")]
use crate::output;

/// Without TLS no key is used, so any text is accepted.
#[cfg(not(feature = "tls"))]
type PublicKey = String;

/// The commands for keys.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Make a key for this user, and print its public half
    #[command(after_help = "Examples:
  linkspan keys new
  ssh microscope linkspan keys new")]
    New,

    /// Print the public half of this user's key
    #[command(after_help = "Examples:
  linkspan keys show
  ssh microscope linkspan keys show")]
    Show,

    /// Allow connections from and to the machine that has this key
    #[command(
        after_help = "You choose the name; it appears only in listings and messages. Compare the key with the output of `linkspan keys show` on that machine over a trusted channel: read it aloud, or use ssh.

Examples:
  linkspan keys trust microscope ed25519:KRcNxa-eB7mxnOYuFvxFb_hKa4AJvlhVdIRAFPk2nK4
  linkspan keys trust microscope \"$(ssh microscope linkspan keys show)\""
    )]
    Trust {
        /// A name for the key: 1 to 64 letters, digits, `.`, `_`, `-`
        name: String,
        /// The output of `linkspan keys show` on that machine
        #[arg(value_parser = parse)]
        key: PublicKey,
    },

    /// Print the trusted keys with their names
    #[command(after_help = "Examples:
  linkspan keys list
  ssh microscope linkspan keys list")]
    List,

    /// Stop trusting a key
    #[command(after_help = "Applies to new connections. Existing connections remain until either side ends.

Examples:
  linkspan keys revoke microscope
  linkspan keys list && linkspan keys revoke old-laptop")]
    Revoke {
        /// The name of the trusted key
        name: String,
    },
}

#[cfg(feature = "tls")]
fn parse(text: &str) -> Result<PublicKey, String> {
    text.trim().parse().map_err(|e: linkspan::Error| e.text().to_owned())
}

#[cfg(not(feature = "tls"))]
fn parse(text: &str) -> Result<PublicKey, std::convert::Infallible> {
    Ok(text.to_owned())
}

#[cfg(not(feature = "tls"))]
pub fn keys(_command: &KeysCommand) -> Result<(), Exit> {
    Err(crate::features::missing("`linkspan keys`", "tls", "").into())
}

#[cfg(feature = "tls")]
pub fn keys(command: &KeysCommand) -> Result<(), Exit> {
    let keyring = Keyring::new()?;
    let text = match command {
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
        KeysCommand::Revoke { name } => format!("{name} is no longer trusted: {}\n", keyring.revoke(name)?),
    };
    output::write(text.as_bytes())
}

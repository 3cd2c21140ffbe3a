//! The configuration of the engine zenoh: addresses, and discovery by multicast.

use linkspan::Error;
use serde::Deserialize;

use super::check::{Checked, Invalid, is_here, wrong};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zenoh {
    pub listen: Vec<String>,
    pub connect: Vec<String>,
    /// Addresses of routers. With any router, the bridge connects only to routers, which forward everything.
    pub routers: Vec<String>,
    pub scouting: bool,
    /// Whether addresses beyond this machine may be used without encryption.
    pub trusted_network: bool,
}

impl Zenoh {
    /// Checks the addresses: `tls/` if this machine has keys (`is_encrypted`), else `tcp/`.
    ///
    /// # Errors
    /// `Malformed` with the value, a remedy, and the path to the value in the table `zenoh`.
    pub fn validate(&self, is_encrypted: bool) -> Checked {
        if self.is_empty() {
            let text = "no other bridge can be reached: set listen, peers, routers or scouting";
            return Err(Invalid::at([], wrong(text.into())));
        }
        if self.scouting && !self.trusted_network && !is_encrypted {
            let text = "scouting connects to every bridge on the network, without encryption: give keys with --tls, or set trusted_network if every machine on the network may be trusted";
            return Err(Invalid::at(["scouting".into()], wrong(text.into())));
        }
        for (key, list) in [("listen", &self.listen), ("connect", &self.connect), ("routers", &self.routers)]
        {
            for (index, address) in list.iter().enumerate() {
                self.validate_address(address, is_encrypted)
                    .map_err(|e| Invalid::at([key.into(), index.into()], e))?;
            }
        }
        Ok(())
    }

    fn validate_address(&self, address: &str, is_encrypted: bool) -> Result<(), Error> {
        let protocol = if is_encrypted { "tls" } else { "tcp" };
        let rest = address.strip_prefix(protocol).and_then(|rest| rest.strip_prefix('/'));
        let host = rest.and_then(|rest| rest.rsplit_once(':'));
        let Some((host, port)) = host.filter(|(host, _)| !host.is_empty()) else {
            let why = if is_encrypted { "with tls" } else { "without tls" };
            return Err(wrong(format!("{address:?} is not an address {why}; write {protocol}/HOST:PORT")));
        };
        if port.parse::<u16>().is_err() {
            return Err(wrong(format!("{address:?} has a port that is not a number from 0 to 65535")));
        }
        if !is_here(host) && !self.trusted_network && !is_encrypted {
            let text = format!(
                "{address:?} goes beyond this machine without encryption: give keys with --tls, or set trusted_network if every machine on that network may read what is exported and write what is imported"
            );
            return Err(wrong(text));
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.listen.is_empty() && self.connect.is_empty() && self.routers.is_empty() && !self.scouting
    }

    pub fn describe(&self) -> Vec<String> {
        let lists = [
            ("listens at", &self.listen),
            ("connects to", &self.connect),
            ("goes through the router", &self.routers),
        ];
        let lines = lists.iter().flat_map(|(what, list)| list.iter().map(move |one| format!("{what} {one}")));
        let mut lines: Vec<_> = lines.collect();
        if self.scouting {
            lines.push("finds other bridges by multicast".into());
        }
        lines
    }
}

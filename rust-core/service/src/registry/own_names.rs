//! The names of Linkspan's own programs: a program that publishes there is taken for such a program.

use crate::service::Controller;

/// The default name of a bridge's state.
pub const BRIDGE_STATUS: &str = "bridge/status";
/// The default name of a gateway's state.
pub const GATEWAY_STATUS: &str = "gateway/status";

/// Returns whether a name without its transport belongs to the controller, a bridge or a gateway.
pub fn is_own_name(name: &str) -> bool {
    let controller = Controller::ENDPOINT.split_once(':').map(|(_, name)| name);
    [controller, Some(BRIDGE_STATUS), Some(GATEWAY_STATUS)].contains(&Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controller_and_states_are_own_names() {
        for own in ["controller", "bridge/status", "gateway/status"] {
            assert!(is_own_name(own), "{own}");
        }
        for other in ["", "controllers", "lab/controller", "status", "bridge", "unix:controller"] {
            assert!(!is_own_name(other), "{other}");
        }
    }
}

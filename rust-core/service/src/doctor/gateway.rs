//! The gateway for browsers: its address, and its expired tokens.
//!
//! A gateway publishes its state at `gateway/status` or a configured name; without it nothing is
//! reported.

use super::finding::Finding;
use super::names;
use crate::registry::{GATEWAY_STATUS, Listed};
use crate::value::Value;

pub fn examine(listed: &[Listed]) -> Vec<Finding> {
    names::published(listed, GATEWAY_STATUS).map(|state| examine_state(&state)).unwrap_or_default()
}

fn examine_state(state: &Value) -> Vec<Finding> {
    let number = |key: &str| state.at(key).and_then(Value::as_u64).unwrap_or(0);
    let is = |key: &str| state.at(key).and_then(Value::as_bool).unwrap_or(false);
    let address = state.at("address").and_then(Value::as_text).unwrap_or("an unknown address");
    let (clients, paused) = (number("clients"), is("paused"));
    let served = if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
    let mut findings = vec![match paused {
        false => Finding::fine(format!("the gateway here serves at {address}, {served} now")),
        true => Finding::note(
            format!("the gateway here, at {address}, is paused"),
            "`linkspan service run gateway` lets it go on",
        ),
    }];
    if is("behind_proxy") {
        findings.push(Finding::note(
            format!("{address} is without TLS, for a proxy that has it"),
            "see that only the proxy reaches this address: what passes there is readable, tokens too",
        ));
    }
    let expired = number("tokens_expired");
    if expired > 0 {
        let tokens = if expired == 1 { "1 token has".to_owned() } else { format!("{expired} tokens have") };
        findings.push(Finding::note(
            format!("{tokens} expired, at the gateway at {address}: what shows one is refused"),
            "`linkspan gateway token list` shows which, `remove` removes one, and `add` makes another",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn state_of_a_gateway_is_told_with_what_needs_attention() {
        let state = |paused: bool, behind: bool, expired: u64| {
            examine_state(&Value::map([
                ("address", Value::from("http://127.0.0.1:17180/")),
                ("clients", Value::from(3)),
                ("paused", paused.into()),
                ("behind_proxy", behind.into()),
                ("tokens_expired", expired.into()),
            ]))
        };
        let severities =
            |findings: &[Finding]| findings.iter().map(|finding| finding.severity).collect::<Vec<_>>();
        let fine = state(false, false, 0);
        assert_eq!(severities(&fine), [Severity::Fine]);
        assert_eq!(fine[0].what, "the gateway here serves at http://127.0.0.1:17180/, 3 clients now");
        assert_eq!(severities(&state(true, true, 2)), [Severity::Note; 3]);
        assert_eq!(examine_state(&Value::from("x")).len(), 1);
    }
}

//! The rights of each machine, as zenoh's access control. A machine without an entry has no rights.
//!
//! zenoh applies the rules to each message of a session in both directions. For each configured machine, they allow
//! the names that it may have (`export`) and may give (`import`), the tokens that announce these names, and the
//! packets between its bridge and this one. Everything else is denied.
//!
//! The common name of a machine's certificate identifies it. The rules list all certificate names that a machine may
//! have, up to `LAST`, except revoked ones.

use linkspan::Value;

use crate::config::Config;
use crate::tls::{Certificate, LAST};

/// Returns zenoh's access control for a session with certificates.
///
/// `own` is the name of this machine; `revoked` lists the names of revoked certificates.
pub fn control(config: &Config, own: &str, revoked: &[String]) -> Value {
    let (mut rules, mut subjects, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    // The names of all machines that the router knows come through it.
    let is_client = !config.zenoh.routers.is_empty();
    for (machine, may) in &config.machines {
        let names = (1..=LAST).map(|number| Certificate::name_of(machine, number));
        let trusted: Vec<String> = names.filter(|name| !revoked.contains(name)).collect();
        if trusted.is_empty() {
            continue;
        }
        // In keys: machines behind a router cannot be distinguished.
        let machine_key = if is_client { "*" } else { machine };
        let ours = keys(&config.realm, own, &may.export);
        let theirs = keys(&config.realm, machine_key, &may.import);
        let all = vec![format!("linkspan/{}/**", config.realm)];
        let watched = vec![format!("linkspan/{}/@alive/**", config.realm)];
        // Packets of links and streams. This program checks the names in them.
        let to_us = |from: &str| format!("linkspan/{}/@link/{own}/{from}/*", config.realm);
        let to_them = |from: &str| format!("linkspan/{}/@link/{machine_key}/{from}/*", config.realm);
        let both = ["ingress", "egress"];
        let mine = [
            // Subscribing is allowed for all names, because outgoing messages are checked anyway.
            (&both[..], &["declare_subscriber"][..], all),
            (&both, &["declare_liveliness_subscriber", "liveliness_query"], watched),
            (&["egress"], &["put", "delete", "reply", "declare_queryable"], ours.names.clone()),
            (&["ingress"], &["query"], ours.names),
            (&["egress"], &["liveliness_token"], ours.tokens),
            (&["ingress"], &["put", "delete", "reply", "declare_queryable"], theirs.names.clone()),
            (&["egress"], &["query"], theirs.names),
            (&["ingress"], &["liveliness_token"], theirs.tokens),
            // `**` does not match chunks that begin with @.
            (&["egress"], &["declare_subscriber"], vec![to_us("*")]),
            (&["ingress"], &["declare_subscriber"], vec![to_them("*")]),
            (&["ingress"], &["put"], vec![to_us(machine_key)]),
            (&["egress"], &["put"], vec![to_them(own)]),
        ];
        let mut ids = Vec::new();
        // zenoh refuses a rule without keys, which would allow nothing.
        for (flows, messages, keys) in mine.into_iter().filter(|(_, _, keys)| !keys.is_empty()) {
            let id = format!("{machine} {}", ids.len());
            rules.push(rule(&id, flows, messages, keys));
            ids.push(id);
        }
        let names: Vec<String> = trusted.iter().map(|name| Certificate::common_name(name)).collect();
        subjects
            .push(Value::map([("id", Value::from(machine.as_str())), ("cert_common_names", names.into())]));
        policies.push(Value::map([("rules", Value::from(ids)), ("subjects", vec![machine.clone()].into())]));
    }
    Value::map([
        ("enabled", Value::from(true)),
        ("default_permission", "deny".into()),
        ("rules", Value::Array(rules)),
        ("subjects", Value::Array(subjects)),
        ("policies", Value::Array(policies)),
    ])
}

struct Keys {
    names: Vec<String>,
    tokens: Vec<String>,
}

fn keys(realm: &str, machine: &str, patterns: &[String]) -> Keys {
    let names = |pattern: &String| format!("linkspan/{realm}/{}", key_expression(pattern));
    let tokens =
        |pattern: &String| format!("linkspan/{realm}/@alive/*/{machine}/*/{}", key_expression(pattern));
    let here = format!("linkspan/{realm}/@alive/bridge/{machine}/*/bridge");
    Keys {
        names: patterns.iter().map(names).collect(),
        tokens: patterns.iter().map(tokens).chain([here]).collect(),
    }
}

fn rule(id: &str, flows: &[&str], messages: &[&str], keys: Vec<String>) -> Value {
    let words = |list: &[&str]| Value::from(list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    Value::map([
        ("id", Value::from(id)),
        ("permission", "allow".into()),
        ("flows", words(flows)),
        ("messages", words(messages)),
        ("key_exprs", keys.into()),
    ])
}

/// Returns the key expression that matches exactly the pattern's names.
///
/// `crate::patterns::is_exact` has already refused patterns without one.
fn key_expression(pattern: &str) -> String {
    match pattern.strip_suffix('*') {
        Some("") => "**".into(),
        Some(folder) => format!("{folder}*/**"),
        None => pattern.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::is_exact;

    #[test]
    fn patterns_that_are_exact_become_key_expressions() {
        for (pattern, expected) in
            [("lab/a", "lab/a"), ("lab/*", "lab/*/**"), ("*", "**"), ("a/b/*", "a/b/*/**")]
        {
            assert!(is_exact(pattern), "{pattern}");
            assert_eq!(key_expression(pattern), expected);
        }
        for pattern in ["lab/a*", "l?b", "*/a", "lab/*/b", "lab/**", ""] {
            assert!(!is_exact(pattern), "{pattern}");
        }
    }

    #[test]
    fn revoked_certificates_and_machines_without_one_are_no_subjects() {
        let text = "machine = \"me\"\n[machines.north]\nimport = [\"lab/*\"]\nexport = []\n[machines.gone]\n";
        let config = Config::parse(text, &"b.toml").unwrap();
        let revoked: Vec<String> = (1..=LAST).map(|number| Certificate::name_of("gone", number)).collect();
        let value = control(&config, "me", &[revoked, vec!["north.1".into()]].concat());
        let json = linkspan::codec::encode(&value, linkspan::Encoding::Json).unwrap();
        let text = String::from_utf8(json).unwrap();
        assert!(!text.contains("gone") && !text.contains("linkspan:north.1\""), "{text}");
        assert!(text.contains("linkspan:north.2\"") && text.contains("\"deny\""), "{text}");
        assert!(text.contains("linkspan/default/@alive/*/north/*/lab/*/**"), "{text}");
        assert!(!text.contains("@alive/*/me"), "no name may leave: {text}");
        // Each machine receives packets for itself, and sends packets in its own name.
        for key in ["@link/me/north/*", "@link/north/me/*"] {
            assert!(text.contains(&format!("linkspan/default/{key}")), "{key}: {text}");
        }
    }
}

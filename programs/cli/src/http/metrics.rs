//! The metrics, in Prometheus' text form: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

use linkspan::{State, Value};

pub const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn text(figures: &Value, services: &Value) -> String {
    let mut page = Page(String::new());
    let figure = |path: &str| number(figures, path);
    page.family("linkspan_controller_info", "gauge", "The version of the controller, in a label.");
    page.sample("linkspan_controller_info", &[("version", env!("CARGO_PKG_VERSION"))], Some(1.0));
    for (name, kind, help, path) in CONTROLLER {
        page.family(name, kind, help);
        page.sample(name, &[], figure(path));
    }
    let messages = "linkspan_controller_messages_total";
    page.family(messages, "counter", "Messages between the controller and its peers.");
    for direction in ["received", "sent"] {
        page.sample(messages, &[("direction", direction)], figure(&format!("messages/{direction}")));
    }
    let services = services.as_array().unwrap_or_default();
    let state = "linkspan_service_state";
    page.family(state, "gauge", "1 for the state that a connected service is in, 0 for the others.");
    for service in services {
        let is_here = text_of(service, "view") != "DISCONNECTED";
        for one in State::ALL {
            let is_in = is_here && text_of(service, "state") == one.name();
            let labels = [("service", text_of(service, "name")), ("state", one.name())];
            page.sample(state, &labels, Some(f64::from(u8::from(is_in))));
        }
    }
    let up = "linkspan_service_up";
    page.family(up, "gauge", "1 while the service is connected and sends heartbeats, else 0.");
    for service in services {
        let is_up = text_of(service, "view") == "CONNECTED";
        page.sample(up, &[("service", text_of(service, "name"))], Some(f64::from(u8::from(is_up))));
    }
    for (name, kind, help, path) in SERVICE {
        page.family(name, kind, help);
        for service in services {
            page.sample(name, &[("service", text_of(service, "name"))], number(service, path));
        }
    }
    let answered = "linkspan_service_commands_total";
    page.family(answered, "counter", "Commands of clients that the service has answered, by how.");
    for service in services {
        for outcome in ["accepted", "done", "failed", "rejected"] {
            let labels = [("service", text_of(service, "name")), ("outcome", outcome)];
            page.sample(answered, &labels, number(service, &format!("answered/{outcome}")));
        }
    }
    page.0
}

type Family = (&'static str, &'static str, &'static str, &'static str);

const CONTROLLER: [Family; 8] = [
    ("linkspan_controller_uptime_seconds", "gauge", "Since the controller has started.", "uptime"),
    ("linkspan_controller_cpu_seconds_total", "counter", "Processor time of the controller.", "processor"),
    ("linkspan_controller_memory_bytes", "gauge", "Memory that the controller has resident.", "memory"),
    (
        "linkspan_controller_services",
        "gauge",
        "Services that are registered with the controller.",
        "services",
    ),
    ("linkspan_controller_links", "gauge", "Connections to services and clients.", "links"),
    ("linkspan_controller_clients", "gauge", "Connected clients, the page among them.", "clients"),
    ("linkspan_controller_watchers", "gauge", "Clients that receive changes.", "watchers"),
    ("linkspan_controller_open_commands", "gauge", "Commands under way.", "open"),
];

const SERVICE: [Family; 6] = [
    ("linkspan_service_steps_total", "counter", "Steps of this incarnation of the service.", "steps"),
    ("linkspan_service_busy_seconds", "gauge", "For how long it has been at what it does now.", "busy"),
    ("linkspan_service_connections_total", "counter", "How often it has connected.", "connections"),
    ("linkspan_service_open_commands", "gauge", "Commands under way.", "open"),
    (
        "linkspan_service_last_seen_timestamp_seconds",
        "gauge",
        "When its last message was received.",
        "last_seen",
    ),
    ("linkspan_service_state_since_timestamp_seconds", "gauge", "Since when it is in its state.", "since"),
];

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: Option<f64>) {
        let Some(value) = value else { return };
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn text_of<'a>(record: &'a Value, key: &str) -> &'a str {
    record.at(key).and_then(Value::as_text).unwrap_or_default()
}

/// A number, seconds since 1970, or the length of an array or map.
fn number(record: &Value, path: &str) -> Option<f64> {
    match record.at(path).ok()? {
        Value::Timestamp(at) => {
            let (seconds, nanoseconds) = at.parts();
            Some(seconds as f64 + f64::from(nanoseconds) / 1e9)
        }
        value => value.as_f64().ok().or(value.as_u64().ok().map(|count| count as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_family_is_declared_once_and_labels_are_escaped() {
        let service = Value::map([
            ("name", Value::from("a\"b\\c\nd")),
            ("view", "DISCONNECTED".into()),
            ("state", "RUNNING".into()),
            ("steps", 7u64.into()),
            ("answered", Value::map([("done", 2u64)])),
        ]);
        let figures = Value::map([("uptime", Value::from(1.5)), ("services", 1u64.into())]);
        let text = text(&figures, &Value::Array(vec![service]));
        let label = "service=\"a\\\"b\\\\c\\nd\"";
        for line in [
            "linkspan_controller_uptime_seconds 1.5".to_owned(),
            format!("linkspan_service_up{{{label}}} 0"),
            // A disconnected service has no known state.
            format!("linkspan_service_state{{{label},state=\"RUNNING\"}} 0"),
            format!("linkspan_service_steps_total{{{label}}} 7"),
            format!("linkspan_service_commands_total{{{label},outcome=\"done\"}} 2"),
        ] {
            assert!(text.lines().any(|present| present == line), "{line} is missing in\n{text}");
        }
        assert!(!text.lines().any(|line| line.starts_with("linkspan_service_busy_seconds")), "{text}");
        let mut families: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let count = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!((families.len(), text.ends_with('\n')), (count, true));
    }
}

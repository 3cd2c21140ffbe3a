//! The page's files, which are part of the program.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

pub struct Asset {
    pub path: &'static str,
    kind: &'static str,
    content: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub const ASSETS: [Asset; 9] = [
    Asset { path: "/", kind: "text/html; charset=utf-8", content: include_str!("../../page/page.html") },
    Asset {
        path: "/page.css",
        kind: "text/css; charset=utf-8",
        content: include_str!("../../page/page.css"),
    },
    Asset { path: "/icon.svg", kind: "image/svg+xml", content: include_str!("../../page/icon.svg") },
    Asset { path: "/page.js", kind: SCRIPT, content: include_str!("../../page/page.js") },
    Asset { path: "/stream.js", kind: SCRIPT, content: include_str!("../../page/stream.js") },
    Asset { path: "/service.js", kind: SCRIPT, content: include_str!("../../page/service.js") },
    Asset { path: "/plot.js", kind: SCRIPT, content: include_str!("../../page/plot.js") },
    Asset { path: "/dialogs.js", kind: SCRIPT, content: include_str!("../../page/dialogs.js") },
    Asset { path: "/values.js", kind: SCRIPT, content: include_str!("../../page/values.js") },
];

impl Asset {
    /// Returns the file, or "not modified" if the browser has it.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{:016x}\"", fingerprint(self.content.as_bytes()));
        let known = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let known =
            known.is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
        let marks = [(ETAG, tag.as_str()), (CACHE_CONTROL, "no-cache")];
        match known {
            true => (StatusCode::NOT_MODIFIED, marks).into_response(),
            false => (marks, [(CONTENT_TYPE, self.kind)], Body::from(self.content)).into_response(),
        }
    }
}

/// FNV-1a distinguishes versions of a file but does not resist attacks.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_requests_only_existing_resources() {
        let known: Vec<_> = ASSETS.iter().map(|asset| asset.path.trim_start_matches('/')).collect();
        for word in ["src=\"", "href=\"", "from './"] {
            for asset in &ASSETS {
                for reference in asset.content.split(word).skip(1) {
                    let reference = reference.split(['"', '\'']).next().unwrap();
                    assert!(
                        known.contains(&reference) || reference.starts_with('#'),
                        "{} refers to {reference:?}",
                        asset.path
                    );
                }
            }
        }
        for asset in &ASSETS {
            assert!(!asset.content.contains("https://"), "{} names another place", asset.path);
        }
    }
}

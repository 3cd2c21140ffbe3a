//! The routes. The page's files need no token; reading permits the read-only token.
//!
//! Except for the exact addresses of the page's files, the check of the token precedes the search for a route, so
//! similar and later addresses are refused.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use linkspan::{ErrorKind, Value};

use super::api::{self, ControllerClient};
use super::assets::ASSETS;
use super::guard::{self, Access};
use super::problem::{Problem, json};
use super::rights::Rights;

struct Route {
    method: &'static str,
    /// A part in braces is one path segment, with `/` as `%2F`.
    path: &'static str,
    handler: fn() -> MethodRouter<Arc<ControllerClient>>,
}

fn routes() -> [Route; 8] {
    [
        Route { method: "GET", path: "/api", handler: || get(index) },
        Route { method: "GET", path: "/api/services", handler: || get(api::services) },
        Route { method: "GET", path: "/api/services/{name}", handler: || get(api::service) },
        Route { method: "POST", path: "/api/services/{name}/commands", handler: || post(api::command) },
        Route { method: "GET", path: "/api/services/{name}/commands/{id}", handler: || get(api::answer) },
        Route { method: "GET", path: "/metrics", handler: || get(api::metrics) },
        Route { method: "GET", path: "/api/log", handler: || get(api::log) },
        Route { method: "GET", path: "/api/events", handler: || get(api::events) },
    ]
}

/// The page and its interface, closed to requests that `access` refuses.
pub fn router(client: ControllerClient, access: Arc<Access>) -> Router {
    let mut protected = Router::new();
    for Route { method, path, handler } in routes() {
        // Only GET routes admit the read-only token.
        let handler = match method {
            "GET" => handler(),
            _ => handler().layer(from_fn(guard::require_command)),
        };
        protected = protected.route(path, handler.fallback(async move || Problem::method(method)));
    }
    let token = from_fn_with_state(access.clone(), guard::require_token);
    let protected = protected.fallback(nothing_here).layer(token).with_state(Arc::new(client));
    let mut public = Router::new();
    for asset in &ASSETS {
        let file = get(async move |headers: HeaderMap| asset.answer(&headers));
        public = public.route(asset.path, file.fallback(async || Problem::method("GET")));
    }
    // Every request is checked, and every response has the headers.
    public.fallback_service(protected).layer(from_fn_with_state(access, guard::require_own_page))
}

async fn nothing_here(uri: Uri) -> Problem {
    let text = format!("there is nothing at {}; GET /api lists what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, ErrorKind::NotFound, text)
}

/// For programs: the routes that the token allows.
async fn index(Extension(rights): Extension<Rights>) -> Response {
    let open = routes().into_iter().filter(|route| rights == Rights::Command || route.method == "GET");
    let routes = open.map(|route| Value::map([("method", route.method), ("path", route.path)]));
    json(StatusCode::OK, &Value::Array(routes.collect()))
}

//! Connections to the controller: a request borrows one, on a thread that may block.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use linkspan::service::Controller;
use linkspan::{Error, ErrorKind, Options};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::problem::Problem;

/// How long the controller, which is on this machine, may take to accept.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn connect(endpoint: &str) -> linkspan::Result<Controller> {
    Controller::connect(endpoint, &Options::default(), PATIENCE)
}

pub struct Pool {
    endpoint: String,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Controller>>,
}

impl Pool {
    pub fn new(endpoint: &str, places: usize) -> Arc<Pool> {
        Arc::new(Pool {
            endpoint: endpoint.to_owned(),
            places: Arc::new(Semaphore::new(places)),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Fails at once if all connections are busy.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Pool>,
        question: impl FnOnce(&Controller) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let text = "too many concurrent requests to the page's server; try again when one is done";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Full, text));
        };
        let pool = self.clone();
        let pending = spawn_blocking(move || {
            let _place = place;
            let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let controller = match idle {
                Some(controller) => controller,
                None => connect(&pool.endpoint).map_err(|e| Problem::unreachable(&e))?,
            };
            let answer = question(&controller);
            // A connection that may be broken is not used again.
            if !matches!(&answer, Err(e) if e.kind() == ErrorKind::Disconnected) {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(controller);
            }
            answer.map_err(Problem::from)
        });
        pending.await.unwrap_or_else(|error| {
            let text = format!("a request to the controller ended in a defect: {error}");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorKind::Internal, text))
        })
    }
}

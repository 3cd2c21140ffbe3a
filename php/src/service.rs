//! The enums of the protocol between services and controllers, and `Linkspan\Answer`.

use ext_php_rs::boxed::ZBox;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendObject, Zval};
use linkspan::service;
use linkspan::{Error, ErrorKind};

use crate::edge::{PhpResult, edge};
use crate::received::Answer;
use crate::scalars::Text;
use crate::{exception, from_wire};

#[php_enum]
#[php(name = "Linkspan\\State")]
pub enum State {
    #[php(value = "STARTING")]
    Starting,
    #[php(value = "READY")]
    Ready,
    #[php(value = "RUNNING")]
    Running,
    #[php(value = "PAUSING")]
    Pausing,
    #[php(value = "PAUSED")]
    Paused,
    #[php(value = "CHECKPOINTING")]
    Checkpointing,
    #[php(value = "STOPPING")]
    Stopping,
    #[php(value = "STOPPED")]
    Stopped,
    #[php(value = "FAILED")]
    Failed,
}

impl From<service::State> for State {
    fn from(state: service::State) -> State {
        match state {
            service::State::Starting => State::Starting,
            service::State::Ready => State::Ready,
            service::State::Running => State::Running,
            service::State::Pausing => State::Pausing,
            service::State::Paused => State::Paused,
            service::State::Checkpointing => State::Checkpointing,
            service::State::Stopping => State::Stopping,
            service::State::Stopped => State::Stopped,
            service::State::Failed => State::Failed,
        }
    }
}

#[php_enum]
#[php(name = "Linkspan\\View")]
pub enum View {
    #[php(value = "CONNECTED")]
    Connected,
    #[php(value = "STALE")]
    Stale,
    #[php(value = "DISCONNECTED")]
    Disconnected,
    #[php(value = "GONE")]
    Gone,
}

#[php_enum]
#[php(name = "Linkspan\\Command")]
pub enum Command {
    #[php(value = "GET_DATA")]
    GetData,
    #[php(value = "PAUSE")]
    Pause,
    #[php(value = "RUN")]
    Run,
    #[php(value = "CHECKPOINT")]
    Checkpoint,
    #[php(value = "SHUTDOWN")]
    Shutdown,
    #[php(value = "STATUS")]
    Status,
    #[php(value = "DESCRIBE")]
    Describe,
    #[php(value = "STATS")]
    Stats,
    #[php(value = "CONFIG")]
    Config,
    #[php(value = "LOG")]
    Log,
    #[php(value = "BACKUP")]
    Backup,
    #[php(value = "CANCEL")]
    Cancel,
}

#[php_enum]
#[php(name = "Linkspan\\Outcome")]
pub enum Outcome {
    #[php(value = "ACCEPTED")]
    Accepted,
    #[php(value = "DONE")]
    Done,
    #[php(value = "FAILED")]
    Failed,
    #[php(value = "REJECTED")]
    Rejected,
}

impl From<service::Outcome> for Outcome {
    fn from(outcome: service::Outcome) -> Outcome {
        match outcome {
            service::Outcome::Accepted => Outcome::Accepted,
            service::Outcome::Done => Outcome::Done,
            service::Outcome::Failed => Outcome::Failed,
            service::Outcome::Rejected => Outcome::Rejected,
        }
    }
}

#[php_impl]
impl Answer {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "answers arrive, they are not made")))
    }
    #[php(getter)]
    pub fn get_id(&self) -> Text {
        Text::of(self.0.id.as_bytes())
    }
    #[php(getter)]
    pub fn get_outcome(&self) -> Outcome {
        self.0.outcome.into()
    }
    #[php(getter)]
    pub fn get_state(&self) -> State {
        self.0.state.into()
    }
    #[php(getter)]
    pub fn get_value(&self) -> PhpResult<Zval> {
        edge(|| from_wire::zval_of(&self.0.value))
    }
    #[php(getter)]
    pub fn get_error(&self) -> Option<ZBox<ZendObject>> {
        self.0.clone().into_result().err().map(exception::object_of)
    }
    pub fn json_serialize(&self) -> PhpResult<Zval> {
        edge(|| from_wire::zval_from(self.0.to_value()))
    }
}

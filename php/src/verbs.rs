//! The verbs as functions, besides the methods that they call.

use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;

use crate::channel::{Channel, Listener};
use crate::edge::{PhpResult, edge};
use crate::publish::Publisher;
use crate::server::Server;
use crate::zend::{Made, try_made};

#[php_function]
#[php(name = "Linkspan\\open")]
pub fn open(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Channel>> {
    Channel::open(endpoint, options)
}

#[php_function]
#[php(name = "Linkspan\\connect")]
pub fn connect(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Channel>> {
    Channel::connect(endpoint, options)
}

#[php_function]
#[php(name = "Linkspan\\listen")]
pub fn listen(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Listener>> {
    Listener::listen(endpoint, options)
}

#[php_function]
#[php(name = "Linkspan\\serve")]
pub fn serve(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Server>> {
    Server::serve(endpoint, options)
}

#[php_function]
#[php(name = "Linkspan\\publisher")]
pub fn publisher(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Publisher>> {
    edge(|| try_made(|| Publisher::at(endpoint, options)))
}

pub fn functions(module: ModuleBuilder) -> ModuleBuilder {
    module
        .function(wrap_function!(open))
        .function(wrap_function!(connect))
        .function(wrap_function!(listen))
        .function(wrap_function!(serve))
        .function(wrap_function!(publisher))
}

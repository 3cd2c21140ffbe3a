//! The PHP extension `linkspan`: the edge of the language, without policy; what PHP sees stands in stubs/linkspan.stub.php.
#![allow(
    missing_docs,
    reason = "the macro php_module makes public items without docs; nothing else here is public"
)]

mod channel;
mod codec;
mod controller;
mod edge;
mod exception;
mod from_wire;
mod iteration;
mod message;
mod ndarray;
mod options;
mod publish;
mod region;
mod scalars;
mod server;
mod service;
mod signals;
mod tape;
mod to_wire;
mod verbs;
mod watch;
mod zend;

use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::prelude::*;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs, ModuleEntry};
use ext_php_rs::{info_table_end, info_table_row, info_table_start};

static INI: IniEntryDefs<2> = IniEntryDefs::new([
    IniEntryDef {
        on_modify: Some(options::timeout_changes),
        ..IniEntryDef::new(c"linkspan.timeout", c"30", IniEntryPermission::All)
    },
    IniEntryDef::end(),
]);

/// Registers what the macros cannot. Nothing is opened here: FPM's master runs this as root.
pub extern "C" fn startup(_type: i32, module: i32) -> i32 {
    edge::keep_panics_quiet();
    IniEntryDef::register(INI.as_slice(), module);
    match exception::register() {
        Ok(()) => 0,
        Err(_) => -1,
    }
}

/// The section of phpinfo().
pub extern "C" fn info(module: *mut ModuleEntry) {
    info_table_start!();
    info_table_row!("Linkspan", "enabled");
    info_table_row!("Version", env!("CARGO_PKG_VERSION"));
    info_table_row!("Encodings", "json, cbor, bson, smile, raw");
    info_table_end!();
    zend::print_ini_entries(module);
}

/// What the engine asks for when it loads the extension.
#[php_module]
#[php(startup = "startup")]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    verbs::functions(publish::functions(codec::functions(module)))
        .name("linkspan")
        .info_function(info)
        .enumeration::<codec::Encoding>()
        .enumeration::<service::State>()
        .enumeration::<service::View>()
        .enumeration::<service::Command>()
        .enumeration::<service::Outcome>()
        .class::<scalars::Bytes>()
        .class::<scalars::Timestamp>()
        .class::<scalars::BigInt>()
        .class::<scalars::Decimal>()
        .class::<scalars::Uuid>()
        .class::<ndarray::NdArray>()
        .class::<message::Message>()
        .class::<message::Request>()
        .class::<channel::Event>()
        .class::<channel::Channel>()
        .class::<channel::Listener>()
        .class::<iteration::Iteration>()
        .class::<server::Server>()
        .class::<region::Region>()
        .class::<publish::Publisher>()
        .class::<publish::Subscriber>()
        .class::<service::Answer>()
        .class::<controller::Controller>()
        .class::<controller::ServiceHandle>()
        .class::<watch::Watch>()
}

//! The PHP extension `linkspan`: a PHP interface of the core without further logic.
//!
//! stubs/linkspan.stub.php has the PHP declarations.
#![allow(
    missing_docs,
    reason = "the macro php_module makes public items without docs; nothing else here is public"
)]

mod arguments;
mod bytes_loan;
mod call;
mod channel;
mod class_plan;
mod classes;
mod codec;
mod controller;
mod date_time;
mod edge;
mod encoding;
mod exception;
mod finite;
mod flat;
mod from_wire;
mod instances;
mod iteration;
mod json;
mod message;
mod ndarray;
mod options;
mod packed;
mod page;
mod publish;
mod received;
mod region;
mod room;
mod scalars;
mod scratch;
mod server;
mod service;
mod signals;
mod stream;
mod tape;
mod to_wire;
mod utf8;
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

/// Opens nothing: FPM's master runs this as root.
pub extern "C" fn startup(_type: i32, module: i32) -> i32 {
    edge::keep_panics_quiet();
    arguments::register();
    IniEntryDef::register(INI.as_slice(), module);
    match exception::register() {
        Ok(()) => 0,
        Err(_) => -1,
    }
}

/// Removes the data of classes, which end with the request.
pub extern "C" fn request_ends(_type: i32, _module: i32) -> i32 {
    class_plan::forget();
    classes::forget();
    packed::forget();
    0
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

/// The engine reads this entry at load.
#[php_module]
#[php(startup = "startup")]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    let module = verbs::functions(publish::functions(codec::functions(module)));
    packed::functions(instances::functions(module))
        .name("linkspan")
        .info_function(info)
        .request_shutdown_function(request_ends)
        .enumeration::<encoding::Encoding>()
        .enumeration::<service::State>()
        .enumeration::<service::View>()
        .enumeration::<service::Command>()
        .enumeration::<service::Outcome>()
        .class::<scalars::Bytes>()
        .class::<scalars::Timestamp>()
        .class::<scalars::BigInt>()
        .class::<scalars::Decimal>()
        .class::<scalars::Uuid>()
        // Before the classes whose methods return it.
        .class::<iteration::Iteration>()
        .class::<ndarray::NdArray>()
        .class::<received::Message>()
        .class::<received::Request>()
        .class::<channel::Event>()
        .class::<channel::PendingReply>()
        .class::<bytes_loan::BytesLoan>()
        .class::<channel::Channel>()
        .class::<channel::Listener>()
        .class::<server::Server>()
        .class::<region::Region>()
        .class::<publish::Publisher>()
        .class::<publish::Subscriber>()
        .class::<received::Answer>()
        .class::<controller::Controller>()
        .class::<controller::ServiceHandle>()
        .class::<watch::Watch>()
        .class::<page::Problem>()
        .class::<page::ControllerPage>()
}

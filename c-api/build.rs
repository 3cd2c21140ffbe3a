//! Sets the soname of the shared library.
//!
//! Programs then depend on the interface version instead of the file.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblinkspan.so.0");
}

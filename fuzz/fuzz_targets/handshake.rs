//! See [`deskway_fuzz::handshake`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deskway_fuzz::handshake(data));

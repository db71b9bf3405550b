//! See [`deskway_fuzz::framer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deskway_fuzz::framer(data));

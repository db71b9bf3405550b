//! See [`deskway_fuzz::upgrade_raw`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deskway_fuzz::upgrade_raw(data));

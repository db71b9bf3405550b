//! See [`deskway_fuzz::websocket`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deskway_fuzz::websocket(data));

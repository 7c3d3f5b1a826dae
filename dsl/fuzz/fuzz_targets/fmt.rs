#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dsl_fuzz::targets::fmt(data));

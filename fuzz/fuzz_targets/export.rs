#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vmrun_fuzz::export::holds(bytes));

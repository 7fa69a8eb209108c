#![no_main]

use std::panic::{set_hook, take_hook};

libfuzzer_sys::fuzz_target!(
    init: {
        // libFuzzer's hook ends the process at each panic, also at those of redb that become an error.
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !rowmill::runtime::panic_is_caught() {
                usual(info);
            }
        }));
    },
    |bytes: &[u8]| rowmill::fuzzing::checkpoint(bytes)
);

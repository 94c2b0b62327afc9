//! PREVIOUS_GTIDS_EVENT and GTID_LIST_EVENT.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::gtid::{GtidPos, GtidSet};

fuzz_target!(|data: &[u8]| {
    if let Ok(set) = GtidSet::decode(data) {
        assert_eq!(GtidSet::decode(&set.encode()).as_ref(), Ok(&set));
        let mut union = set.clone();
        union.union(&set);
        assert_eq!(union, set);
    }
    let _ = GtidPos::decode(data);
});

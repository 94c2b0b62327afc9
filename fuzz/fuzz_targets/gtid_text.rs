//! GTID sets and positions as text: what is read prints, and reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicate::gtid::{Gtid, GtidPos, GtidSet};

fuzz_target!(|text: &str| {
    if let Ok(set) = text.parse::<GtidSet>() {
        assert_eq!(set.to_string().parse::<GtidSet>().as_ref(), Ok(&set));
        assert_eq!(GtidSet::decode(&set.encode()).as_ref(), Ok(&set));
    }
    if let Ok(gtid) = text.parse::<Gtid>() {
        assert_eq!(gtid.to_string().parse::<Gtid>().as_ref(), Ok(&gtid));
    }
    if let Ok(pos) = text.parse::<GtidPos>() {
        assert_eq!(pos.to_string().parse::<GtidPos>().as_ref(), Ok(&pos));
    }
});

//! Sets of MySQL GTIDs, kept as sorted intervals for each UUID and tag.
//!
//! Text is what `@@gtid_executed` shows; the binary form is the body of PREVIOUS_GTIDS_EVENT and of
//! COM_BINLOG_DUMP_GTID. Manual: "GTID Sets"; worklog WL#15294 for tags.
//!
//! ```text
//! untagged  | 8 count |                         count x | 16 uuid |               8 intervals | intervals x | 8 start | 8 end |
//! tagged    | 1 0x01 | 6 count | 1 0x01 |       count x | 16 uuid | length, tag | 8 intervals | ...   (end is exclusive)
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::text::{self, GtidTextError};
use super::{GNO_END, Gtid, is_tag};
use crate::wire::{self, Parsed, Problem};

/// What numbers are counted for: a server, or a tag of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tsid {
    /// UUID of the server that committed first.
    pub uuid: [u8; 16],
    /// Tag, lower case.
    pub tag: Option<Arc<str>>,
}

/// Consecutive numbers, `start` included, `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// First number, from 1.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

/// A set of MySQL GTIDs. Intervals are sorted, not empty, and never touch one another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidSet {
    members: BTreeMap<Tsid, Vec<Interval>>,
}

impl GtidSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The intervals, by UUID and tag.
    pub fn iter(&self) -> impl Iterator<Item = (&Tsid, &[Interval])> {
        self.members.iter().map(|(tsid, intervals)| (tsid, intervals.as_slice()))
    }

    /// Adds one transaction. MariaDB's identifiers belong to no set of this kind: false, and nothing is added.
    pub fn insert(&mut self, gtid: &Gtid) -> bool {
        match gtid {
            Gtid::MySql { uuid, tag, gno } if (1..GNO_END).contains(gno) => {
                let tsid = Tsid { uuid: *uuid, tag: tag.clone() };
                self.insert_interval(tsid, Interval { start: *gno, end: gno + 1 });
                true
            }
            _ => false,
        }
    }

    /// Adds consecutive transactions; an empty interval adds nothing.
    pub fn insert_interval(&mut self, tsid: Tsid, new: Interval) {
        if new.start >= new.end {
            return;
        }
        let intervals = self.members.entry(tsid).or_default();
        let first = intervals.partition_point(|have| have.end < new.start);
        let touched = intervals.get(first..).unwrap_or_default().iter().take_while(|have| have.start <= new.end);
        let (count, merged) = touched.fold((0, new), |(count, sum), have| {
            (count + 1, Interval { start: sum.start.min(have.start), end: sum.end.max(have.end) })
        });
        intervals.splice(first..first + count, [merged]);
    }

    /// Whether the transaction is in the set.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        let Gtid::MySql { uuid, tag, gno } = gtid else { return false };
        let Some(intervals) = self.members.get(&Tsid { uuid: *uuid, tag: tag.clone() }) else { return false };
        let at = intervals.partition_point(|have| have.end <= *gno);
        intervals.get(at).is_some_and(|have| have.start <= *gno)
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &Self) {
        for (tsid, intervals) in &other.members {
            for interval in intervals {
                self.insert_interval(tsid.clone(), *interval);
            }
        }
    }

    /// Takes out all of `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.members.retain(|tsid, intervals| {
            if let Some(remove) = other.members.get(tsid) {
                *intervals = difference(intervals, remove);
            }
            !intervals.is_empty()
        });
    }

    /// Whether all of it is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.members
            .iter()
            .all(|(tsid, intervals)| other.members.get(tsid).is_some_and(|have| difference(intervals, have).is_empty()))
    }

    /// Reads the binary form: the body of PREVIOUS_GTIDS_EVENT.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn decode(body: &[u8]) -> Result<Self, wire::ParseError> {
        decode(body).map_err(wire::unwrap_error)
    }

    /// The binary form: tagged if any member has a tag.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let tagged = self.members.keys().any(|tsid| tsid.tag.is_some());
        let count = u64::try_from(self.members.len()).unwrap_or(u64::MAX);
        let head = if tagged { 1 << 56 | count << 8 | 1 } else { count };
        let mut out = head.to_le_bytes().to_vec();
        for (tsid, intervals) in &self.members {
            out.extend_from_slice(&tsid.uuid);
            if tagged {
                let tag = tsid.tag.as_deref().unwrap_or_default();
                // A tag has at most 32 bytes: one byte of a length of variable size holds it.
                out.push(u8::try_from(tag.len() * 2).unwrap_or(0));
                out.extend_from_slice(tag.as_bytes());
            }
            out.extend_from_slice(&u64::try_from(intervals.len()).unwrap_or(u64::MAX).to_le_bytes());
            for Interval { start, end } in intervals {
                out.extend_from_slice(&start.to_le_bytes());
                out.extend_from_slice(&end.to_le_bytes());
            }
        }
        out
    }
}

/// What is in `from` and not in `remove`; both sorted and disjoint.
fn difference(from: &[Interval], remove: &[Interval]) -> Vec<Interval> {
    let mut left = Vec::with_capacity(from.len());
    let mut remove = remove.iter().peekable();
    for &Interval { mut start, end } in from {
        while let Some(gone) = remove.peek().filter(|gone| gone.start < end) {
            if start < gone.start {
                left.push(Interval { start, end: gone.start });
            }
            start = start.max(gone.end);
            if gone.end >= end {
                break;
            }
            remove.next();
        }
        if start < end {
            left.push(Interval { start, end });
        }
    }
    left
}

fn decode(i: &[u8]) -> Result<GtidSet, nom::Err<wire::ParseError>> {
    let (after, head) = wire::le_u64("sid count")(i)?;
    let (tagged, count) = match head >> 56 {
        0 => (false, head),
        1 => (true, head >> 8 & 0xffff_ffff_ffff),
        other => return Err(wire::fail(i, "format", Problem::Unknown(other))),
    };
    let mut set = GtidSet::new();
    let mut i = after;
    for _ in 0..count {
        let (rest, uuid) = wire::array::<16>("sid")(i)?;
        let (rest, tag) = if tagged { decode_tag(rest)? } else { (rest, None) };
        let tsid = Tsid { uuid, tag };
        let (rest, intervals) = wire::le_u64("interval count")(rest)?;
        i = rest;
        for _ in 0..intervals {
            let (rest, start) = wire::le_u64("interval start")(i)?;
            let (rest, end) = wire::le_u64("interval end")(rest)?;
            if start == 0 || start >= end || end > GNO_END {
                return Err(wire::fail(i, "interval", Problem::Invalid));
            }
            set.insert_interval(tsid.clone(), Interval { start, end });
            i = rest;
        }
    }
    wire::end("gtid set")(i)?;
    Ok(set)
}

fn decode_tag(input: &[u8]) -> Parsed<'_, Option<Arc<str>>> {
    let (i, length) = wire::varlen("tag")(input)?;
    let (i, tag) = wire::bytes(usize::try_from(length).unwrap_or(usize::MAX), "tag")(i)?;
    match std::str::from_utf8(tag) {
        Ok("") => Ok((i, None)),
        Ok(tag) if is_tag(tag) => Ok((i, Some(Arc::from(tag)))),
        _ => Err(wire::fail(input, "tag", Problem::Invalid)),
    }
}

impl fmt::Display for GtidSet {
    /// As servers print it, without line breaks: `uuid:1-3:5:tag:1,uuid2:1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&Tsid> = None;
        for (tsid, intervals) in &self.members {
            if previous.is_none_or(|before| before.uuid != tsid.uuid) {
                if previous.is_some() {
                    f.write_str(",")?;
                }
                text::write_uuid(f, &tsid.uuid)?;
            }
            if let Some(tag) = &tsid.tag {
                write!(f, ":{tag}")?;
            }
            for Interval { start, end } in intervals {
                let last = end.saturating_sub(1);
                if *start == last { write!(f, ":{start}")? } else { write!(f, ":{start}-{last}")? }
            }
            previous = Some(tsid);
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = GtidTextError;

    /// Blanks and line breaks may stand around every part, commas may be doubled, as servers allow.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let mut set = Self::new();
        for part in input.split(',').filter(|part| !part.trim().is_empty()) {
            parse_member(part, &mut set).ok_or_else(|| GtidTextError::set(input))?;
        }
        Ok(set)
    }
}

/// `uuid:interval:...:tag:interval:...`
fn parse_member(part: &str, set: &mut GtidSet) -> Option<()> {
    let mut pieces = part.split(':');
    let mut tsid = Tsid { uuid: text::uuid(pieces.next()?)?, tag: None };
    let mut complete = false;
    for piece in pieces {
        if let Some(tag) = text::tag(piece) {
            tsid.tag = Some(tag);
            complete = false;
            continue;
        }
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (start, last) = (text::gno(first)?, text::gno(last)?);
        set.insert_interval(tsid.clone(), Interval { start, end: last.saturating_add(1) });
        complete = true;
    }
    complete.then_some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn member(server: u8, tag: u8, gno: u64) -> Gtid {
        let tag = match tag {
            0 => None,
            n => Some(Arc::from(format!("tag_{n}"))),
        };
        Gtid::MySql { uuid: [server; 16], tag, gno }
    }

    fn build(members: &HashSet<(u8, u8, u64)>) -> GtidSet {
        let mut set = GtidSet::new();
        for (server, tag, gno) in members {
            assert!(set.insert(&member(*server, *tag, *gno)));
        }
        set
    }

    fn model() -> impl Strategy<Value = HashSet<(u8, u8, u64)>> {
        prop::collection::hash_set((0..2_u8, 0..3_u8, 1..24_u64), 0..40)
    }

    proptest! {
        #[test]
        fn sets_behave_as_plain_sets_of_numbers(a in model(), b in model()) {
            let (set_a, set_b) = (build(&a), build(&b));
            let mut union = set_a.clone();
            union.union(&set_b);
            prop_assert_eq!(&union, &build(&a.union(&b).copied().collect()));
            let mut rest = set_a.clone();
            rest.subtract(&set_b);
            prop_assert_eq!(&rest, &build(&a.difference(&b).copied().collect()));
            prop_assert_eq!(set_a.is_subset(&set_b), a.is_subset(&b));
            prop_assert!(set_a.is_subset(&union) && rest.is_subset(&set_a));
            for (server, tag, gno) in a.union(&b) {
                prop_assert_eq!(set_a.contains(&member(*server, *tag, *gno)), a.contains(&(*server, *tag, *gno)));
            }
        }

        #[test]
        fn text_and_bytes_round_trip(a in model()) {
            let set = build(&a);
            prop_assert_eq!(&set.to_string().parse::<GtidSet>().unwrap(), &set);
            prop_assert_eq!(&GtidSet::decode(&set.encode()).unwrap(), &set);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = GtidSet::decode(&bytes);
        }
    }

    #[test]
    fn text_is_read_as_servers_read_it() {
        let text = format!(" {A}:1-3:3-5 :7: TAG_a:1-2:4:b:9 ,\n{},", B.to_uppercase());
        assert!(text.parse::<GtidSet>().is_err(), "a server without numbers");
        let text = format!(" {A}:1-3:3-5 :7: TAG_a:1-2:4:b:9 ,\n{}:5,", B.to_uppercase());
        let set: GtidSet = text.parse().unwrap();
        assert_eq!(set.to_string(), format!("{A}:1-5:7:b:9:tag_a:1-2:4,{B}:5"));
        assert!("".parse::<GtidSet>().unwrap().is_empty());
        for bad in ["x", &format!("{A}:0"), &format!("{A}:1-"), &format!("{A}:1:tag"), &format!("{A}:1-2-3")] {
            assert!(bad.parse::<GtidSet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_truncation_of_a_set_is_an_error() {
        for text in [format!("{A}:1-5:7,{B}:1"), format!("{A}:1-5:7:tag:1-2,{B}:1")] {
            let bytes = text.parse::<GtidSet>().unwrap().encode();
            for cut in 0..bytes.len() {
                assert!(GtidSet::decode(&bytes[..cut]).is_err());
            }
        }
    }
}

//! What a crash, a power loss or a bad disk leaves, and what is made of it.

use std::fs;
use std::path::Path;

use super::sample::{self, Receiver, Source};
use super::{RelayEnd, RelayError, RelayFileId, RelayPlace, index};
use crate::binlog::{ChecksumAlgorithm, EventType, HEADER_LEN};

const ALGORITHMS: [ChecksumAlgorithm; 2] = [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Off];
const FIRST: RelayFileId = RelayFileId::FIRST;

/// One relay file with a few transactions; returns it with all its boundaries, the file's beginning first.
fn sample_file(alg: ChecksumAlgorithm) -> (Vec<u8>, Vec<RelayEnd>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut receiver, _) = Receiver::open(dir.path(), u64::MAX).unwrap();
    let mut source = Source::new(alg);
    let mut ends = Vec::new();
    let mut take = |events: Vec<Vec<u8>>| {
        for event in events {
            receiver.take(&[event], alg);
            ends.extend(receiver.writer.commit(false).unwrap());
        }
    };
    take(source.hello());
    take(source.transaction(20));
    take(vec![source.query("CREATE TABLE t (a INT)")]);
    take(source.next_file());
    take(source.transaction(700));
    take(source.transaction(3));
    let file = receiver.writer.log().open(FIRST).unwrap();
    ends.insert(
        0,
        RelayEnd {
            place: RelayPlace { file: FIRST, offset: file.header().unwrap().body },
            source: file.header().unwrap().start,
        },
    );
    ends.dedup();
    (fs::read(dir.path().join(FIRST.to_string())).unwrap(), ends)
}

/// Opens a relay log that consists of one file with these bytes.
fn reopen(bytes: &[u8]) -> (tempfile::TempDir, Result<Option<RelayEnd>, RelayError>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FIRST.to_string()), bytes).unwrap();
    fs::write(dir.path().join("relay-bin.index"), format!("{FIRST}\n")).unwrap();
    let end = Receiver::open(dir.path(), u64::MAX).map(|(_, recovered)| recovered.end);
    (dir, end)
}

/// The last boundary that the first `len` bytes hold whole.
fn last_end(ends: &[RelayEnd], len: usize) -> Option<RelayEnd> {
    ends.iter().rfind(|end| end.place.offset <= len as u64).cloned()
}

/// The end is the last boundary of the first `len` bytes. An artificial ROTATE may stand between the two.
fn assert_stands(end: Option<&RelayEnd>, ends: &[RelayEnd], len: usize) {
    let right = last_end(ends, len);
    assert_eq!(end.map(|end| &end.source), right.as_ref().map(|end| &end.source), "{len}");
    assert!(end.is_none_or(|end| end.place.offset <= len as u64), "{len}");
    assert!(end.map(|end| end.place) >= right.map(|end| end.place), "{len}");
}

fn assert_goes_on(dir: &Path, end: Option<&RelayEnd>, alg: ChecksumAlgorithm) {
    let (mut receiver, _) = Receiver::open(dir, u64::MAX).unwrap();
    let before = sample::received(&receiver.writer.log());
    let mut source = Source::new(alg);
    if let Some(end) = end {
        source.position = end.source.clone();
    }
    let events: Vec<_> = source.hello().into_iter().chain(source.transaction(9)).collect();
    receiver.take(&events, alg);
    assert_eq!(receiver.writer.commit(true).unwrap().unwrap().source, source.position);
    let after = sample::received(&receiver.writer.log());
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], events[1..]);
}

#[test]
fn a_write_torn_at_any_byte_is_cut_back_to_the_last_transaction() {
    for alg in ALGORITHMS {
        let (bytes, ends) = sample_file(alg);
        for len in 0..=bytes.len() {
            let (dir, end) = reopen(&bytes[..len]);
            let end = end.unwrap_or_else(|error| panic!("{len} of {}: {error}", bytes.len()));
            assert_stands(end.as_ref(), &ends, len);
            if let Some(end) = &end {
                let kept = fs::read(dir.path().join(FIRST.to_string())).unwrap();
                assert_eq!(kept, bytes[..end.place.offset as usize]);
            }
            if len % 97 == 0 {
                assert_goes_on(dir.path(), end.as_ref(), alg);
            }
        }
    }
}

#[test]
fn zeros_that_a_power_loss_leaves_at_the_end_are_cut_off() {
    let (bytes, ends) = sample_file(ChecksumAlgorithm::Crc32);
    for written in 0..bytes.len() {
        let mut lost = bytes[..written].to_vec();
        lost.resize((written / 4096 + 2) * 4096, 0);
        let (_dir, end) = reopen(&lost);
        let end = end.unwrap_or_else(|error| panic!("{written}: {error}"));
        // An event whose own last bytes are zeros may be whole in spite of it.
        let least = last_end(&ends, written).map(|end| end.source);
        assert!(end.as_ref().map(|end| end.source.clone()) >= least, "{written}");
        assert!(end.is_none_or(|end| ends.iter().any(|other| other.source == end.source)), "{written}");
    }
    for written in (0..bytes.len()).step_by(512) {
        let mut lost = bytes[..written].to_vec();
        lost.resize(bytes.len(), 0);
        let (_dir, end) = reopen(&lost);
        assert_stands(end.unwrap().as_ref(), &ends, written);
    }
}

#[test]
fn a_flipped_bit_is_an_error_with_file_and_offset_and_nothing_is_cut() {
    let (bytes, ends) = sample_file(ChecksumAlgorithm::Crc32);
    let starts = event_starts(&bytes);
    for at in 0..bytes.len() {
        let start = starts.iter().rfind(|start| **start <= at).copied().unwrap_or(0);
        let all_bits = at - start < HEADER_LEN;
        for bit in (0..8).filter(|bit| all_bits || *bit == at % 8) {
            let is_in_use =
                at == start + 17 && bit == 0 && bytes.get(start + 4) == Some(&EventType::FORMAT_DESCRIPTION.0);
            let is_last_size = Some(&start) == starts.last() && (start + 9..start + 13).contains(&at);
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let (dir, end) = reopen(&damaged);
            match end {
                Err(RelayError::Corrupt { file, offset, .. }) => {
                    // A damaged description of the format may show only in what it describes.
                    assert!(offset == start as u64 || start == 4, "byte {at} bit {bit}: {offset}");
                    assert_eq!(file, FIRST);
                    assert_eq!(fs::read(dir.path().join(FIRST.to_string())).unwrap(), damaged);
                }
                // The server changes this flag in place, and checksums leave it out.
                Ok(end) if is_in_use => assert_eq!(end.as_ref(), ends.last()),
                // An event at the very end that claims to be longer cannot be told from a torn one.
                Ok(end) if is_last_size => assert_stands(end.as_ref(), &ends, start),
                other => panic!("byte {at} bit {bit}: {other:?}"),
            }
        }
    }
}

/// Offsets of magic and events.
fn event_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 4;
    while at < bytes.len() {
        starts.push(at);
        at += crate::binlog::EventHeader::read(&bytes[at..]).unwrap().event_size as usize;
    }
    starts
}

#[test]
fn a_damaged_length_is_found_without_checksums_too_when_events_follow() {
    let (bytes, _) = sample_file(ChecksumAlgorithm::Off);
    let starts = event_starts(&bytes);
    let header_end = starts[3];
    let crc_bytes = &starts[3..starts.len() - 2];
    assert!(header_end > HEADER_LEN);
    for start in crc_bytes {
        let mut damaged = bytes.clone();
        damaged[start + 11] ^= 0x40;
        let (_dir, end) = reopen(&damaged);
        assert!(matches!(end, Err(RelayError::Corrupt { offset, .. }) if offset == *start as u64), "{start}: {end:?}");
    }
}

#[test]
fn a_crash_between_a_new_file_and_the_index_leaves_nothing_behind() {
    let (bytes, ends) = sample_file(ChecksumAlgorithm::Crc32);
    let (dir, _) = reopen(&bytes);
    fs::write(dir.path().join("relay-bin.000002"), &bytes[..50]).unwrap();
    let (receiver, recovered) = Receiver::open(dir.path(), u64::MAX).unwrap();
    assert_eq!(recovered.end.as_ref(), ends.last());
    assert_eq!(receiver.writer.log().files(), [FIRST]);
    assert!(!dir.path().join("relay-bin.000002").exists());
}

#[test]
fn a_last_file_without_its_beginning_gives_way_to_the_one_before() {
    let (bytes, ends) = sample_file(ChecksumAlgorithm::Crc32);
    for len in [None, Some(0), Some(3), Some(60), Some(130)] {
        let (dir, _) = reopen(&bytes);
        index::write(dir.path(), &[FIRST, FIRST.next()]).unwrap();
        if let Some(len) = len {
            fs::write(dir.path().join("relay-bin.000002"), &bytes[..len]).unwrap();
        }
        let (receiver, recovered) = Receiver::open(dir.path(), u64::MAX).unwrap();
        assert_eq!(recovered.end.as_ref(), ends.last());
        assert_eq!(receiver.writer.log().files(), [FIRST]);
    }
}

#[test]
fn purged_files_may_still_be_listed_and_a_gap_in_the_list_is_an_error() {
    let (bytes, ends) = sample_file(ChecksumAlgorithm::Crc32);
    let (dir, _) = reopen(&bytes);
    let files: Vec<_> = (1..=3).map(RelayFileId).collect();
    for id in &files[1..] {
        fs::write(dir.path().join(id.to_string()), &bytes).unwrap();
    }
    index::write(dir.path(), &files).unwrap();
    fs::remove_file(dir.path().join(FIRST.to_string())).unwrap();
    let (receiver, recovered) = Receiver::open(dir.path(), u64::MAX).unwrap();
    assert_eq!(recovered.end.unwrap().source, ends[ends.len() - 1].source);
    assert_eq!(receiver.writer.log().files(), files[1..]);

    fs::write(dir.path().join(FIRST.to_string()), &bytes).unwrap();
    index::write(dir.path(), &files).unwrap();
    fs::remove_file(dir.path().join(files[1].to_string())).unwrap();
    assert!(matches!(Receiver::open(dir.path(), u64::MAX), Err(RelayError::Index { .. })));
}

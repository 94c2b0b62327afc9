//! Damage, the same for the same seed.

use replicate::binlog::ChecksumAlgorithm;
use replicate::binlog::event::FormatDescription;

use super::super::corpus::{MAGIC, raw_events};

/// splitmix64: small, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }

    fn number(&mut self) -> u32 {
        const ODD: [u32; 10] = [0, 1, 0x7f, 0xff, 0xfff, 0xffff, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
        let number = ODD[self.below(ODD.len())];
        if self.next().is_multiple_of(4) { u32::try_from(self.next() & 0xffff_ffff).unwrap() } else { number }
    }
}

/// One damaged form of `bytes`; `other` gives pieces to splice in.
pub fn mutate(bytes: &[u8], other: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut damaged = bytes.to_vec();
    for _ in 0..1 + random.below(3) {
        match random.below(10) {
            0..6 => inside_an_event(&mut damaged, other, &mut random),
            6 => reorder(&mut damaged, other, &mut random),
            _ => anywhere(&mut damaged, other, &mut random),
        }
    }
    if seed.is_multiple_of(2) {
        repair_checksums(&mut damaged);
    }
    damaged
}

/// Damages the body of one event and makes its header fit, so that framing stays whole.
fn inside_an_event(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let events: Vec<(usize, usize)> = raw_events(bytes).iter().map(|(at, raw)| (*at, raw.bytes.len())).collect();
    if events.is_empty() {
        return;
    }
    let (at, len) = events[random.below(events.len())];
    let mut event = bytes[at..at + len].to_vec();
    let mut body = event.split_off(19);
    anywhere(&mut body, other, random);
    event.extend_from_slice(&body);
    if random.below(8) == 0 {
        event[4] = [19, 23, 24, 25, 30, 31, 32, 39, 40, 2, 33, 162, 165, 166][random.below(14)];
    }
    let size = u32::try_from(event.len()).unwrap();
    event[9..13].copy_from_slice(&size.to_le_bytes());
    bytes.splice(at..at + len, event);
}

/// Leaves out, repeats, swaps or borrows whole events.
fn reorder(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let events: Vec<Vec<u8>> = raw_events(bytes).iter().map(|(_, raw)| raw.bytes.to_vec()).collect();
    let borrowed: Vec<Vec<u8>> = raw_events(other).iter().map(|(_, raw)| raw.bytes.to_vec()).collect();
    if events.is_empty() || borrowed.is_empty() {
        return;
    }
    let mut events = events;
    let (one, two) = (random.below(events.len()), random.below(events.len()));
    match random.below(4) {
        0 => drop(events.remove(one)),
        1 => events.insert(one, events[two].clone()),
        2 => events.swap(one, two),
        _ => events.insert(one, borrowed[random.below(borrowed.len())].clone()),
    }
    bytes.truncate(MAGIC);
    events.iter().for_each(|event| bytes.extend_from_slice(event));
}

fn anywhere(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(0);
    }
    // Lengths and counts stand in front.
    let at = if random.below(3) == 0 { random.below(bytes.len().min(40)) } else { random.below(bytes.len()) };
    let len = 1 + random.below(24.min(bytes.len() - at));
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff][random.below(10)],
        2 => {
            let number = random.number().to_le_bytes();
            let width = [1, 2, 3, 4][random.below(4)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        3 => drop(bytes.drain(at..(at + len).min(bytes.len()))),
        4 => {
            let piece = bytes[at..(at + len).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let from = random.below(other.len());
            let piece = other[from..(from + len).min(other.len())].to_vec();
            bytes.splice(at..(at + len).min(bytes.len()), piece);
        }
        6 => {
            let to = random.below(bytes.len());
            bytes.swap(at, to);
        }
        _ => {
            let byte = u8::try_from(random.below(256)).unwrap();
            let end = (at + len).min(bytes.len());
            bytes[at..end].fill(byte);
        }
    }
}

/// Makes the checksums of all events right that can be cut, so that damage gets past them.
pub fn repair_checksums(bytes: &mut [u8]) {
    let mut algorithm = ChecksumAlgorithm::Off;
    let mut repairs = Vec::new();
    for (at, raw) in raw_events(bytes) {
        if let Ok(fde) = FormatDescription::parse(&raw)
            && raw.header.event_type == replicate::binlog::EventType::FORMAT_DESCRIPTION
        {
            algorithm = fde.checksum;
        }
        if algorithm == ChecksumAlgorithm::Crc32
            && let Some((covered, _)) = raw.bytes.split_last_chunk::<4>()
        {
            repairs.push((at + covered.len(), crc32fast::hash(covered)));
        }
    }
    for (at, sum) in repairs {
        bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

//! Damaged logs: no panic, no hang, no memory, and an error that says where.
//!
//! The decoding runs in a child (this binary again) whose address space is limited, many inputs a child: what a limit
//! or an abort does cannot be seen from inside. The child notes each input before it decodes it, so that whatever ends
//! it, the input is known. `fixtures/malformed` holds inputs that once did harm.

mod mutate;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use replicate::pipeline::ApplyError;

use super::corpus::{Case, MAGIC, cases, decode, raw_events};
use mutate::{mutate, repair_checksums};

/// What one input may allocate, and what the process needs itself: code, stacks, the fixtures.
const MEMORY_KIB: u64 = (256 + 96) << 10;
/// What one input may take; the slowest takes some milliseconds.
const TIME: Duration = Duration::from_secs(10);
const MUTATIONS: u64 = 10_000;
const PART: &str = "REPLICATE_MALFORMED_PART";
const NOTES: &str = "REPLICATE_MALFORMED_NOTES";

/// Decodes a part of the inputs in a child and tells what became of it.
#[track_caller]
fn in_a_child(part: &str) {
    let notes = tempfile::NamedTempFile::new().unwrap();
    let script = format!("ulimit -v {MEMORY_KIB} && exec \"$0\" \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["malformed::one_part_of_the_inputs", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(NOTES, notes.path())
        // Each arena reserves address space.
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[child.stdout, child.stderr].concat()).into_owned();
    let last = fs::read_to_string(notes.path()).unwrap_or_default();
    assert!(child.status.success(), "{}\nthe last input was {}\n{said}", child.status, last.trim());
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn every_truncation_of_a_fixture_is_an_error_that_says_where() {
    in_a_child("truncations");
}

#[test]
fn every_event_that_ends_early_is_an_error_that_says_where() {
    in_a_child("events");
}

#[test]
fn ten_thousand_random_mutations_do_no_harm() {
    in_a_child("mutations");
}

#[test]
fn inputs_that_once_did_harm_do_none() {
    in_a_child("known");
}

/// Not a test by itself: the child's side.
#[test]
#[ignore = "runs in a child of the tests above"]
fn one_part_of_the_inputs() {
    let Ok(part) = std::env::var(PART) else { return };
    let watch = Watch::start();
    match part.as_str() {
        "truncations" => truncations(&watch),
        "events" => shortened_events(&watch),
        "mutations" => mutations(&watch),
        _ => known(&watch),
    }
}

/// Notes inputs, and ends the process when one takes too long.
struct Watch {
    notes: File,
    since: Instant,
}

/// Milliseconds after the start at which the input under way began.
static BEGAN: AtomicU64 = AtomicU64::new(0);

impl Watch {
    fn start() -> Self {
        let since = Instant::now();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let began = Duration::from_millis(BEGAN.load(Ordering::Relaxed));
                if since.elapsed().saturating_sub(began) > TIME {
                    eprintln!("an input takes too long");
                    std::process::exit(3);
                }
            }
        });
        Self { notes: File::options().write(true).open(std::env::var_os(NOTES).unwrap()).unwrap(), since }
    }

    /// Decodes one input, which must not do harm.
    fn decode(&self, what: &str, bytes: &[u8]) {
        let note = format!("{what:<200}");
        self.notes.write_all_at(note.as_bytes(), 0).unwrap();
        BEGAN.store(u64::try_from(self.since.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
        match decode("events.bin", bytes).result {
            Ok(_) => {}
            Err(ApplyError::Internal(error)) => panic!("{what}: {error}"),
            Err(error) => assert!(says_where(&error.to_string()), "{what}: does not say where: {error}"),
        }
    }
}

/// `FILE:OFFSET` (the source's own name for the file, once a damaged event has told one), or, where not even the first
/// bytes are those of a log, the file.
fn says_where(error: &str) -> bool {
    let places = error.match_indices(':').filter(|(at, _)| error[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    places.count() > 0
        || ["cannot read events.bin", "events.bin is no binary log"].iter().any(|words| error.starts_with(words))
}

/// Files cut off: small ones at each byte, others around the ends of events and here and there. With
/// `REPLICATE_EVERY_CUT=PART/PARTS` all at each byte, or every so many: some minutes each.
fn truncations(watch: &Watch) {
    let every = std::env::var("REPLICATE_EVERY_CUT").ok();
    let part = every.as_deref().and_then(|every| every.split_once('/'));
    let part = part.map(|(part, parts)| (part.parse::<usize>().unwrap(), parts.parse::<usize>().unwrap()));
    let mut count = 0;
    for case in cases() {
        let bytes = case.bytes();
        let ends: Vec<usize> = raw_events(&bytes).iter().map(|(at, raw)| at + raw.bytes.len()).collect();
        let small = bytes.len() < 700;
        for len in 0..bytes.len() {
            let near = ends.iter().any(|end| len.abs_diff(*end) <= 20 && (len + end) % 8 == 0);
            let wanted = part.map_or(small || near || len % 211 == 0, |(part, parts)| len % parts == part);
            if wanted {
                watch.decode(&format!("{} cut to {len}", case.name), &bytes[..len]);
                count += 1;
            }
        }
    }
    eprintln!("{count} truncations in {:?}", watch.since.elapsed());
    assert!(count > 1000, "{count}");
}

/// Events that are shorter than what is in them, header and checksum made fit.
fn shortened_events(watch: &Watch) {
    let mut seen = std::collections::HashSet::new();
    for case in cases() {
        let bytes = case.bytes();
        for (number, (at, raw)) in raw_events(&bytes).iter().enumerate() {
            let len = raw.bytes.len();
            // One of a kind and length is enough.
            if !seen.insert((raw.header.event_type.0, len, case.is_maria())) {
                continue;
            }
            let step = (len / 24).max(1);
            for cut in (1..len.saturating_sub(19)).step_by(step) {
                let mut damaged = bytes[..at + len - cut].to_vec();
                let size = u32::try_from(len - cut).unwrap();
                damaged[at + 9..at + 13].copy_from_slice(&size.to_le_bytes());
                // The rest of the transaction stays, not the rest of the file.
                let rest = &bytes[at + len..];
                damaged.extend_from_slice(&rest[..rest.len().min(400)]);
                repair_checksums(&mut damaged);
                watch.decode(&format!("{} event {number} shorter by {cut}", case.name), &damaged);
            }
        }
    }
}

fn mutations(watch: &Watch) {
    let corpus: Vec<(Case, Vec<u8>)> = cases().into_iter().map(|case| (case.clone(), case.bytes())).collect();
    let first = std::env::var("REPLICATE_MALFORMED_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for seed in first..first + MUTATIONS {
        let mut random = mutate::Random(seed ^ 0xfeed);
        let (case, bytes) = &corpus[random.below(corpus.len())];
        let (_, other) = &corpus[random.below(corpus.len())];
        // Large files in part: what is damaged is seldom at their end.
        let bytes = &bytes[..bytes.len().min(MAGIC + 3000 + random.below(4000))];
        watch.decode(&format!("{} mutated with seed {seed}", case.name), &mutate(bytes, other, seed));
    }
}

/// The files of `fixtures/malformed`.
fn known(watch: &Watch) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/malformed");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            watch.decode(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}

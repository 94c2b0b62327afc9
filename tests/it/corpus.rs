//! The binary logs of `fixtures/binlog`, cut into events, and our own decode of them inside this process.
//!
//! What it is not: a judge. `fixtures.rs` compares with goldens, `oracle.rs` with other decoders.

use std::fs;
use std::path::{Path, PathBuf};

use replicate::binlog::event::{self, Event, FormatDescription};
use replicate::binlog::{EventType, RawEvent};
use replicate::pipeline::applier::{self, ApplierOptions};
use replicate::pipeline::dispatch::Counts;
use replicate::pipeline::input::PipeInput;
use replicate::pipeline::plans::Names;
use replicate::pipeline::sequencer::Observer;
use replicate::pipeline::{ApplyError, applier::Summary};
use replicate::position::LogPosition;
use replicate::sink::json::JsonRenderer;
use replicate::sink::{Ack, Progress, Sink, SinkError};

/// Bytes before a file's first event.
pub const MAGIC: usize = 4;

/// One folder of fixtures.
#[derive(Debug, Clone)]
pub struct Case {
    pub dir: PathBuf,
    /// `mysql-9.7/gtid`.
    pub name: String,
}

impl Case {
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.dir.join("events.bin")).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The text of the server's own tool, whatever its encoding.
    pub fn text(&self) -> Vec<u8> {
        fs::read(self.dir.join("mysqlbinlog.txt")).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub fn is_maria(&self) -> bool {
        self.name.starts_with("mariadb")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All folders with a log, in order.
pub fn cases() -> Vec<Case> {
    let folders = |dir: &Path| -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    };
    let servers = folders(&root().join("fixtures/binlog"));
    let cases: Vec<Case> = servers
        .iter()
        .flat_map(|server| folders(server))
        .map(|dir| {
            let name = dir.strip_prefix(root().join("fixtures/binlog")).unwrap().display().to_string();
            Case { dir, name }
        })
        .collect();
    assert!(cases.len() > 20, "the fixtures are not there: {cases:?}");
    cases
}

/// Files of old servers that are no part of the project, if they lie beside it, or beside the folder it is in.
pub fn borrowed() -> Vec<PathBuf> {
    let Some(dir) = root().ancestors().skip(1).take(2).map(|dir| dir.join("shared/binlogs")).find(|dir| dir.is_dir())
    else {
        eprintln!("there is no ../shared/binlogs: its files were not looked at");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !matches!(file.extension().and_then(|e| e.to_str()), Some("md" | "tsv")));
    files.sort();
    files
}

/// The events of a file, each with its offset. Stops where no further event can be cut, and where encryption begins.
pub fn raw_events(bytes: &[u8]) -> Vec<(usize, RawEvent<'_>)> {
    let mut rest = bytes.get(MAGIC..).unwrap_or_default();
    let mut events = Vec::new();
    while let Ok((raw, after)) = RawEvent::cut(rest) {
        events.push((bytes.len() - rest.len(), raw));
        rest = after;
        if raw.header.event_type == EventType::MARIA_START_ENCRYPTION {
            break;
        }
    }
    events
}

/// Calls `each` with all events of a file that parse, and the description that held for each.
pub fn for_each_event<'a>(bytes: &'a [u8], mut each: impl FnMut(usize, &RawEvent<'a>, &FormatDescription, Event<'a>)) {
    let mut fde: Option<FormatDescription> = None;
    for (offset, raw) in raw_events(bytes) {
        if let Ok(description) = FormatDescription::parse(&raw)
            && raw.header.event_type == EventType::FORMAT_DESCRIPTION
        {
            fde = Some(description);
        }
        if let Some(fde) = &fde
            && let Ok(event) = event::parse(&raw, fde)
        {
            each(offset, &raw, fde, event);
        }
    }
}

/// What came out of a decode, and what ended it.
#[derive(Debug)]
pub struct Decoded {
    pub feed: Vec<u8>,
    pub result: Result<Summary, ApplyError>,
}

/// A sink that keeps the feed.
struct Collect(Vec<u8>);

impl Sink for Collect {
    type Output = Vec<u8>;
    type Renderer = JsonRenderer;

    fn renderer(&self) -> JsonRenderer {
        JsonRenderer::default()
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        Ok(None)
    }

    fn apply(&mut self, piece: &mut Vec<u8>, _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        self.0.append(piece);
        Ok(Ack::Durable)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn accepted(&self, _upto: Option<&LogPosition>, _counts: &Counts) {}

    fn durable(&self, _progress: &Progress) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// Decodes a file's bytes to the feed, the whole path that `replicate decode` takes, with one worker.
pub fn decode(name: &str, bytes: &[u8]) -> Decoded {
    let mut sink = Collect(Vec::new());
    let mut input = PipeInput::new(name, bytes);
    let options =
        ApplierOptions { workers: 1, names: Names::None, resume: None, stop: Default::default(), source_uuid: None };
    let result = applier::run(&mut input, &mut sink, options, &Nobody);
    Decoded { feed: sink.0, result }
}

//! TRANSACTION_PAYLOAD_EVENT: the events of a whole transaction, packed.
//!
//! ```text
//! | type, length, value | ... | 0 | payload ... |          each a length-encoded integer
//!   1 payload size   2 compression: 0 zstd, 255 none   3 uncompressed size   0 end of the fields
//! ```
//! The payload is the transaction's events one after the other, from BEGIN to its end mark; they have no checksum and
//! name no position. Nothing is unpacked here that claims an impossible size, and nothing beyond what it claims. A
//! field of another type is an error, because it may change what the payload means. What this does not do: looking
//! at the events (`contents`). Worklog: WL#3549.

use std::io::{self, Read};

use zstd::zstd_safe::{
    DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name, is_error_kind, zstd_sys::ZSTD_ErrorCode,
};

use super::HEADER_LEN;
use super::error::EventError;
use super::event::malformed;
use super::header::EventType;
use crate::disposition::Disposition;
use crate::wire::{self, Parsed, Problem};

/// The most that a payload may claim to unpack to.
pub const MAX_UNPACKED: u64 = 64 << 30;

/// Bytes at the beginning of an event's body that hold all fields.
pub const MAX_FIELDS_LEN: usize = 64;

/// A block of zstd makes at most 128 KiB and takes at least four bytes.
const ZSTD_MAX_RATIO: u64 = (128 << 10) / 4;

/// Largest window of zstd, as a power of two: what its highest level uses.
const WINDOW_LOG_MAX: u32 = 27;

/// Packed bytes read at once while unpacking as a stream.
const INPUT_BYTES: usize = 128 << 10;

/// A payload that cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It claims more than any transaction has.
    #[error("the payload claims to unpack to {claimed} bytes, more than the {MAX_UNPACKED} that are possible")]
    TooLarge {
        /// Bytes it claims to unpack to.
        claimed: u64,
    },
    /// It claims more than its bytes can make.
    #[error("the payload claims to unpack from {packed} to {claimed} bytes, which is not possible")]
    Impossible {
        /// Bytes there are.
        packed: u64,
        /// Bytes it claims to unpack to.
        claimed: u64,
    },
    /// Its size is not that of the event.
    #[error("the payload claims {claimed} bytes where the event has {there}")]
    Size {
        /// Bytes it claims to have.
        claimed: u64,
        /// Bytes there are.
        there: u64,
    },
    /// It holds less than it claims.
    #[error("the payload unpacks to {got} bytes, fewer than the {claimed} it claims")]
    Shorter {
        /// Bytes it claims to unpack to.
        claimed: u64,
        /// Bytes it unpacks to.
        got: u64,
    },
    /// It holds more than it claims.
    #[error("the payload unpacks to more than the {claimed} bytes it claims")]
    Longer {
        /// Bytes it claims to unpack to.
        claimed: u64,
    },
    /// It ends inside the compressed data.
    #[error("the compressed payload is cut short")]
    CutShort,
    /// It is not what the compression makes.
    #[error("the compressed payload is damaged: {0}")]
    Damaged(&'static str),
}

impl PayloadError {
    /// Trying again reads the same bytes.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// How a payload is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// One or more frames of zstd.
    Zstd,
    /// Not at all.
    None,
}

/// What the event says about its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadFields {
    /// How it is packed.
    pub compression: Compression,
    /// Bytes of the payload.
    pub size: u64,
    /// Bytes it unpacks to.
    pub unpacked: u64,
    /// Bytes of the event's body before the payload.
    pub len: usize,
}

impl PayloadFields {
    /// Reads the fields. `start` is the event's body, or its first [`MAX_FIELDS_LEN`] bytes.
    ///
    /// # Errors
    /// When a field is malformed, unknown, missing or there twice.
    pub fn parse(start: &[u8]) -> Result<Self, EventError> {
        let wrong = |error| malformed(EventType::TRANSACTION_PAYLOAD, HEADER_LEN + start.len(), error);
        let (rest, (compression, size, unpacked)) = fields(start).map_err(wrong)?;
        let missing = |what| wrong(wire::fail(rest, what, Problem::Invalid));
        let compression = compression.ok_or_else(|| missing("compression_type"))?;
        let size = size.ok_or_else(|| missing("payload_size"))?;
        let unpacked = match compression {
            Compression::None => unpacked.unwrap_or(size),
            Compression::Zstd => unpacked.ok_or_else(|| missing("uncompressed_size"))?,
        };
        Ok(Self { compression, size, unpacked, len: start.len().saturating_sub(rest.len()) })
    }

    /// Whether the payload may be what it claims to be, in an event of so many bytes without header and checksum.
    ///
    /// # Errors
    /// When it cannot be; then it must not be unpacked.
    pub fn check(&self, body_len: u64) -> Result<(), PayloadError> {
        let there = body_len.saturating_sub(u64::try_from(self.len).unwrap_or(u64::MAX));
        if self.size != there {
            return Err(PayloadError::Size { claimed: self.size, there });
        }
        let claimed = self.unpacked;
        if claimed > MAX_UNPACKED {
            return Err(PayloadError::TooLarge { claimed });
        }
        let most = match self.compression {
            Compression::Zstd => there.saturating_mul(ZSTD_MAX_RATIO),
            Compression::None => there,
        };
        if claimed > most {
            return Err(PayloadError::Impossible { packed: there, claimed });
        }
        Ok(())
    }
}

/// What the fields say, each as far as it is there.
type Said = (Option<Compression>, Option<u64>, Option<u64>);

fn fields(mut i: &[u8]) -> Parsed<'_, Said> {
    let (mut compression, mut size, mut unpacked) = (None, None, None);
    loop {
        let at = i;
        let (rest, field) = wire::lenenc("payload field type")(i)?;
        if field == 0 {
            return Ok((rest, (compression, size, unpacked)));
        }
        let (after, value) = wire::lenenc_bytes("payload field")(rest)?;
        let number = match wire::lenenc("payload field")(value) {
            Ok((&[], number)) => number,
            Ok(_) | Err(_) => return Err(wire::fail(rest, "payload field", Problem::Invalid)),
        };
        i = after;
        let twice = match field {
            1 => size.replace(number).is_some(),
            2 => {
                let kind = match number {
                    0 => Compression::Zstd,
                    255 => Compression::None,
                    other => return Err(wire::fail(at, "compression_type", Problem::Unknown(other))),
                };
                compression.replace(kind).is_some()
            }
            3 => unpacked.replace(number).is_some(),
            other => return Err(wire::fail(at, "payload field type", Problem::Unknown(other))),
        };
        if twice {
            return Err(wire::fail(at, "payload field type", Problem::Invalid));
        }
    }
}

/// Unpacks payloads, one after the other, with one decompression context.
pub struct Unpacker {
    context: DCtx<'static>,
    input: Vec<u8>,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self::new()
    }
}

impl Unpacker {
    /// A new context.
    #[must_use]
    pub fn new() -> Self {
        Self { context: DCtx::create(), input: Vec::new() }
    }

    /// Appends to `out` what `payload` unpacks to; on an error nothing. Memory is taken for all of it at once: callers
    /// look at [`PayloadFields::unpacked`] first.
    ///
    /// # Errors
    /// When it is damaged, or unpacks to more or less than it claims.
    pub fn unpack(&mut self, fields: &PayloadFields, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let claimed = fields.unpacked;
        let start = out.len();
        let size = usize::try_from(claimed).map_err(|_| PayloadError::TooLarge { claimed })?;
        if fields.compression == Compression::None {
            if payload.len() != size {
                return Err(PayloadError::Shorter { claimed, got: u64::try_from(payload.len()).unwrap_or(0) });
            }
            out.extend_from_slice(payload);
            return Ok(());
        }
        out.resize(start.saturating_add(size), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let result = match self.context.decompress(room, payload) {
            Ok(got) if got == size => return Ok(()),
            Ok(got) => Err(PayloadError::Shorter { claimed, got: u64::try_from(got).unwrap_or(0) }),
            Err(code) if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                Err(PayloadError::Longer { claimed })
            }
            Err(code) => Err(PayloadError::Damaged(get_error_name(code))),
        };
        out.truncate(start);
        result
    }

    /// Unpacks `payload` as it is read. Holds the window of the compression and one piece of input, nothing else.
    pub fn stream<R: Read>(&mut self, fields: &PayloadFields, payload: R) -> Unpacking<'_, R> {
        // Both can only fail for a context that is in the middle of a call.
        let ready = self.context.reset(ResetDirective::SessionOnly).is_ok()
            && self.context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).is_ok();
        self.input.resize(INPUT_BYTES, 0);
        Unpacking {
            context: (fields.compression == Compression::Zstd).then_some(&mut self.context),
            input: &mut self.input,
            at: 0,
            filled: 0,
            payload,
            claimed: fields.unpacked,
            got: 0,
            whole: fields.compression == Compression::None && ready,
        }
    }
}

/// A payload being unpacked. Reading it to its end tells whether it holds exactly what it claims; errors of the
/// payload come as [`PayloadError`] inside an [`io::Error`].
pub struct Unpacking<'a, R> {
    /// `None` for a payload that is not compressed.
    context: Option<&'a mut DCtx<'static>>,
    input: &'a mut [u8],
    /// The part of `input` that is not used yet.
    at: usize,
    filled: usize,
    payload: R,
    claimed: u64,
    got: u64,
    /// The compressed data does not end here in the middle of a frame.
    whole: bool,
}

impl<R: Read> Unpacking<'_, R> {
    /// Bytes that came out so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.got
    }

    /// Bytes still to come, by its claim.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.claimed.saturating_sub(self.got)
    }

    /// Reads more packed bytes if all are used; false at their end.
    fn refill(&mut self) -> io::Result<bool> {
        if self.at < self.filled {
            return Ok(true);
        }
        self.at = 0;
        self.filled = loop {
            match self.payload.read(self.input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        Ok(self.filled > 0)
    }

    /// Unpacks what is there into `out`; may take input without making output.
    fn step(&mut self, out: &mut [u8]) -> Result<usize, PayloadError> {
        let unread = self.input.get(self.at..self.filled).unwrap_or_default();
        let (used, made) = match &mut self.context {
            Some(context) => {
                let mut from = InBuffer::around(unread);
                let mut to = OutBuffer::around(out);
                let hint = context
                    .decompress_stream(&mut to, &mut from)
                    .map_err(|code| PayloadError::Damaged(get_error_name(code)))?;
                self.whole = hint == 0;
                (from.pos(), to.pos())
            }
            None => {
                let len = unread.len().min(out.len());
                if let (Some(from), Some(to)) = (unread.get(..len), out.get_mut(..len)) {
                    to.copy_from_slice(from);
                }
                (len, len)
            }
        };
        self.at = self.at.saturating_add(used);
        Ok(made)
    }
}

impl<R: Read> Read for Unpacking<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left()).unwrap_or(usize::MAX).min(out.len());
        if out.is_empty() {
            return Ok(0);
        }
        // Behind the claimed end, one byte more would be too many.
        let mut beyond = [0];
        loop {
            let more = self.refill()?;
            if !more && self.whole {
                return match self.left() {
                    0 => Ok(0),
                    _ => Err(fail(PayloadError::Shorter { claimed: self.claimed, got: self.got })),
                };
            }
            let to = if room == 0 { &mut beyond[..] } else { out.get_mut(..room).unwrap_or_default() };
            let made = self.step(to).map_err(fail)?;
            if made > 0 && room == 0 {
                return Err(fail(PayloadError::Longer { claimed: self.claimed }));
            }
            if made > 0 {
                self.got = self.got.saturating_add(u64::try_from(made).unwrap_or(0));
                return Ok(made);
            }
            if !more && !self.whole {
                return Err(fail(PayloadError::CutShort));
            }
        }
    }
}

#[cold]
fn fail(error: PayloadError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;
    use crate::binlog::RawEvent;
    use crate::binlog::event::samples;

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 3).unwrap()
    }

    fn claim(compression: Compression, size: usize, unpacked: u64) -> PayloadFields {
        PayloadFields { compression, size: u64::try_from(size).unwrap(), unpacked, len: 0 }
    }

    /// Unpacks at once and as a stream, which must agree on success.
    fn unpack(payload: &[u8], claimed: u64) -> Result<Vec<u8>, PayloadError> {
        let fields = claim(Compression::Zstd, payload.len(), claimed);
        fields.check(u64::try_from(payload.len()).unwrap())?;
        let mut unpacker = Unpacker::new();
        let mut streamed = Vec::new();
        // In pieces that end anywhere.
        let result = unpacker.stream(&fields, payload.chain(&b""[..])).read_to_end(&mut streamed);
        let mut out = b"before".to_vec();
        let at_once = unpacker.unpack(&fields, payload, &mut out);
        match result {
            Ok(_) => {
                at_once.unwrap();
                assert_eq!(out.strip_prefix(b"before").unwrap(), streamed);
                Ok(streamed)
            }
            Err(error) => {
                at_once.unwrap_err();
                assert_eq!(out, b"before");
                Err(*error.get_ref().unwrap().downcast_ref::<PayloadError>().unwrap())
            }
        }
    }

    #[test]
    fn a_servers_payload_unpacks_to_its_events() {
        let bytes = samples::bytes(samples::TRANSACTION_PAYLOAD);
        let (raw, _) = RawEvent::cut(&bytes).unwrap();
        let fde = samples::description("TRANSACTION_PAYLOAD");
        raw.verify_checksum(fde.checksum).unwrap();
        let body = raw.body(fde.checksum).unwrap();
        let fields = PayloadFields::parse(body).unwrap();
        assert_eq!(fields, PayloadFields { compression: Compression::Zstd, size: 148, unpacked: 443, len: 12 });
        fields.check(u64::try_from(body.len()).unwrap()).unwrap();
        let mut events = Vec::new();
        Unpacker::new().unpack(&fields, &body[fields.len..], &mut events).unwrap();
        let mut rest = events.as_slice();
        let mut types = Vec::new();
        while !rest.is_empty() {
            let (raw, after) = RawEvent::cut(rest).unwrap();
            assert_eq!(raw.header.log_pos, 0);
            types.push(raw.header.event_type);
            rest = after;
        }
        let expected = [EventType::QUERY, EventType::TABLE_MAP, EventType::WRITE_ROWS, EventType::XID];
        assert_eq!(types, expected);
    }

    #[test]
    fn what_comes_out_is_held_against_the_claim() {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let len = u64::try_from(bytes.len()).unwrap();
        let packed = zstd(&bytes);
        assert_eq!(unpack(&packed, len).unwrap(), bytes);
        assert_eq!(unpack(&packed, len - 1), Err(PayloadError::Longer { claimed: len - 1 }));
        assert_eq!(unpack(&packed, len + 1), Err(PayloadError::Shorter { claimed: len + 1, got: len }));
        assert_eq!(unpack(&packed, 0), Err(PayloadError::Longer { claimed: 0 }));
        let mut plain = Unpacker::new();
        let fields = claim(Compression::None, bytes.len(), len);
        let mut out = Vec::new();
        plain.stream(&fields, bytes.as_slice()).read_to_end(&mut out).unwrap();
        assert_eq!(out, bytes);
    }

    #[test]
    fn a_claim_of_terabytes_is_refused_without_unpacking() {
        let packed = zstd(&[0; 100_000]);
        for claimed in [4 << 40, u64::MAX] {
            let size = packed.len();
            let result = claim(Compression::Zstd, size, claimed).check(u64::try_from(size).unwrap());
            assert_eq!(result, Err(PayloadError::TooLarge { claimed }));
        }
        // Fewer, but still more than its few bytes can be unpacked to.
        let packed_len = u64::try_from(packed.len()).unwrap();
        let claimed = MAX_UNPACKED - 1;
        let result = claim(Compression::Zstd, packed.len(), claimed).check(packed_len);
        assert_eq!(result, Err(PayloadError::Impossible { packed: packed_len, claimed }));
        let result = claim(Compression::Zstd, packed.len() + 1, 100_000).check(packed_len);
        assert_eq!(result, Err(PayloadError::Size { claimed: packed_len + 1, there: packed_len }));
    }

    #[test]
    fn what_packs_best_is_within_the_ratio_that_is_allowed() {
        let zeros = vec![0; 64 << 20];
        assert_eq!(unpack(&zstd(&zeros), 64 << 20).unwrap(), zeros);
    }

    #[test]
    fn a_cut_frame_is_an_error_and_two_frames_are_one_payload() {
        let bytes = b"some text, and some text, and other text".repeat(100);
        let len = u64::try_from(bytes.len()).unwrap();
        let packed = zstd(&bytes);
        for cut in [1, 4, packed.len() / 2, packed.len() - 1] {
            let error = unpack(&packed[..cut], len).unwrap_err();
            assert!(matches!(error, PayloadError::CutShort | PayloadError::Impossible { .. }), "{cut}: {error}");
        }
        let twice = packed.repeat(2);
        assert_eq!(unpack(&twice, len * 2).unwrap(), bytes.repeat(2));
        assert_eq!(unpack(&twice, len), Err(PayloadError::Longer { claimed: len }));
        let mut garbage = packed.clone();
        garbage.extend_from_slice(b"garbage behind it");
        assert!(matches!(unpack(&garbage, len), Err(PayloadError::Damaged(_))), "{:?}", unpack(&garbage, len));
        let mut damaged = packed;
        damaged[0] ^= 1;
        assert!(matches!(unpack(&damaged, len), Err(PayloadError::Damaged(_))));
    }

    #[test]
    fn fields_may_come_in_any_order_and_each_is_checked() {
        let parse = PayloadFields::parse;
        let plain = parse(&[1, 1, 5, 2, 3, 0xfc, 0xff, 0, 0, b'x']).unwrap();
        assert_eq!(plain, PayloadFields { compression: Compression::None, size: 5, unpacked: 5, len: 9 });
        let bad: &[(&[u8], usize)] = &[
            (&[], 19),
            (&[0], 20),
            (&[2, 1, 0, 1, 1, 5, 0], 26),
            (&[2, 1, 1, 0], 19),
            (&[1, 1, 5, 1, 1, 5, 0], 22),
            (&[4, 1, 0, 0], 19),
            (&[1, 2, 5, 5, 0], 20),
            (&[1, 3, 5], 21),
            (&[2, 1, 0, 1, 1, 5, 3, 1, 5], 28),
        ];
        for (bytes, at) in bad {
            let error = parse(bytes).unwrap_err();
            assert!(matches!(error, EventError::Malformed { offset, .. } if offset == *at), "{bytes:?}: {error}");
        }
    }
}

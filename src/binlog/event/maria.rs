//! MariaDB's own events: BINLOG_CHECKPOINT_EVENT, GTID_LIST_EVENT and START_ENCRYPTION_EVENT. (Its GTID_EVENT is
//! `maria_gtid`.)
//!
//! ```text
//! CHECKPOINT       | 4 length | file name |
//! GTID_LIST        | 28 bits count, 4 bits flags | count times: 4 domain_id, 4 server_id, 8 seq_no | padding |
//! START_ENCRYPTION | 1 scheme | 4 key_version | 12 nonce |
//! ```
//! Nothing may follow a checkpoint's name or a nonce. An empty list is padded, so that an event of another type fits in
//! its place. MariaDB: "BINLOG_CHECKPOINT_EVENT", "GTID_LIST_EVENT", "START_ENCRYPTION_EVENT".

use crate::gtid::{Gtid, GtidPos};
use crate::wire::{self, Problem};

/// GTID_LIST_EVENT: the last GTID of each domain and server when the file began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidListEvent {
    /// [`GtidListEvent::UNTIL_REACHED`] and [`GtidListEvent::IGNORE_GTIDS`], in the events a server makes up.
    pub flags: u8,
    /// The GTIDs; of each domain's, the last one is where the domain stands.
    pub gtids: Vec<Gtid>,
}

impl GtidListEvent {
    /// What the reader was to read up to has been reached.
    pub const UNTIL_REACHED: u8 = 1;
    /// The reader is to take these GTIDs as read.
    pub const IGNORE_GTIDS: u8 = 2;

    /// Where each domain stands.
    #[must_use]
    pub fn position(&self) -> GtidPos {
        let mut position = GtidPos::new();
        for gtid in &self.gtids {
            position.advance(gtid);
        }
        position
    }
}

/// START_ENCRYPTION_EVENT: what follows in this file is encrypted. A server that sends its log decrypts it and marks
/// this event ignorable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartEncryptionEvent {
    /// 1: AES, the only one there is.
    pub scheme: u8,
    /// Version of the server's key 1.
    pub key_version: u32,
    /// What each event's initialisation vector begins with.
    pub nonce: [u8; 12],
}

/// The low 28 bits of the list's first number are the count; the high four are flags.
const COUNT_BITS: u32 = 28;

/// Bytes of a list's entry.
const ENTRY: usize = 16;

pub(super) fn checkpoint(i: &[u8]) -> Result<&[u8], nom::Err<wire::ParseError>> {
    let (i, file) = wire::u32_bytes("binlog_file")(i)?;
    wire::end("binlog_file")(i)?;
    Ok(file)
}

pub(super) fn gtid_list(input: &[u8]) -> Result<GtidListEvent, nom::Err<wire::ParseError>> {
    let (mut i, head) = wire::le_u32("gtid count")(input)?;
    let count = usize::try_from(head & ((1 << COUNT_BITS) - 1)).unwrap_or(usize::MAX);
    let flags = u8::try_from(head >> COUNT_BITS).unwrap_or(0);
    if count.saturating_mul(ENTRY) > i.len() {
        return Err(wire::fail(input, "gtid count", Problem::Truncated));
    }
    let mut gtids = Vec::with_capacity(count);
    for _ in 0..count {
        let (rest, domain) = wire::le_u32("domain_id")(i)?;
        let (rest, server_id) = wire::le_u32("server_id")(rest)?;
        let (rest, sequence) = wire::le_u64("seq_no")(rest)?;
        gtids.push(Gtid::MariaDb { domain, server_id, sequence });
        i = rest;
    }
    if count > 0 || i.iter().any(|byte| *byte != 0) {
        wire::end("gtid list")(i)?;
    }
    Ok(GtidListEvent { flags, gtids })
}

pub(super) fn start_encryption(i: &[u8]) -> Result<StartEncryptionEvent, nom::Err<wire::ParseError>> {
    let (i, scheme) = wire::u8("scheme")(i)?;
    let (i, key_version) = wire::le_u32("key_version")(i)?;
    let (i, nonce) = wire::array("nonce")(i)?;
    wire::end("nonce")(i)?;
    Ok(StartEncryptionEvent { scheme, key_version, nonce })
}

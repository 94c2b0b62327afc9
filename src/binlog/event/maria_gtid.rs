//! MariaDB's GTID_EVENT: opens a transaction, in place of BEGIN, and says how it was committed.
//!
//! ```text
//! | 8 seq_no | 4 domain_id | 1 flags | FL_GROUP_COMMIT_ID: 8 commit_id |
//! | FL_PREPARED_XA, FL_COMPLETED_XA: 4 format_id, 1 gtrid_length, 1 bqual_length, gtrid, bqual |
//! | 1 flags_extra, if there is more | MULTI_ENGINE: 1 extra_engines | COMMIT_ALTER, ROLLBACK_ALTER: 8 sa_seq_no |
//! | THREAD_ID: 4 thread_id | zero bytes, to 19 at least |
//! ```
//! The server id is the header's. Bits of `flags_extra` that are not known may have values behind those: what follows
//! them describes how the commit was grouped, and is passed over; without such bits only zero bytes may follow. MariaDB:
//! "GTID_EVENT".

use super::GtidEvent;
use crate::gtid::Gtid;
use crate::wire::{self, Parsed, Problem};

/// What MariaDB's GTID_EVENT says beyond the GTID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariaGtid {
    /// `FL_` bits.
    pub flags: u8,
    /// Transactions of one number were committed together.
    pub commit_id: Option<u64>,
    /// The XA transaction that is prepared or decided.
    pub xid: Option<Box<OwnedXid>>,
    /// `FL_EXTRA_` bits.
    pub flags_extra: u8,
    /// Storage engines that took part, beyond one; 255 where they were not counted.
    pub extra_engines: Option<u8>,
    /// Sequence number of the transaction that began the ALTER.
    pub start_alter: Option<u64>,
    /// Connection at the source, since 11.5.
    pub thread_id: Option<u32>,
}

/// The name of an XA transaction, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedXid {
    /// `formatID`.
    pub format_id: i32,
    /// Global transaction identifier.
    pub gtrid: Vec<u8>,
    /// Branch qualifier.
    pub bqual: Vec<u8>,
}

impl MariaGtid {
    /// The group is one event and has no end mark.
    pub const STANDALONE: u8 = 1;
    /// `commit_id` is there.
    pub const GROUP_COMMIT_ID: u8 = 2;
    /// It can be rolled back.
    pub const TRANSACTIONAL: u8 = 4;
    /// The session had `skip_parallel_replication=0`.
    pub const ALLOW_PARALLEL: u8 = 8;
    /// It waited for a lock of another one.
    pub const WAITED: u8 = 16;
    /// It is DDL.
    pub const DDL: u8 = 32;
    /// It ends with XA PREPARE.
    pub const PREPARED_XA: u8 = 64;
    /// It is XA COMMIT or XA ROLLBACK.
    pub const COMPLETED_XA: u8 = 128;

    /// Extra: `extra_engines` is there.
    pub const EXTRA_MULTI_ENGINE: u8 = 1;
    /// Extra: the first half of a two-phase ALTER.
    pub const EXTRA_START_ALTER: u8 = 2;
    /// Extra: its second half.
    pub const EXTRA_COMMIT_ALTER: u8 = 4;
    /// Extra: its failure.
    pub const EXTRA_ROLLBACK_ALTER: u8 = 8;
    /// Extra: `thread_id` is there.
    pub const EXTRA_THREAD_ID: u8 = 16;

    /// Names of the flags that are set, `FL_` and `FL_EXTRA_` left out.
    pub fn flag_names(&self) -> impl Iterator<Item = &'static str> {
        let names = |bits: u8, names: &'static [&'static str]| {
            names.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1).map(|(_, name)| *name)
        };
        names(self.flags, FLAG_NAMES).chain(names(self.flags_extra, EXTRA_NAMES))
    }
}

const FLAG_NAMES: &[&str] = &[
    "STANDALONE",
    "GROUP_COMMIT_ID",
    "TRANSACTIONAL",
    "ALLOW_PARALLEL",
    "WAITED",
    "DDL",
    "PREPARED_XA",
    "COMPLETED_XA",
];

const EXTRA_NAMES: &[&str] = &["MULTI_ENGINE", "START_ALTER", "COMMIT_ALTER", "ROLLBACK_ALTER", "THREAD_ID"];

const XA: u8 = MariaGtid::PREPARED_XA | MariaGtid::COMPLETED_XA;
const ENDS_ALTER: u8 = MariaGtid::EXTRA_COMMIT_ALTER | MariaGtid::EXTRA_ROLLBACK_ALTER;
const KNOWN_EXTRA: u8 = 0x1f;

#[inline]
pub(super) fn parse(i: &[u8], server_id: u32) -> Result<GtidEvent, nom::Err<wire::ParseError>> {
    let (i, sequence) = wire::le_u64("seq_no")(i)?;
    let (i, domain) = wire::le_u32("domain_id")(i)?;
    let (i, flags) = wire::u8("flags")(i)?;
    let (i, commit_id) = given(flags & MariaGtid::GROUP_COMMIT_ID, wire::le_u64("commit_id"), i)?;
    let (i, xid) = given(flags & XA, xid, i)?;
    let (i, flags_extra) = if i.is_empty() { (i, 0) } else { wire::u8("flags_extra")(i)? };
    let (i, extra_engines) = given(flags_extra & MariaGtid::EXTRA_MULTI_ENGINE, wire::u8("extra_engines"), i)?;
    let (i, start_alter) = given(flags_extra & ENDS_ALTER, wire::le_u64("sa_seq_no"), i)?;
    let (i, thread_id) = given(flags_extra & MariaGtid::EXTRA_THREAD_ID, wire::le_u32("thread_id"), i)?;
    if flags_extra & !KNOWN_EXTRA == 0 && i.iter().any(|byte| *byte != 0) {
        return Err(wire::fail(i, "padding", Problem::Trailing));
    }
    Ok(GtidEvent {
        gtid: Some(Gtid::MariaDb { domain, server_id, sequence }),
        standalone: flags & MariaGtid::STANDALONE != 0,
        prepared_xa: flags & MariaGtid::PREPARED_XA != 0,
        maria: Some(MariaGtid { flags, commit_id, xid, flags_extra, extra_engines, start_alter, thread_id }),
        ..GtidEvent::default()
    })
}

/// Whether the flags say that the group is one event, without reading on.
pub(super) fn standalone(i: &[u8]) -> Result<bool, nom::Err<wire::ParseError>> {
    let (i, _seq_no_domain_id) = wire::bytes(12, "seq_no")(i)?;
    Ok(wire::u8("flags")(i)?.1 & MariaGtid::STANDALONE != 0)
}

/// Reads a field that is there if `bits` are set.
#[inline]
fn given<'a, T>(bits: u8, field: impl Fn(&'a [u8]) -> Parsed<'a, T>, i: &'a [u8]) -> Parsed<'a, Option<T>> {
    if bits == 0 { Ok((i, None)) } else { field(i).map(|(i, value)| (i, Some(value))) }
}

fn xid(i: &[u8]) -> Parsed<'_, Box<OwnedXid>> {
    let (i, format_id) = wire::le_u32("format_id")(i)?;
    let (i, gtrid_length) = wire::u8("gtrid_length")(i)?;
    let (i, bqual_length) = wire::u8("bqual_length")(i)?;
    let (i, gtrid) = wire::bytes(usize::from(gtrid_length), "gtrid")(i)?;
    let (i, bqual) = wire::bytes(usize::from(bqual_length), "bqual")(i)?;
    let format_id = format_id.cast_signed();
    Ok((i, Box::new(OwnedXid { format_id, gtrid: gtrid.to_vec(), bqual: bqual.to_vec() })))
}

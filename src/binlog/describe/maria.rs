//! MariaDB's GTID_EVENT and GTID_LIST_EVENT in words.
//!
//! ```text
//! GTID | 8 seq_no | 4 domain_id | 1 flags | GROUP_COMMIT_ID: 8 commit id |
//!      | XA: 4 format, 1 gtrid length, 1 bqual length, both | 1 extra flags | 1 engines | ALTER: 8 seq_no |
//! ```
//! MariaDB: "GTID_EVENT", "GTID_LIST_EVENT".

use super::{put, xa};
use crate::wire::{self, ParseError};

const FL_STANDALONE: u8 = 1;
const FL_GROUP_COMMIT_ID: u8 = 2;
const FL_PREPARED_XA: u8 = 64;
const FL_COMPLETED_XA: u8 = 128;

const FL_EXTRA_MULTI_ENGINE: u8 = 1;
const FL_START_ALTER: u8 = 2;
const FL_COMMIT_ALTER: u8 = 4;
const FL_ROLLBACK_ALTER: u8 = 8;

/// `BEGIN GTID 0-1-2 cid=7`.
pub(super) fn gtid(i: &[u8], server_id: u32, out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (i, sequence) = wire::le_u64("seq_no")(i)?;
    let (i, domain) = wire::le_u32("domain_id")(i)?;
    let (mut i, flags) = wire::u8("flags")(i)?;
    let mut commit_id = None;
    if flags & FL_GROUP_COMMIT_ID != 0 {
        let (rest, id) = wire::le_u64("commit_id")(i)?;
        (i, commit_id) = (rest, Some(id));
    }
    let mut branch = None;
    if flags & (FL_PREPARED_XA | FL_COMPLETED_XA) != 0 {
        let (rest, format) = wire::le_u32("format_id")(i)?;
        let (rest, global_length) = wire::u8("gtrid_length")(rest)?;
        let (rest, branch_length) = wire::u8("bqual_length")(rest)?;
        let (rest, global) = wire::bytes(usize::from(global_length), "gtrid")(rest)?;
        let (rest, bqual) = wire::bytes(usize::from(branch_length), "bqual")(rest)?;
        (i, branch) = (rest, Some((format, global, bqual)));
    }
    match branch {
        _ if flags & FL_STANDALONE != 0 => out.extend_from_slice(b"GTID "),
        Some((format, global, bqual)) if flags & FL_PREPARED_XA != 0 => {
            out.extend_from_slice(b"XA START ");
            xa::identifier(format, global, bqual, out);
            out.extend_from_slice(b" GTID ");
        }
        _ => out.extend_from_slice(b"BEGIN GTID "),
    }
    put(out, format_args!("{domain}-{server_id}-{sequence}"));
    if let Some(id) = commit_id {
        put(out, format_args!(" cid={id}"));
    }
    alter(i, out)
}

/// The halves of a two-phase ALTER TABLE. The event may end before the extra flags, or be padded with zeros.
fn alter(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let [extra, i @ ..] = i else { return Ok(()) };
    if extra & FL_START_ALTER != 0 {
        out.extend_from_slice(b" START ALTER");
    }
    let kind = match extra & (FL_COMMIT_ALTER | FL_ROLLBACK_ALTER) {
        0 => return Ok(()),
        FL_COMMIT_ALTER => "COMMIT",
        _ => "ROLLBACK",
    };
    let engines = usize::from(extra & FL_EXTRA_MULTI_ENGINE != 0);
    let (i, _engines) = wire::bytes(engines, "extra_engines")(i)?;
    let (_, began) = wire::le_u64("sa_seq_no")(i)?;
    put(out, format_args!(" {kind} ALTER id={began}"));
    Ok(())
}

/// `[0-1-2,1-1-7]`, sorted, with every server of a domain.
pub(super) fn gtid_list(i: &[u8], out: &mut Vec<u8>) -> Result<(), nom::Err<ParseError>> {
    let (mut i, head) = wire::le_u32("gtid count")(i)?;
    let mut gtids = Vec::new();
    for _ in 0..head & 0x0fff_ffff {
        let (rest, domain) = wire::le_u32("domain_id")(i)?;
        let (rest, server_id) = wire::le_u32("server_id")(rest)?;
        let (rest, sequence) = wire::le_u64("seq_no")(rest)?;
        gtids.push((domain, server_id, sequence));
        i = rest;
    }
    gtids.sort_unstable();
    out.push(b'[');
    for (n, (domain, server_id, sequence)) in gtids.iter().enumerate() {
        put(out, format_args!("{}{domain}-{server_id}-{sequence}", if n > 0 { "," } else { "" }));
    }
    out.push(b']');
    Ok(())
}

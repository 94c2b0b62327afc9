//! TRANSACTION_CONTEXT_EVENT and VIEW_CHANGE_EVENT: how a group's members certify and agree. No table's data.
//!
//! ```text
//! CONTEXT | 1 uuid length | 4 thread_id | 1 gtid_specified | 4 snapshot length | 4 write_set items | 4 read_set items |
//!         | uuid | snapshot_version | items: 2 length, hash ... |
//! VIEW    | 40 view_id | 8 sequence_number | 4 items | items: 2 length, key, 4 length, value ... |
//! ```
//! Nothing may follow the items. Worklogs: WL#6833, WL#8440.

use super::{EventType, FormatDescription, post_header_rest};
use crate::wire::{self, Parsed, Problem};

/// TRANSACTION_CONTEXT_EVENT: what a group needs to certify the transaction that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionContextEvent<'a> {
    /// The member that runs the transaction, as text.
    pub server_uuid: &'a [u8],
    /// Connection id there.
    pub thread_id: u32,
    /// Whether the client named the GTID.
    pub gtid_specified: bool,
    /// What was committed at that member when the transaction began, as [`crate::gtid::GtidSet::decode`] reads it.
    pub snapshot_version: &'a [u8],
    /// Number of hashes of keys that it writes.
    pub write_set_items: u32,
    /// Number of hashes of keys that it reads.
    pub read_set_items: u32,
    /// The hashes, written ones first: two bytes of length and the hash.
    pub sets: &'a [u8],
}

/// VIEW_CHANGE_EVENT: a member joined or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewChangeEvent<'a> {
    /// Name of the new view, without its padding.
    pub view_id: &'a [u8],
    /// The group's counter at that point.
    pub sequence_number: u64,
    /// Number of entries of the certification database.
    pub certification_items: u32,
    /// The entries: two bytes of length and a key, four of length and a value.
    pub certification_info: &'a [u8],
}

/// Width of a view's name, padded with zero bytes.
const VIEW_ID_LEN: usize = 40;

pub(super) fn transaction_context<'a>(
    i: &'a [u8],
    fde: &FormatDescription,
) -> Result<TransactionContextEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, uuid_length) = wire::u8("server_uuid_length")(i)?;
    let (i, thread_id) = wire::le_u32("thread_id")(i)?;
    let (i, gtid_specified) = wire::u8("gtid_specified")(i)?;
    let (i, snapshot_length) = length(i, "snapshot_version_length")?;
    let (i, write_set_items) = wire::le_u32("write_set_items")(i)?;
    let (i, read_set_items) = wire::le_u32("read_set_items")(i)?;
    let (i, ()) = post_header_rest(i, fde, EventType::TRANSACTION_CONTEXT, 18)?;
    let (i, server_uuid) = wire::bytes(usize::from(uuid_length), "server_uuid")(i)?;
    let (sets, snapshot_version) = wire::bytes(snapshot_length, "snapshot_version")(i)?;
    let mut i = sets;
    for _ in 0..u64::from(write_set_items).saturating_add(u64::from(read_set_items)) {
        i = u16_bytes(i, "set item")?.0;
    }
    wire::end("read_set")(i)?;
    Ok(TransactionContextEvent {
        server_uuid,
        thread_id,
        gtid_specified: gtid_specified != 0,
        snapshot_version,
        write_set_items,
        read_set_items,
        sets,
    })
}

pub(super) fn view_change<'a>(
    i: &'a [u8],
    fde: &FormatDescription,
) -> Result<ViewChangeEvent<'a>, nom::Err<wire::ParseError>> {
    let (i, view_id) = wire::bytes(VIEW_ID_LEN, "view_id")(i)?;
    let (i, sequence_number) = wire::le_u64("sequence_number")(i)?;
    let (i, certification_items) = wire::le_u32("certification_info_size")(i)?;
    let (info, ()) = post_header_rest(i, fde, EventType::VIEW_CHANGE, 52)?;
    let mut i = info;
    for _ in 0..certification_items {
        i = u16_bytes(i, "certification_info key")?.0;
        i = wire::u32_bytes("certification_info value")(i)?.0;
    }
    wire::end("certification_info")(i)?;
    let view_id = view_id.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(ViewChangeEvent { view_id, sequence_number, certification_items, certification_info: info })
}

fn u16_bytes<'a>(i: &'a [u8], what: &'static str) -> Parsed<'a, &'a [u8]> {
    let (i, length) = wire::le_u16(what)(i)?;
    wire::bytes(usize::from(length), what)(i)
}

fn length<'a>(input: &'a [u8], what: &'static str) -> Parsed<'a, usize> {
    let (i, length) = wire::le_u32(what)(input)?;
    match usize::try_from(length) {
        Ok(length) => Ok((i, length)),
        Err(_) => Err(wire::fail(input, what, Problem::Invalid)),
    }
}

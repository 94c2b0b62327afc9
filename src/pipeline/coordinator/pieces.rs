//! The pieces in which a large transaction is handed on: whole events, each piece with all that it takes to decode it
//! apart from the others.

use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};

use super::frame::changes_schema;
use super::xa::Look;
use super::{BATCH_BYTES, Coordinator, Halt};
use crate::binlog::EventType;
use crate::binlog::event::FormatDescription;
use crate::change::TransactionMeta;
use crate::pipeline::batch::{At, Batch, Inside, Item, Plans, RowCount};
use crate::pipeline::dispatch::Gone;
use crate::pipeline::error::{ApplyError, Place};
use crate::pipeline::input::Spool;
use crate::position::LogPosition;
use crate::row::TablePlan;

/// What one piece of a transaction hands on to the next.
pub(super) struct Chain {
    transaction: TransactionMeta,
    /// Whether a piece has been handed on.
    continued: bool,
    /// The plans in force.
    open_maps: Plans,
    /// Tells how many rows came before.
    before: Receiver<u64>,
    /// A definition was handed on and is not applied yet.
    defined: bool,
    /// How far the log has come when all is handed on.
    upto: LogPosition,
    /// Set if nothing is to be handed on: what a look at the pieces finds.
    pub look: Option<Look>,
}

impl Chain {
    pub(super) fn new(transaction: TransactionMeta, upto: LogPosition) -> Result<Self, Gone> {
        let (first, before) = bounded(1);
        first.send(0).map_err(|_| Gone)?;
        let open_maps = Plans::default();
        Ok(Self { transaction, continued: false, open_maps, before, defined: false, upto, look: None })
    }
}

/// A piece of a transaction: whole events.
pub(super) struct Piece {
    pub bytes: Vec<u8>,
    /// Of its first event.
    pub place: Place,
    pub format: Arc<FormatDescription>,
    /// Set if it comes out of a payload, whose place it has.
    pub inside: Option<Inside>,
    /// Offset in it of the transaction's last row event.
    pub last_rows: Option<usize>,
    /// The transaction ends with it.
    pub complete: bool,
}

impl Piece {
    /// The place of the event at `at`.
    fn place(&self, at: usize) -> Place {
        let at = u64::try_from(at).unwrap_or(0);
        let mut place = self.place.clone();
        if let Some(inside) = &mut place.inside {
            *inside = inside.saturating_add(at);
        } else {
            for position in [&mut place.read, &mut place.source].into_iter().flatten() {
                position.pos = position.pos.saturating_add(at);
            }
        }
        place
    }
}

impl<O> Coordinator<'_, O> {
    /// Hands on these bytes of the transaction in pieces of whole events. `last` says whether it ends with them.
    pub(super) fn pieces(
        &mut self,
        spool: &Spool,
        chain: &mut Chain,
        range: Range<u64>,
        last_rows: Option<u64>,
        last: bool,
    ) -> Result<(), Halt> {
        let mut offset = range.start;
        while offset < range.end {
            let bytes = self.read_piece(spool, offset, range.end)?;
            let start = &chain.transaction.start;
            let place = Place {
                read: Some(LogPosition::new(self.file_name(), self.buffer_at.saturating_add(offset))),
                source: Some(start.at(start.pos.saturating_add(offset))),
                gtid: chain.transaction.gtid.clone(),
                ..Place::default()
            };
            let format = Arc::clone(&self.format);
            let last_rows = last_rows.and_then(|at| at.checked_sub(offset)).and_then(|at| usize::try_from(at).ok());
            let mut piece = Piece { bytes, place, format, inside: None, last_rows, complete: false };
            let used = self.new_tables_at(chain, &piece)?.unwrap_or(piece.bytes.len());
            piece.bytes.truncate(used);
            offset = offset.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
            piece.complete = last && offset >= range.end;
            self.send_piece(chain, piece)?;
        }
        Ok(())
    }

    /// Hands on one piece.
    pub(super) fn send_piece(&mut self, chain: &mut Chain, piece: Piece) -> Result<(), Halt> {
        let maps = self.maps_of_piece(&piece, &mut chain.look)?;
        if chain.look.is_some() {
            return Ok(());
        }
        let (after, next_before) = bounded(1);
        self.keep_definitions()?;
        let mut maps_after = chain.open_maps.clone();
        for (_, plan) in &maps {
            maps_after.set(plan.table_id, plan);
        }
        let Piece { bytes, place, format, inside, last_rows, complete } = piece;
        let transaction = &chain.transaction;
        let read_from = place.read.unwrap_or_else(|| transaction.start.clone());
        let item = Item {
            range: 0..bytes.len(),
            source_pos: place.source.map_or(transaction.start.pos, |source| source.pos),
            continued: chain.continued,
            complete,
            last_rows: last_rows.filter(|at| *at < bytes.len()).map(At::from),
            transaction: transaction.clone(),
            upto: chain.upto.clone().into(),
        };
        let batch = Batch {
            bytes,
            read_from,
            format,
            plain_format: Arc::clone(&self.plain_format),
            items: vec![item],
            unpacked: Vec::new(),
            payloads: Vec::new(),
            maps,
            open_maps: std::mem::replace(&mut chain.open_maps, maps_after),
            end: chain.upto.clone().into(),
            row_count: Some(RowCount { before: std::mem::replace(&mut chain.before, next_before), after }),
            ignored: self.ignored.take(),
            inside,
        };
        chain.continued = true;
        self.dispatch.send(batch)?;
        Ok(())
    }

    /// Where the piece must end: before the first table map that follows a definition, if the target must have it
    /// first. Where the piece begins with such a table map, the definition is applied now.
    pub(super) fn new_tables_at(&mut self, chain: &mut Chain, piece: &Piece) -> Result<Option<usize>, Halt> {
        if !self.plans.follows_target() {
            return Ok(None);
        }
        let mut at = 0;
        while let Some(raw) = self.cut(&piece.bytes, at)? {
            let size = raw.bytes.len();
            match raw.header.event_type {
                kind if kind.is_query() => {
                    chain.defined |= changes_schema(&raw, &piece.format)
                        .map_err(|error| ApplyError::event(&error, piece.place(at)))?;
                }
                EventType::TABLE_MAP if chain.defined && at == 0 => {
                    self.plans.clear();
                    self.dispatch.barrier()?;
                    chain.defined = false;
                }
                EventType::TABLE_MAP if chain.defined => return Ok(Some(at)),
                _ => {}
            }
            at = at.saturating_add(size);
        }
        Ok(None)
    }

    /// Reads about one batch of whole events.
    fn read_piece(&mut self, spool: &Spool, offset: u64, end: u64) -> Result<Vec<u8>, Halt> {
        let mut bytes = self.dispatch.buffer();
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        bytes.resize(left.min(BATCH_BYTES), 0);
        spool.read_exact_at(&mut bytes, offset).map_err(|error| self.read_error(error))?;
        let mut whole = 0;
        while let Some(raw) = self.cut(&bytes, whole)? {
            whole = whole.saturating_add(raw.bytes.len());
        }
        if whole == 0 {
            // One event larger than a batch.
            let Some(header) = self.header(&bytes) else { return Err(self.cut_short(offset)) };
            let size = self.event_size(&header, 0)?;
            bytes.resize(size.min(left), 0);
            spool.read_exact_at(&mut bytes, offset).map_err(|error| self.read_error(error))?;
        } else {
            bytes.truncate(whole);
        }
        Ok(bytes)
    }

    /// The plans of the piece's table maps; if it is only looked at, they are kept there.
    fn maps_of_piece(&mut self, piece: &Piece, look: &mut Option<Look>) -> Result<Vec<(At, Arc<TablePlan>)>, Halt> {
        let mut maps = Vec::new();
        let mut at = 0;
        while let Some(raw) = self.cut(&piece.bytes, at)? {
            if raw.header.event_type == EventType::TABLE_MAP {
                let body =
                    raw.body(piece.format.checksum).map_err(|error| ApplyError::event(&error, piece.place(at)))?;
                let plan = self.resolve(&raw, body).map_err(|error| error.at(piece.place(at)))?;
                match look {
                    Some(look) => look.plans.keep(body, &plan),
                    None => maps.push((at.into(), plan)),
                }
            }
            at = at.saturating_add(raw.bytes.len());
        }
        Ok(maps)
    }
}

//! The null sink: reads every value and keeps none. It measures receiving and decoding apart from delivery.

use super::{Ack, Progress, RenderError, Renderer, RowsContext, Sink, SinkError, StatementContext};
use crate::change::TransactionMeta;
use crate::row::{self, Cell};

/// Counts only.
#[derive(Debug, Default)]
pub struct NullSink;

/// Reads the values of every row.
#[derive(Debug, Default)]
pub struct NullRenderer {
    before: Vec<Cell>,
    after: Vec<Cell>,
    scratch: Vec<u8>,
}

impl Renderer for NullRenderer {
    type Output = ();

    const NUMBERS_ROWS: bool = false;

    fn begin(&mut self, _transaction: &TransactionMeta, _continued: bool, _out: &mut ()) -> Result<(), RenderError> {
        Ok(())
    }

    fn rows(&mut self, context: &RowsContext<'_>, _out: &mut ()) -> Result<u64, RenderError> {
        let mut count = 0;
        row::for_each(context.plan, context.event, &mut self.before, &mut self.after, |before, after| {
            count += 1;
            for (column, cell) in [before, after].into_iter().flat_map(|cells| context.plan.columns.iter().zip(cells)) {
                if let Some(bytes) = cell.bytes(context.event.rows) {
                    std::hint::black_box(column.value_in(bytes, &mut self.scratch)?);
                }
            }
            Ok(())
        })
        .map_err(|error| RenderError { what: error.to_string(), hint: None })?;
        Ok(count)
    }

    fn statement(&mut self, _context: &StatementContext<'_>, _out: &mut ()) -> Result<(), RenderError> {
        Ok(())
    }

    fn end(&mut self, _transaction: &TransactionMeta, _out: &mut ()) -> Result<(), RenderError> {
        Ok(())
    }

    fn size(_out: &()) -> usize {
        0
    }

    fn clear(_out: &mut ()) {}
}

impl Sink for NullSink {
    type Output = ();
    type Renderer = NullRenderer;

    fn renderer(&self) -> NullRenderer {
        NullRenderer::default()
    }

    fn open(&mut self) -> Result<Option<Progress>, SinkError> {
        Ok(None)
    }

    fn apply(&mut self, _piece: &mut (), _upto: Option<&Progress>) -> Result<Ack, SinkError> {
        Ok(Ack::Durable)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

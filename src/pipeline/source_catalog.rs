//! The source's catalog, asked from the coordinator's thread for tables whose table maps do not name their columns.

use tokio::runtime::Handle;

use crate::disposition::Disposition;
use crate::schema::{self, TableDef};
use crate::sink::{Catalog, SinkError};
use crate::source::{SourceCatalog, SourceConfig, SourceError};

/// Column names from the source's `information_schema`.
pub(super) struct SourceNames {
    catalog: SourceCatalog,
    runtime: Handle,
}

impl SourceNames {
    pub(super) fn new(config: SourceConfig, runtime: Handle) -> Self {
        Self { catalog: SourceCatalog::new(config), runtime }
    }
}

impl Catalog for SourceNames {
    fn table(&mut self, database: &str, table: &str) -> Result<Option<TableDef>, SinkError> {
        let Self { catalog, runtime } = self;
        runtime.block_on(async {
            let columns = catalog.query(&schema::columns_query(database, table)).await.map_err(failed)?;
            let keys = catalog.query(&schema::keys_query(database, table)).await.map_err(failed)?;
            TableDef::from_rows(database, table, &columns.rows, &keys.rows).map_err(|error| SinkError::Rejected {
                code: None,
                what: format!("the source's catalog cannot be understood: {error}"),
                table: Some(format!("{database}.{table}")),
                hint: None,
                at: None,
            })
        })
    }
}

fn failed(error: SourceError) -> SinkError {
    let what = format!("the source's catalog cannot be read: {}", error.failure());
    match error.disposition() {
        Disposition::Retry => SinkError::Unavailable { what },
        Disposition::Stop => SinkError::Rejected {
            code: Some(error.number()),
            what,
            table: None,
            hint: error.hint().map(str::to_owned),
            at: None,
        },
    }
}

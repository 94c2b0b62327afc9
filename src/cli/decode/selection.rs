//! Which part of the log: flags, and what they mean.

use std::str::FromStr;

use clap::ValueEnum;

use crate::cli::error::Failure;
use crate::filter::{Bound, Content, Gtids, Kind, Pattern, Range, Selection, TablePattern};

/// Kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Type {
    /// New rows
    Insert,
    /// Changed rows
    Update,
    /// Removed rows
    Delete,
    /// Definitions, accounts and everything else that is no row
    Ddl,
}

/// Which transactions are read, and what of them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Begins here: POS or FILE:POS, a date and time (UTC unless it has an offset), or GTIDs, which are passed over.
    ///
    /// A position in no file is one in the first. It must be that of an event; reading begins with the first
    /// transaction there or behind. By time it begins with the first transaction of that second or later. With GTIDs
    /// (UUID:1-5, or MariaDB's 0-1-5) transactions that are among them are passed over.
    #[arg(long, value_name = "WHERE", value_parser = Bound::from_str)]
    start: Option<Bound>,
    /// Ends before this position or time, or when all these GTIDs have been seen.
    ///
    /// A position in no file is one in the last. Transactions are whole: one that begins before is read to its end.
    #[arg(long, value_name = "WHERE", value_parser = Bound::from_str)]
    stop: Option<Bound>,
    /// Only changes in this database; * and ? are wildcards. May be given more than once.
    #[arg(long, value_name = "NAME", value_parser = Pattern::from_str)]
    database: Vec<Pattern>,
    /// Only changes of this table; * and ? are wildcards. May be given more than once.
    #[arg(long, value_name = "[DATABASE.]NAME", value_parser = TablePattern::from_str)]
    table: Vec<TablePattern>,
    /// Only changes of this kind. May be given more than once.
    #[arg(long = "type", value_name = "KIND", value_enum, value_delimiter = ',')]
    kind: Vec<Type>,
    #[arg(long, hide = true, value_name = "POS", conflicts_with_all = ["start", "start_datetime"])]
    start_position: Option<u64>,
    #[arg(long, hide = true, value_name = "POS", conflicts_with_all = ["stop", "stop_datetime"])]
    stop_position: Option<u64>,
    #[arg(long, hide = true, value_name = "TIME", conflicts_with = "start", value_parser = datetime)]
    start_datetime: Option<Bound>,
    #[arg(long, hide = true, value_name = "TIME", conflicts_with = "stop", value_parser = datetime)]
    stop_datetime: Option<Bound>,
    #[arg(long, hide = true, value_name = "GTIDS", value_parser = Gtids::from_str)]
    include_gtids: Option<Gtids>,
    #[arg(long, hide = true, value_name = "GTIDS", value_parser = Gtids::from_str)]
    exclude_gtids: Option<Gtids>,
}

fn datetime(text: &str) -> Result<Bound, String> {
    let time = crate::filter::parse_datetime(text.trim());
    time.map(Bound::Time).ok_or_else(|| "write it as 'YYYY-MM-DD HH:MM:SS', in UTC".to_owned())
}

impl SelectionArgs {
    /// The range, for a log of so many files.
    pub(super) fn selection(&self, files: usize) -> anyhow::Result<Selection> {
        let position = |pos: Option<u64>| pos.map(|pos| Bound::Position { file: None, pos });
        let either = |a: &Option<Bound>, b: &Option<Bound>, c| a.clone().or_else(|| b.clone()).or(c);
        let range = Range {
            start: either(&self.start, &self.start_datetime, position(self.start_position)),
            stop: either(&self.stop, &self.stop_datetime, position(self.stop_position)),
            include: self.include_gtids.clone(),
            exclude: self.exclude_gtids.clone(),
        };
        if let (Some(Bound::Time(start)), Some(Bound::Time(stop))) = (&range.start, &range.stop)
            && stop <= start
        {
            return Err(Failure::usage("the range is empty: it ends before it begins").into());
        }
        Ok(Selection::new(range, files))
    }

    /// What is wanted of each transaction.
    pub(super) fn content(&self) -> Content {
        let kind = |kind: &Type| match kind {
            Type::Insert => Kind::Insert,
            Type::Update => Kind::Update,
            Type::Delete => Kind::Delete,
            Type::Ddl => Kind::Ddl,
        };
        Content {
            databases: self.database.clone(),
            tables: self.table.clone(),
            kinds: self.kind.iter().map(kind).collect(),
        }
    }
}

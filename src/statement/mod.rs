//! SQL text, as far as replication must understand it.

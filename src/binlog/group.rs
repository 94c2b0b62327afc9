//! Which events make one transaction.

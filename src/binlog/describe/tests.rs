use super::*;
use crate::binlog::header::ChecksumAlgorithm;

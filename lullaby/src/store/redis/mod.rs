//! Jobs in Redis or Valkey, in RQ's own layout.

pub mod call;
pub mod entries;
pub mod pickle;
pub mod serializer;

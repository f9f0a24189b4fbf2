//! What a depot keeps: plain values, each with one stable JSON form.

mod id;
mod time;

pub use id::Id;
pub use time::Timestamp;

/// How often a record was written: 1 when created, one more per change.
pub type Revision = u64;

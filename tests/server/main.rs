//! The server example as clients meet it: a process, a socket, a data directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod builds;
mod journey;
mod life;
mod operations;
mod process;
mod refusals;
mod secrets;
mod start;
mod store;

//! What every dialect needs of HTTP itself: forms, JSON bodies, ranges and conditions, and uploads that outlive
//! their client.
//!
//! Everything here fails with [`appdepot_core::Error`], so that a dialect has one place that turns errors into
//! its own words.

pub(crate) mod accept;
pub(crate) mod conditional;
pub(crate) mod deliver;
pub(crate) mod detached;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod manifest;
pub(crate) mod multipart;
pub(crate) mod page;
pub(crate) mod range;
pub(crate) mod retry;
pub(crate) mod text;

pub(crate) use {
    deliver::{deliver, guard},
    detached::detached,
    manifest::{Manifest, install_link},
    multipart::{FilePart, Form, Part},
    retry::Retry,
};

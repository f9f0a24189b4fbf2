//! The documented HTTP dialects over one [`Depot`](appdepot_core::depot::Depot), as a tower service.
//!
//! A dialect translates: it reads a vendor's words, makes one or two calls of the depot, and writes the vendor's
//! words. What is allowed and what happens is the depot's business. Each dialect's module says what it serves
//! and where it deviates from its document.

mod call;
mod dialects;
mod metrics;
mod openapi;
mod service;
mod storefront;
#[cfg(test)]
mod testing;
mod wire;

pub use call::Country;
pub use dialects::{applivery, emporix, redhat, wso2};
pub use service::{Service, ServiceBuilder};

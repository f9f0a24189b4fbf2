//! The behaviour that every backend shows, as named cases; run them over your own backend too.
//!
//! Each case gets a fresh backend, and fails by returning an error that says what was expected. Which test
//! harness runs them, and on which runtime, is up to the caller:
//!
//! ```
//! use std::sync::Arc;
//! use appdepot_core::conformance;
//! use appdepot_core::memory::MemoryBlobs;
//! for case in conformance::blobs::cases() {
//!     futures::executor::block_on((case.run)(Arc::new(MemoryBlobs::new())))
//!         .unwrap_or_else(|failure| panic!("{}: {failure}", case.name));
//! }
//! ```

pub mod authorize;
pub mod blobs;
pub mod conditions;
pub mod depot;
pub mod faulty;
pub mod records;

use std::fmt::Debug;

use futures::future::BoxFuture;

/// One named behaviour of a port, tried on a `Backend`.
pub struct Case<Backend> {
    /// What should hold.
    pub name: &'static str,
    /// Tries it.
    pub run: fn(Backend) -> BoxFuture<'static, Outcome>,
}

/// What a case comes to.
pub type Outcome = Result<(), Failure>;

/// What was expected and what came instead.
#[derive(Debug)]
pub struct Failure(pub String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self(format!("unexpected error: {error:?}"))
    }
}

/// Fails unless both are equal.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, got: &T, expected: &T) -> Outcome {
    if got == expected { Ok(()) } else { Err(Failure(format!("{what}: got {got:?}, expected {expected:?}"))) }
}

/// Fails unless it holds.
pub(crate) fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(Failure(what.to_owned())) }
}

/// Fails unless the result is an error of this kind.
pub(crate) fn refused<T: Debug>(what: &str, result: crate::Result<T>, kind: crate::ErrorKind) -> Outcome {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => Err(Failure(format!("{what}: got {other:?}, expected {kind:?}"))),
    }
}

/// A list of cases: one line each, so that an unlisted one is dead code and the compiler says so.
macro_rules! cases {
    ($backend:ty: $($name:ident)*) => {
        /// Every case.
        pub fn cases() -> Vec<$crate::conformance::Case<$backend>> {
            vec![$($crate::conformance::Case {
                name: stringify!($name),
                run: |backend| Box::pin($name(backend)),
            }),*]
        }
    };
}
pub(crate) use cases;

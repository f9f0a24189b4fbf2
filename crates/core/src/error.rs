//! The one error type: a kind, a message fit for strangers, typed detail, and a source for logs.

use std::borrow::Cow;
use std::fmt;

use crate::domain::Revision;
use crate::lifecycle::{State, Verb};

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. One word in size; cheap to return.
///
/// `Display` is the message and may be shown to strangers. The source is for logs only: a dialect never writes
/// it to the wire.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    detail: Detail,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of failure it is; every dialect maps each kind exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The state of the record forbids it: stale revision, name taken, illegal lifecycle step.
    Conflict,
    /// The actor is known here and may not do this.
    Forbidden,
    /// A defect or a broken invariant on our side.
    Internal,
    /// The request itself is wrong.
    Invalid,
    /// A quota or rate is used up.
    Limited,
    /// No such thing, or not for this actor to know.
    NotFound,
    /// More bytes than allowed.
    TooLarge,
    /// No credential, or not a good one.
    Unauthenticated,
    /// A backend did not answer; the outcome may be unknown; trying again may help.
    Unavailable,
    /// Understood but not handled: format, operation, media type.
    Unsupported,
}

/// Typed detail that dialects turn into their own words.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Detail {
    /// Nothing beyond kind and message.
    #[default]
    None,
    /// Which fields are wrong and why.
    Fields(Vec<FieldError>),
    /// The caller's revision is not the stored one.
    Stale {
        /// The stored revision, where known.
        current: Option<Revision>,
    },
    /// A unique key belongs to another record.
    Taken {
        /// What is unique: `slug`, `alias`, ….
        space: &'static str,
    },
    /// The lifecycle has no such step from this state.
    Step {
        /// The state the release is in.
        state: State,
        /// What was asked for.
        verb: Verb,
        /// What would be possible.
        allowed: Vec<Verb>,
    },
    /// The build has not been processed, or cannot be.
    Unprocessed,
    /// A limit, with its value.
    Limit {
        /// The largest permitted value.
        limit: u64,
        /// Its unit: `bytes`, `entries`, ….
        unit: &'static str,
    },
    /// Too often; not before this time has passed.
    Retry {
        /// How long to wait.
        after: std::time::Duration,
    },
    /// What is wrong with the credential.
    Credential(CredentialFault),
    /// The permission that was missing.
    Permission(Cow<'static, str>),
    /// What was not found: `organization`, `asset`, `storage provider`, ….
    Missing(&'static str),
}

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialFault {
    /// None was presented.
    Missing,
    /// Unknown, malformed or revoked.
    Bad,
    /// It was good once.
    Expired,
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Dotted path of the field in the core's words.
    pub field: Cow<'static, str>,
    /// What is wrong, lower case, no full stop.
    pub message: Cow<'static, str>,
}

impl Error {
    /// An error of `kind` whose `message` strangers may read.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), detail: Detail::None, source: None }))
    }

    /// Adds typed detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.detail = detail;
        self
    }

    /// Adds the cause, for logs.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// `NotFound`, naming what is missing.
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ErrorKind::NotFound, format!("{what} not found")).with_detail(Detail::Missing(what))
    }

    /// `Invalid`, with a single wrong field.
    pub fn invalid(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self::new(ErrorKind::Invalid, format!("{field}: {message}"))
            .with_detail(Detail::Fields(vec![FieldError { field, message }]))
    }

    /// `Conflict` because the stored revision is another one.
    pub fn stale(current: Option<Revision>) -> Self {
        Self::new(ErrorKind::Conflict, "the record was changed meanwhile")
            .with_detail(Detail::Stale { current })
    }

    /// `Conflict` because a unique key is held by another record.
    pub fn taken(space: &'static str) -> Self {
        Self::new(ErrorKind::Conflict, format!("{space} is already in use"))
            .with_detail(Detail::Taken { space })
    }

    /// `Conflict` because the build is no release yet, or never will be.
    pub fn unprocessed() -> Self {
        Self::new(ErrorKind::Conflict, "the build is not processed").with_detail(Detail::Unprocessed)
    }

    /// `TooLarge`, naming the limit in bytes.
    pub fn too_large(limit: u64) -> Self {
        Self::new(ErrorKind::TooLarge, format!("larger than {limit} bytes"))
            .with_detail(Detail::Limit { limit, unit: "bytes" })
    }

    /// `Limited`, saying how long to wait.
    pub fn limited(after: std::time::Duration) -> Self {
        let seconds = after.as_millis().div_ceil(1_000);
        Self::new(ErrorKind::Limited, format!("too many attempts, try again in {seconds} seconds"))
            .with_detail(Detail::Retry { after })
    }

    /// `Forbidden`, naming the permission.
    pub fn forbidden(permission: impl Into<Cow<'static, str>>) -> Self {
        let permission = permission.into();
        Self::new(ErrorKind::Forbidden, format!("missing permission: {permission}"))
            .with_detail(Detail::Permission(permission))
    }

    /// `Unauthenticated`.
    pub fn unauthenticated(fault: CredentialFault) -> Self {
        let message = match fault {
            CredentialFault::Missing => "no credential",
            CredentialFault::Bad => "invalid credential",
            CredentialFault::Expired => "expired credential",
        };
        Self::new(ErrorKind::Unauthenticated, message).with_detail(Detail::Credential(fault))
    }

    /// `Internal`, with a fixed public message; `source` goes to logs.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "internal error").with_source(source)
    }

    /// `Unavailable`, with a fixed public message; `source` goes to logs.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable, "a backend is unavailable").with_source(source)
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message fit for strangers.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the unique key `space` belongs to another record.
    pub fn is_taken(&self, space: &str) -> bool {
        matches!(self.detail(), Detail::Taken { space: taken } if *taken == space)
    }

    /// The typed detail.
    pub fn detail(&self) -> &Detail {
        &self.0.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.0.message);
        if self.0.detail != Detail::None {
            out.field("detail", &self.0.detail);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn the_source_stays_out_of_the_message() {
        let error = Error::internal("password is hunter2");
        assert!(!error.to_string().contains("hunter2"));
        assert!(std::error::Error::source(&error).is_some());
    }
}

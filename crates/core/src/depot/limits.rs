//! What a depot bounds.

use std::time::Duration;

/// Bounds of a depot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes. Default 8 GiB.
    pub upload_bytes: u64,
    /// How long an upload may take from its first record to its last. Default 6 hours.
    pub upload_deadline: Duration,
    /// How much older than `upload_deadline` an unfinished upload must be before a sweep takes it. Default
    /// 1 hour.
    pub sweep_grace: Duration,
    /// How long one worker may read a build before another one takes it up. Default 2 minutes.
    pub build_lease: Duration,
    /// How often a build is taken up before it is given up. Default 5.
    pub build_attempts: u32,
    /// How long a ticket is good for. Default 15 minutes.
    pub ticket_lifetime: Duration,
    /// How long a ticket is good for at least once the first byte of its package went out, so that a download
    /// that breaks off can be resumed. Default 1 hour.
    pub ticket_grace: Duration,
    /// How long a session may be silent. Default 30 minutes.
    pub session_idle: Duration,
    /// How long a session may last. Default 12 hours.
    pub session_lifetime: Duration,
    /// How long a publication's password need not be given again. Default 1 hour.
    pub pass_lifetime: Duration,
    /// How often somebody may try to sign in to one account within a window. Default 10.
    pub sign_ins_per_account: u32,
    /// How often somebody may try to sign in from one address within a window. Default 100.
    pub sign_ins_per_address: u32,
    /// The window in which attempts to sign in are counted. Default 15 minutes.
    pub sign_in_window: Duration,
    /// How many requests a server lets in from one address within a window; `None` for any number. Default `None`.
    pub requests_per_address: Option<u32>,
    /// The window in which requests are counted. Default 1 minute.
    pub request_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload_bytes: 8 << 30,
            upload_deadline: Duration::from_secs(6 * 3600),
            sweep_grace: Duration::from_secs(3600),
            build_lease: Duration::from_secs(2 * 60),
            build_attempts: 5,
            ticket_lifetime: Duration::from_secs(15 * 60),
            ticket_grace: Duration::from_secs(3600),
            session_idle: Duration::from_secs(30 * 60),
            session_lifetime: Duration::from_secs(12 * 3600),
            pass_lifetime: Duration::from_secs(3600),
            sign_ins_per_account: 10,
            sign_ins_per_address: 100,
            sign_in_window: Duration::from_secs(15 * 60),
            requests_per_address: None,
            request_window: Duration::from_secs(60),
        }
    }
}

//! How often somebody may try to sign in, and ask at all.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{Id, Organization, Timestamp};
use crate::error::{Error, Result};

use super::Limits;

/// The most accounts and addresses that are counted. Beyond it the longest counted are forgotten.
const COUNTED: usize = 100_000;

/// Counts attempts, by account and by address, in this process: several processes allow each their own.
pub(super) struct Attempts {
    windows: Mutex<HashMap<u64, Window>>,
    /// Names are kept as hashes that nobody outside can foresee, so that an entry has a fixed size.
    hasher: RandomState,
}

/// From the first attempt until it is over.
struct Window {
    since: Timestamp,
    attempts: u32,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { windows: Mutex::default(), hasher: RandomState::new() }
    }

    /// Counts an attempt, before it is known how it ends.
    ///
    /// # Errors
    /// `Limited` when there were too many, saying when the next may be made.
    pub(super) fn count(
        &self,
        organization: Id<Organization>,
        account: &str,
        address: Option<&str>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<()> {
        let window = limits.sign_in_window;
        if let Some(address) = address {
            self.count_address(address, limits.sign_ins_per_address, window, now)?;
        }
        self.hit(self.account(organization, account), limits.sign_ins_per_account, window, now)
    }

    /// Counts something that comes from an address, at most `most` times in a window of this length.
    ///
    /// # Errors
    /// As [`Attempts::count`].
    pub(super) fn count_address(
        &self,
        address: &str,
        most: u32,
        length: Duration,
        now: Timestamp,
    ) -> Result<()> {
        self.hit(self.hasher.hash_one(network(address)), most, length, now)
    }

    /// Somebody signed in: what was tried on the account before is forgotten. On the address it is not, or whoever
    /// has one account could try any number of others.
    pub(super) fn forget(&self, organization: Id<Organization>, account: &str) {
        let account = self.account(organization, account);
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    fn account(&self, organization: Id<Organization>, account: &str) -> u64 {
        self.hasher.hash_one((organization, account.to_lowercase()))
    }

    fn hit(&self, whose: u64, most: u32, length: Duration, now: Timestamp) -> Result<()> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= COUNTED && !windows.contains_key(&whose) {
            windows.retain(|_, window| window.since.after(length) > now);
            if windows.len() >= COUNTED {
                let mut starts: Vec<Timestamp> = windows.values().map(|window| window.since).collect();
                let (_, &mut median, _) = starts.select_nth_unstable(COUNTED / 2);
                windows.retain(|_, window| window.since > median);
            }
        }
        let window = windows.entry(whose).or_insert(Window { since: now, attempts: 0 });
        let end = window.since.after(length);
        if end <= now {
            *window = Window { since: now, attempts: 0 };
        } else if window.attempts >= most {
            let left = u64::try_from(end.millis().saturating_sub(now.millis())).unwrap_or(0);
            return Err(Error::limited(Duration::from_millis(left)));
        }
        window.attempts = window.attempts.saturating_add(1);
        Ok(())
    }
}

/// What is counted as one address: of IPv6 the network of 64 bits, of which a client has every address.
pub(super) fn network(address: &str) -> String {
    match address.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => format!("{:x}/64", address.to_bits() >> 64),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Detail;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const HOME: Id<Organization> = Id::NIL;

    fn limits() -> Limits {
        Limits { sign_ins_per_account: 3, sign_ins_per_address: 5, ..Limits::default() }
    }

    #[test]
    fn accounts_and_addresses_are_limited_and_told_when_to_come_back() {
        let (attempts, limits) = (Attempts::new(), limits());
        let count =
            |account: &str, address: &str, now| attempts.count(HOME, account, Some(address), &limits, now);
        for account in ["ada", "Ada", "ADA"] {
            count(account, "10.0.0.1", NOW).unwrap();
        }
        let error = count("ada", "10.0.0.2", NOW.after(Duration::from_secs(60))).unwrap_err();
        let after = limits.sign_in_window - Duration::from_secs(60);
        assert_eq!(error.detail(), &Detail::Retry { after });
        attempts.count(Id::generate(), "ada", None, &limits, NOW).unwrap();
        for account in ["bob", "cyd"] {
            count(account, "::ffff:10.0.0.1", NOW).unwrap();
        }
        assert!(count("dan", "10.0.0.1", NOW).is_err());
        count("ada", "10.0.0.1", NOW.after(limits.sign_in_window)).unwrap();
    }

    #[test]
    fn requests_are_let_in_until_there_are_too_many() {
        let limits = Limits { requests_per_address: Some(2), ..Limits::default() };
        let depot = crate::depot::Depot::builder().limits(limits).clock(|| NOW).build();
        for address in ["10.0.0.1", "10.0.0.1", "10.0.0.2"] {
            depot.admit(address).unwrap();
        }
        let error = depot.admit("10.0.0.1").unwrap_err();
        assert_eq!(error.detail(), &Detail::Retry { after: Duration::from_secs(60) });
        let unlimited = crate::depot::Depot::builder().build();
        assert!((0..1_000).all(|_| unlimited.admit("10.0.0.1").is_ok()));
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("unix socket"), network(""));
    }

    #[test]
    fn memory_is_bounded_whoever_tries() {
        let (attempts, limits) = (Attempts::new(), limits());
        for n in 0..i64::try_from(COUNTED).unwrap() + 10_000 {
            let now = Timestamp::from_millis(n / 10);
            attempts.count(HOME, &n.to_string(), None, &limits, now).unwrap();
        }
        let windows = attempts.windows.lock().unwrap();
        assert!(windows.len() <= COUNTED);
        let last = attempts.account(HOME, "109999");
        assert!(windows.contains_key(&last), "the last ones are counted");
    }
}

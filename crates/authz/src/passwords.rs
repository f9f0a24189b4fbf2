//! What is kept of passwords.

use std::fmt;
use std::sync::Arc;

use appdepot_core::authenticate::{Passwords, Verdict};
use appdepot_core::{Error, Result};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Memory in KiB, passes and lanes: OWASP's minimum for Argon2id (Password Storage Cheat Sheet).
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes passwords with Argon2id, on threads of their own: as many at a time as there are processors, so that
/// memory is bounded however many sign in. Needs a tokio runtime around it.
///
/// What is kept is a PHC string, which tells its own parameters. Hashes made with others stay good, and are renewed
/// when their user signs in.
///
/// # Examples
/// ```
/// use appdepot_authz::Argon2Passwords;
/// use appdepot_core::authenticate::{Passwords, Verdict};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appdepot_core::Result<()> {
/// let passwords = Argon2Passwords::new();
/// let kept = passwords.hash("correct horse battery staple").await?;
/// assert_eq!(passwords.verify("correct horse battery staple", Some(&kept)).await?, Verdict::Right);
/// assert_eq!(passwords.verify("Tr0ub4dor&3", Some(&kept)).await?, Verdict::Wrong);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Argon2Passwords {
    params: Params,
    /// What nobody's password hashes to; costs as much as one that somebody's does.
    nobody: Arc<str>,
    permits: Arc<Semaphore>,
}

impl Argon2Passwords {
    /// With OWASP's parameters: 19 MiB, 2 passes, 1 lane.
    pub fn new() -> Self {
        Self::made(Params::new(MEMORY, PASSES, LANES, None).unwrap_or_default())
    }

    /// With other parameters: memory in KiB, passes, and lanes. More cost more, to attackers and to the server.
    ///
    /// # Errors
    /// `Invalid` for parameters that Argon2 does not have.
    pub fn with_parameters(memory: u32, passes: u32, lanes: u32) -> Result<Self> {
        let params = Params::new(memory, passes, lanes, None);
        Ok(Self::made(params.map_err(|error| Error::invalid("parameters", error.to_string()))?))
    }

    fn made(params: Params) -> Self {
        let cost = format!("m={},t={},p={}", params.m_cost(), params.t_cost(), params.p_cost());
        // Sixteen bytes of salt and 32 of output, all zero.
        let nobody = format!("$argon2id$v=19${cost}${}${}", "A".repeat(22), "A".repeat(43)).into();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { params, nobody, permits: Arc::new(Semaphore::new(processors)) }
    }

    /// Runs `work` on a thread that may be held up.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let done = tokio::task::spawn_blocking(move || {
            // Held until the memory is free again, even if nobody waits for the answer any more.
            let _permit = permit;
            work(argon2)
        });
        done.await.map_err(Error::internal)?
    }
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.aside(move |argon2| {
            argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(unreadable)
        })
        .await
    }

    async fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict> {
        let (password, known) = (password.to_owned(), kept.is_some());
        let kept = kept.unwrap_or(&self.nobody).to_owned();
        let params = self.params.clone();
        self.aside(move |argon2| {
            let kept = PasswordHash::new(&kept).map_err(unreadable)?;
            match argon2.verify_password(password.as_bytes(), &kept) {
                Ok(()) if !known => Ok(Verdict::Wrong),
                Ok(()) => Ok(if is_current(&kept, &params) { Verdict::Right } else { Verdict::Outdated }),
                Err(HashError::PasswordInvalid) => Ok(Verdict::Wrong),
                Err(error) => Err(unreadable(error)),
            }
        })
        .await
    }
}

fn is_current(kept: &PasswordHash, params: &Params) -> bool {
    let same = |made: Params| {
        (made.m_cost(), made.t_cost(), made.p_cost()) == (params.m_cost(), params.t_cost(), params.p_cost())
    };
    kept.algorithm.as_str() == "argon2id" && Params::try_from(kept).is_ok_and(same)
}

/// The cause tells nothing of the password.
fn unreadable(error: impl fmt::Display) -> Error {
    Error::internal(format!("password hash: {error}"))
}

impl Default for Argon2Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Argon2Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Passwords").field("params", &self.params).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parameters_are_renewed_and_nobody_has_a_password() {
        let old = Argon2Passwords::with_parameters(64, 1, 1).unwrap();
        let new = Argon2Passwords::with_parameters(128, 2, 1).unwrap();
        let kept = old.hash("correct horse").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{kept}");
        assert_ne!(kept, old.hash("correct horse").await.unwrap(), "each with a salt of its own");
        assert_eq!(old.verify("correct horse", Some(&kept)).await.unwrap(), Verdict::Right);
        assert_eq!(new.verify("correct horse", Some(&kept)).await.unwrap(), Verdict::Outdated);
        assert_eq!(new.verify("correct hors", Some(&kept)).await.unwrap(), Verdict::Wrong);
        assert_eq!(new.verify("", None).await.unwrap(), Verdict::Wrong);
        let broken = new.verify("correct horse", Some("$2b$10$x")).await.unwrap_err();
        assert_eq!(broken.kind(), appdepot_core::ErrorKind::Internal);
        assert!(Argon2Passwords::with_parameters(0, 0, 0).is_err());
        assert!(!format!("{new:?}").contains("AAAA"));
    }

    #[tokio::test]
    async fn the_default_is_what_owasp_asks_for() {
        let kept = Argon2Passwords::new().hash("correct horse").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
    }
}

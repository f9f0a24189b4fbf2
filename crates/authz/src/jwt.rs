//! Bearer tokens of an outside issuer: JSON Web Tokens (RFC 7519), checked as RFC 8725 asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appdepot_core::authenticate::Authenticator;
use appdepot_core::authorize::{Actor, Person, Subject};
use appdepot_core::domain::{Group, Id};
use appdepot_core::error::CredentialFault;
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tokio::sync::Mutex;

use crate::keys::bad;

/// The longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 8 * 1024;
/// The longest key set, in bytes.
const KEY_SET_LIMIT: usize = 256 * 1024;
/// The most keys of a set that are kept.
const KEYS_LIMIT: usize = 64;
/// How old fetched keys may be before they are fetched again.
const KEYS_FRESH: Duration = Duration::from_secs(3600);
/// How old they may be when fetching fails.
const KEYS_STALE: Duration = Duration::from_secs(24 * 3600);
/// How often keys are fetched at most, however many tokens name unknown ones.
const FETCH_INTERVAL: Duration = Duration::from_secs(60);
/// How far the issuer's clock and ours may be apart, in seconds, unless set otherwise.
const LEEWAY: u64 = 60;
/// The longest name or address taken from a token, in characters.
const PERSON_LIMIT: usize = 256;

/// Fetches an issuer's key set (RFC 7517 §5), as text. Whatever HTTP client the embedder has.
pub type FetchKeys =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String>> + Send>> + Send + Sync + 'static>;

/// Tells whom the tokens of one outside issuer stand for.
///
/// # Behavior
/// - RS256, ES256 and EdDSA (Ed25519) only, and each key with the one algorithm of its type: neither `none` nor a
///   public key taken for an HMAC secret gets anywhere.
/// - `iss`, `aud` and `exp` must be there and right; `nbf` must be right if it is there. Both times have a leeway of
///   60 s unless set otherwise.
/// - A key is found among the issuer's by `kid` alone, which is compared and nothing else. Keys, addresses and
///   certificates in a token's header are not looked at; `crit` is refused, for nothing critical is understood.
/// - Fetched keys are kept for an hour, and for a day when they cannot be fetched again. A token that names an unknown
///   key has them fetched, at most once a minute.
///
/// A subject is `user:` and a claim, `sub` unless set otherwise. It needs roles like any other, given to it or to the
/// groups that a claim is mapped to; it cannot be a user that a depot keeps itself.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use appdepot_authz::Issuer;
/// # use appdepot_core::{Error, Result};
/// # async fn get(url: &str) -> Result<String> { Err(Error::unavailable(url.to_owned())) }
/// let fetch = Arc::new(|| Box::pin(get("https://id.example/jwks.json")) as _);
/// let issuer = Issuer::fetching("https://id.example", "appdepot", fetch).with_subject("email", "");
/// ```
pub struct Issuer {
    validation: Validation,
    subject: (String, String),
    groups: Option<(String, BTreeMap<String, Id<Group>>)>,
    keys: RwLock<Arc<Keys>>,
    fetch: Option<FetchKeys>,
    /// When fetching was last begun; held while it goes on.
    fetching: Mutex<Option<Instant>>,
}

/// The keys of an issuer.
struct Keys {
    keys: Vec<Known>,
    since: Option<Instant>,
}

struct Known {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Issuer {
    /// An issuer with these keys for ever: a key set (RFC 7517 §5) as text.
    ///
    /// # Errors
    /// `Invalid` with the field `keys` for what is no key set, or one without a key that can be used.
    pub fn with_keys(issuer: &str, audience: &str, keys: &str) -> Result<Self> {
        let keys = Keys { keys: read(keys)?, since: None };
        if keys.keys.is_empty() {
            return Err(Error::invalid("keys", "none that can be used"));
        }
        Ok(Self::made(issuer, audience, keys, None))
    }

    /// An issuer whose keys are fetched when they are needed.
    pub fn fetching(issuer: &str, audience: &str, fetch: FetchKeys) -> Self {
        Self::made(issuer, audience, Keys { keys: Vec::new(), since: None }, Some(fetch))
    }

    fn made(issuer: &str, audience: &str, keys: Keys, fetch: Option<FetchKeys>) -> Self {
        // Whichever implementation the process chose first stays; without one, decoding would panic.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self {
            validation,
            subject: ("sub".to_owned(), String::new()),
            groups: None,
            keys: RwLock::new(Arc::new(keys)),
            fetch,
            fetching: Mutex::new(None),
        }
    }

    /// The same with another claim as the subject's name, after a prefix that keeps issuers apart. A token whose
    /// claim is not 1 to 128 letters, digits or `. _ - @ +` is refused.
    #[must_use]
    pub fn with_subject(mut self, claim: &str, prefix: &str) -> Self {
        self.subject = (claim.to_owned(), prefix.to_owned());
        self
    }

    /// The same with groups: each value of a claim, a text or a list of texts, that `groups` knows.
    #[must_use]
    pub fn with_groups(mut self, claim: &str, groups: BTreeMap<String, Id<Group>>) -> Self {
        self.groups = Some((claim.to_owned(), groups));
        self
    }

    /// The same with another leeway for `exp` and `nbf`, in whole seconds.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.validation.leeway = leeway.as_secs();
        self
    }

    /// The keys in which to look for `kid`, fetched first where that is due.
    async fn keys(&self, kid: Option<&str>) -> Result<Arc<Keys>> {
        let Some(fetch) = &self.fetch else { return Ok(self.keys.read().clone()) };
        if let Some(held) = self.held(kid) {
            return Ok(held);
        }
        let mut begun = self.fetching.lock().await;
        // Whoever fetched meanwhile may have brought it.
        if let Some(held) = self.held(kid) {
            return Ok(held);
        }
        if begun.is_none_or(|begun| begun.elapsed() >= FETCH_INTERVAL) {
            *begun = Some(Instant::now());
            match fetch().await.and_then(|text| read(&text)) {
                Ok(keys) => *self.keys.write() = Arc::new(Keys { keys, since: Some(Instant::now()) }),
                Err(error) => tracing::warn!(?error, "the keys of an issuer could not be fetched"),
            }
        }
        let held = self.keys.read().clone();
        match held.since {
            Some(since) if since.elapsed() < KEYS_STALE => Ok(held),
            _ => Err(Error::unavailable("the keys of an issuer could not be fetched")),
        }
    }

    /// The keys at hand, if they are fresh and `kid` is among them.
    fn held(&self, kid: Option<&str>) -> Option<Arc<Keys>> {
        let held = self.keys.read().clone();
        let fresh = held.since.is_some_and(|since| since.elapsed() < KEYS_FRESH);
        let known = kid.is_none_or(|kid| held.keys.iter().any(|key| key.id.as_deref() == Some(kid)));
        (fresh && known).then_some(held)
    }

    fn actor(&self, claims: &Map<String, Json>) -> Result<Actor> {
        let text = |name: &str| claims.get(name).and_then(Json::as_str);
        let (claim, prefix) = &self.subject;
        let name = text(claim).ok_or_else(bad)?;
        let subject = Subject::user(&format!("{prefix}{name}")).map_err(|_| bad())?;
        if subject.as_user().is_some() {
            return Err(bad());
        }
        let shown = |name: &str| {
            let text = text(name).unwrap_or_default();
            text.chars().filter(|c| !c.is_control()).take(PERSON_LIMIT).collect::<String>()
        };
        let mut actor = Actor::new(subject);
        actor.person = Person {
            email: shown("email"),
            first_name: shown("given_name"),
            last_name: shown("family_name"),
        };
        if let Some((claim, groups)) = &self.groups {
            let values = match claims.get(claim) {
                Some(Json::Array(values)) => values.as_slice(),
                Some(value) => std::slice::from_ref(value),
                None => &[],
            };
            actor.groups = values.iter().filter_map(|value| groups.get(value.as_str()?)).copied().collect();
        }
        Ok(actor)
    }
}

#[async_trait]
impl Authenticator for Issuer {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        if token.len() > TOKEN_LIMIT {
            return Err(bad());
        }
        let header = decode_header(token).map_err(|_| bad())?;
        // Other kinds of signed token must not pass for a credential (RFC 8725 §3.11).
        let typed = header.typ.as_deref().map(str::to_ascii_lowercase);
        if header.crit.is_some() || !matches!(typed.as_deref(), None | Some("jwt" | "at+jwt")) {
            return Err(bad());
        }
        let kid = header.kid.as_deref();
        let keys = self.keys(kid).await?;
        let mut fitting = keys
            .keys
            .iter()
            .filter(|key| key.algorithm == header.alg && (kid.is_none() || key.id.as_deref() == kid));
        let key = fitting.next().ok_or_else(bad)?;
        if kid.is_none() && fitting.next().is_some() {
            return Err(bad());
        }
        let mut validation = self.validation.clone();
        validation.algorithms = vec![key.algorithm];
        let decoded = decode::<Map<String, Json>>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                Error::unauthenticated(CredentialFault::Expired)
            }
            _ => bad(),
        })?;
        self.actor(&claims.claims)
    }

    fn recognizes(&self, token: &str) -> bool {
        token.starts_with("ey") && token.bytes().filter(|c| *c == b'.').count() == 2
    }
}

/// The keys of a set that can be used; RFC 7517 §5 has the others passed over.
fn read(text: &str) -> Result<Vec<Known>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Json>,
    }
    if text.len() > KEY_SET_LIMIT {
        return Err(Error::invalid("keys", format!("longer than {KEY_SET_LIMIT} bytes")));
    }
    let set: Set =
        serde_json::from_str(text).map_err(|_| Error::invalid("keys", "not a JSON Web Key Set"))?;
    Ok(set
        .keys
        .into_iter()
        .filter_map(|key| known(serde_json::from_value(key).ok()?))
        .take(KEYS_LIMIT)
        .collect())
}

fn known(jwk: Jwk) -> Option<Known> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    if !signs || jwk.common.key_algorithm.is_some_and(|key| key != named) {
        return None;
    }
    Some(Known { key: DecodingKey::from_jwk(&jwk).ok()?, id: jwk.common.key_id, algorithm })
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("issuer", &self.validation.iss).finish_non_exhaustive()
    }
}

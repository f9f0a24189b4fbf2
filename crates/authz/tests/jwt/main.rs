#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! Tokens of an outside issuer, good ones and the known ways to forge them. The keys beside this file sign nothing but
//! these tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use appdepot_authz::Issuer;
use appdepot_core::authenticate::Authenticator;
use appdepot_core::authorize::Actor;
use appdepot_core::domain::Id;
use appdepot_core::error::{CredentialFault, Detail};
use appdepot_core::{Error, ErrorKind, Result};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value as Json, json};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "appdepot";

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_der(include_bytes!("rsa.der"))
}

fn ec() -> EncodingKey {
    EncodingKey::from_ec_der(include_bytes!("ec.der"))
}

fn ed() -> EncodingKey {
    EncodingKey::from_ed_der(include_bytes!("ed.der"))
}

fn public(kid: &str, key: &EncodingKey, algorithm: Algorithm) -> Json {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn key_set() -> String {
    let keys = [
        public("r", &rsa(), Algorithm::RS256),
        public("e", &ec(), Algorithm::ES256),
        public("d", &ed(), Algorithm::EdDSA),
        json!({ "kty": "oct", "kid": "o", "k": "c2VjcmV0" }),
        json!({ "kty": "new", "kid": "n" }),
        json!("nonsense"),
    ];
    json!({ "keys": keys }).to_string()
}

fn issuer() -> Issuer {
    Issuer::with_keys(ISSUER, AUDIENCE, &key_set()).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Json {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now() + 300, "email": "ada@acme.example" })
}

/// The claims with others, or without those that are null.
fn with(changes: Json) -> Json {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }
}

fn signed(claims: &Json) -> String {
    encode(&header(Algorithm::ES256, "e"), claims, &ec()).unwrap()
}

fn fault(result: Result<Actor>) -> CredentialFault {
    match result.unwrap_err().detail() {
        Detail::Credential(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn three_algorithms_are_good() {
    let issuer = issuer();
    for (algorithm, kid, key) in
        [(Algorithm::RS256, "r", rsa()), (Algorithm::ES256, "e", ec()), (Algorithm::EdDSA, "d", ed())]
    {
        let token = encode(&header(algorithm, kid), &claims(), &key).unwrap();
        assert!(issuer.recognizes(&token));
        let actor = issuer.authenticate(&token).await.unwrap();
        assert_eq!((actor.subject.as_str(), &*actor.person.email), ("user:ada", "ada@acme.example"));
        assert!(actor.groups.is_empty() && actor.scopes.is_none());
        // Without a key's name, the one key that the algorithm has is meant.
        let token = encode(&Header::new(algorithm), &claims(), &key).unwrap();
        issuer.authenticate(&token).await.unwrap();
    }
}

#[tokio::test]
async fn claims_are_mapped_as_configured() {
    let (staff, admins) = (Id::generate(), Id::generate());
    let groups = BTreeMap::from([("staff".to_owned(), staff), ("admins".to_owned(), admins)]);
    let issuer = issuer().with_subject("email", "idp.").with_groups("groups", groups);
    for (value, expected) in [
        (json!(["staff", "other", 7, null, "staff"]), vec![staff]),
        (json!(["admins", "staff"]), vec![staff, admins]),
        (json!("admins"), vec![admins]),
        (json!({ "staff": true }), vec![]),
        (Json::Null, vec![]),
    ] {
        let actor = issuer.authenticate(&signed(&with(json!({ "groups": value })))).await.unwrap();
        assert_eq!(actor.subject.as_str(), "user:idp.ada@acme.example");
        assert_eq!(actor.groups, expected.into_iter().collect());
    }
    let own = Id::<()>::generate().to_string();
    let issuer = self::issuer();
    for sub in
        [json!(own), json!("a b"), json!(""), json!("a:b"), json!("x".repeat(200)), json!(7), Json::Null]
    {
        let token = signed(&with(json!({ "sub": sub })));
        assert_eq!(fault(issuer.authenticate(&token).await), CredentialFault::Bad, "{sub}");
    }
}

#[tokio::test]
async fn claims_are_checked_with_a_leeway() {
    let issuer = issuer();
    let now = now();
    for changes in
        [json!({ "exp": now - 30 }), json!({ "nbf": now + 30 }), json!({ "aud": ["other", AUDIENCE] })]
    {
        issuer.authenticate(&signed(&with(changes))).await.unwrap();
    }
    for (changes, expected) in [
        (json!({ "exp": now - 90 }), CredentialFault::Expired),
        (json!({ "exp": null }), CredentialFault::Bad),
        (json!({ "exp": "tomorrow" }), CredentialFault::Bad),
        (json!({ "exp": -1 }), CredentialFault::Bad),
        (json!({ "nbf": now + 90 }), CredentialFault::Bad),
        (json!({ "aud": null }), CredentialFault::Bad),
        (json!({ "aud": "other" }), CredentialFault::Bad),
        (json!({ "aud": [] }), CredentialFault::Bad),
        (json!({ "iss": null }), CredentialFault::Bad),
        (json!({ "iss": "https://evil.example" }), CredentialFault::Bad),
        (json!({ "iss": [ISSUER, "https://evil.example"] , "sub": null }), CredentialFault::Bad),
    ] {
        let token = signed(&with(changes.clone()));
        assert_eq!(fault(issuer.authenticate(&token).await), expected, "{changes}");
    }
    let strict = self::issuer().with_leeway(Duration::ZERO);
    let token = signed(&with(json!({ "exp": now - 5 })));
    assert_eq!(fault(strict.authenticate(&token).await), CredentialFault::Expired);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let issuer = issuer();
    let good = signed(&claims());
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = rest.split_once('.').unwrap();
    let base64 = |json: Json| {
        // Written by the library itself, as a token's claims.
        let token = encode(&Header::new(Algorithm::HS256), &json, &EncodingKey::from_secret(b"x")).unwrap();
        token.split('.').nth(1).unwrap().to_owned()
    };
    let crit = Header { crit: Some(vec!["exp".into()]), ..header(Algorithm::ES256, "e") };
    let typed = Header { typ: Some("logout+jwt".into()), ..header(Algorithm::ES256, "e") };
    let own = Header {
        jwk: Some(Jwk::from_encoding_key(&rsa(), Algorithm::RS256).unwrap()),
        ..header(Algorithm::RS256, "x")
    };
    let public_as_secret = key_set();
    let big = "x".repeat(1_000_000);
    let mut tokens = vec![
        String::new(),
        "..".into(),
        "ey..".into(),
        "é.é.é".into(),
        good[..good.len() - 4].to_owned(),
        format!("{good}x"),
        format!("{good}.x"),
        format!("{head}.{body}."),
        format!("{head}.{}.{signature}", base64(with(json!({ "sub": "admin" })))),
        format!("{}.{body}.", base64(json!({ "alg": "none", "typ": "JWT" }))),
        format!("{}.{body}.{signature}", base64(json!({ "alg": "none", "kid": "e" }))),
        format!("{}.{body}.{signature}", base64(json!({ "alg": "NONE", "kid": "e" }))),
        format!("{}.{body}.{signature}", base64(json!({ "kid": "e" }))),
        encode(&crit, &claims(), &ec()).unwrap(),
        encode(&typed, &claims(), &ec()).unwrap(),
        encode(&own, &claims(), &rsa()).unwrap(),
        encode(&header(Algorithm::RS512, "r"), &claims(), &rsa()).unwrap(),
        encode(&header(Algorithm::PS256, "r"), &claims(), &rsa()).unwrap(),
        encode(&header(Algorithm::RS256, "e"), &claims(), &rsa()).unwrap(),
        encode(&header(Algorithm::HS256, "o"), &claims(), &EncodingKey::from_secret(b"secret")).unwrap(),
        format!("{head}.{big}.{signature}"),
        format!("{good}{big}"),
        format!("{big}.{big}.{big}"),
        format!("{}.{body}.{signature}", "[".repeat(3_000)),
    ];
    for secret in [public_as_secret.as_bytes(), include_bytes!("rsa.der")] {
        for kid in ["r", "e", "d"] {
            let key = EncodingKey::from_secret(secret);
            tokens.push(encode(&header(Algorithm::HS256, kid), &claims(), &key).unwrap());
        }
    }
    for kid in
        ["", "../../../../dev/null", "e\0", "' OR 1=1 --", "https://evil.example/jwks", &"e".repeat(4_000)]
    {
        tokens.push(encode(&header(Algorithm::ES256, kid), &claims(), &ec()).unwrap());
    }
    for token in tokens {
        assert_eq!(fault(issuer.authenticate(&token).await), CredentialFault::Bad, "{token:.200}");
    }
    issuer.authenticate(&good).await.unwrap();
}

#[tokio::test]
async fn what_is_no_key_set_is_refused() {
    let long = format!("{{\"keys\":[]{}}}", " ".repeat(300_000));
    let encryption =
        json!({ "keys": [{ "use": "enc", "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }] }).to_string();
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"keys":7}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AA"}]}"#,
        &long,
        &encryption,
    ] {
        let error = Issuer::with_keys(ISSUER, AUDIENCE, text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:.80}");
    }
    assert!(!format!("{:?}", issuer()).contains("kty"));
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_and_not_for_every_unknown_name() {
    let (count, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let fetch = {
        let (count, broken) = (count.clone(), broken.clone());
        Arc::new(move || {
            count.fetch_add(1, SeqCst);
            let broken = broken.load(SeqCst);
            Box::pin(async move {
                tokio::task::yield_now().await;
                if broken { Err(Error::unavailable("no route")) } else { Ok(key_set()) }
            }) as _
        })
    };
    let issuer = Arc::new(Issuer::fetching(ISSUER, AUDIENCE, fetch.clone()));
    let token = signed(&claims());
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let (issuer, token) = (issuer.clone(), token.clone());
            tokio::spawn(async move { issuer.authenticate(&token).await })
        })
        .collect();
    for answer in asking {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(count.load(SeqCst), 1);
    for n in 0..100 {
        let unknown = encode(&header(Algorithm::ES256, &format!("k{n}")), &claims(), &ec()).unwrap();
        assert_eq!(fault(issuer.authenticate(&unknown).await), CredentialFault::Bad);
    }
    assert_eq!(count.load(SeqCst), 1, "at most once a minute");

    broken.store(true, SeqCst);
    let issuer = Issuer::fetching(ISSUER, AUDIENCE, fetch);
    for _ in 0..10 {
        assert_eq!(issuer.authenticate(&token).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(count.load(SeqCst), 2);
}

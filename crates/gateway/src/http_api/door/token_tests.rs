//! Tables of tokens: what is read of them, and what keeps them out.

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::json;

use super::*;
use crate::http_api::door::key_set::{KeySet, NotSigned};

proptest! {
    #[test]
    fn no_token_breaks_the_reader(parts in prop::collection::vec("[A-Za-z0-9_=+/-]{0,20}", 0..5)) {
        let _ = Token::read(&parts.join("."));
    }

    /// Whatever stands in header and claims, it is read or refused, and never let in: its
    /// issuer is not the right one.
    #[test]
    fn no_content_breaks_the_check(header in "\\PC{0,40}", claims in "\\PC{0,40}", alg in "[A-Z]{2}[0-9]{3}") {
        let headers = [header.clone(), json!({ "alg": alg, "kid": header }).to_string()];
        for header in headers {
            let texts = [claims.clone(), json!({ "iss": claims, "exp": claims }).to_string()];
            for claims in texts {
                let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
                let text = format!("{}.{}.", encode(&header), encode(&claims));
                if let Ok(token) = Token::read(&text) {
                    prop_assert!(token.check(&wanted(), &[], NOW).is_err());
                }
            }
        }
    }
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const SECONDS: i64 = 1_800_000_000;

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// With a signature that nothing looks at here.
fn token(header: &Value, claims: &Value) -> String {
    format!("{}.{}.c2ln", encode(header), encode(claims))
}

fn wanted() -> JwtAuthorizer {
    JwtAuthorizer {
        source: "$request.header.Authorization".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        audience: vec!["app".to_owned(), "other".to_owned()],
        keys: None,
    }
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://issuer.example",
        "aud": "app",
        "sub": "me",
        "exp": SECONDS + 60,
    });
    let own = claims.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            own.remove(name);
        } else {
            own.insert(name.clone(), value.clone());
        }
    }
    claims
}

fn check(more: &Value, scopes: &[&str]) -> Result<Claims, BadToken> {
    let text = token(&json!({ "alg": "RS256" }), &claims(more));
    let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
    Token::read(&text).unwrap().check(&wanted(), &scopes, NOW)
}

#[test]
fn a_token_is_found_with_and_without_its_word() {
    for text in ["a.b.c", "Bearer a.b.c", "bearer  a.b.c ", " BEARER a.b.c"] {
        assert_eq!(bare(text), "a.b.c", "{text}");
    }
    assert_eq!(bare("Basic a.b.c"), "Basic a.b.c");
    assert_eq!(bare("Bearer "), "Bearer");
}

#[test]
fn what_is_no_token_is_not_read() {
    let good = claims(&json!({}));
    let part = encode(&json!({ "alg": "RS256" }));
    for (text, expected) in [
        (String::new(), BadToken::Missing),
        ("Bearer".to_owned(), BadToken::Segments),
        ("a.b".to_owned(), BadToken::Segments),
        ("a.b.c.d".to_owned(), BadToken::Segments),
        ("..".to_owned(), BadToken::Garbled("header")),
        ("a.b.c".to_owned(), BadToken::Garbled("header")),
        (format!("{part}.###.c2ln"), BadToken::Garbled("content")),
        (format!("{part}.W10.c2ln"), BadToken::Garbled("content")),
        (
            format!("{part}.{}.c2ln=", encode(&good)),
            BadToken::Garbled("signature"),
        ),
        ("x".repeat(LONGEST + 1), BadToken::TooLong),
        (token(&json!({}), &good), BadToken::Garbled("header")),
        (
            token(&json!({ "alg": 256 }), &good),
            BadToken::Garbled("header"),
        ),
        (
            token(&json!({ "alg": "RS256", "kid": 1 }), &good),
            BadToken::Garbled("header"),
        ),
        (
            token(&json!({ "alg": "RS256", "crit": ["b64"] }), &good),
            BadToken::Critical,
        ),
        (
            token(&json!({ "alg": "none" }), &good),
            BadToken::Algorithm("none".to_owned()),
        ),
        (
            token(&json!({ "alg": "HS256" }), &good),
            BadToken::Algorithm("HS256".to_owned()),
        ),
        (
            token(&json!({ "alg": "a\"\r\nb" }), &good),
            BadToken::Algorithm("ab".to_owned()),
        ),
    ] {
        let why = Token::read(&text).unwrap_err();
        assert_eq!(why, expected, "{text:.40}");
        assert_eq!(why.is_guess(), why != BadToken::Missing, "{why}");
    }
    // Many brackets are no reason to fall over.
    let deep = BASE64_URL_SAFE_NO_PAD.encode("[".repeat(10_000));
    let why = Token::read(&format!("{part}.{deep}.c2ln")).unwrap_err();
    assert_eq!(why, BadToken::Garbled("content"));
}

#[test]
fn a_token_must_be_of_the_issuer_and_for_the_audience() {
    for (more, expected) in [
        (json!({ "iss": null }), BadToken::Issuer),
        (
            json!({ "iss": "https://issuer.example/" }),
            BadToken::Issuer,
        ),
        (
            json!({ "iss": ["https://issuer.example"] }),
            BadToken::Issuer,
        ),
        (json!({ "aud": null }), BadToken::Audience),
        (json!({ "aud": "App" }), BadToken::Audience),
        (json!({ "aud": [] }), BadToken::Audience),
        (json!({ "aud": { "app": 1 } }), BadToken::Audience),
        // Only where it is for nobody does it count of whom it is.
        (
            json!({ "aud": "x", "client_id": "app" }),
            BadToken::Audience,
        ),
        (json!({ "exp": null }), BadToken::Endless),
        (json!({ "exp": "never" }), BadToken::Garbled("exp")),
        (json!({ "exp": SECONDS - 10 }), BadToken::Expired),
        (json!({ "exp": 0 }), BadToken::Expired),
        (json!({ "exp": -1e300 }), BadToken::Expired),
        (json!({ "nbf": SECONDS + 11 }), BadToken::NotYet),
        (json!({ "nbf": 1e300 }), BadToken::NotYet),
        (json!({ "nbf": true }), BadToken::Garbled("nbf")),
        (json!({ "iat": SECONDS + 11 }), BadToken::FromTheFuture),
    ] {
        assert_eq!(check(&more, &[]).unwrap_err(), expected, "{more}");
    }
    for more in [
        json!({}),
        json!({ "aud": ["x", "other"] }),
        json!({ "aud": null, "client_id": "app" }),
        json!({ "exp": SECONDS - 9 }),
        json!({ "nbf": SECONDS + 9, "iat": 1_800_000_009.5 }),
        json!({ "exp": SECONDS + 1, "nbf": SECONDS, "iat": 0 }),
    ] {
        assert_eq!(
            check(&more, &[]).unwrap().subject.as_deref(),
            Some("me"),
            "{more}"
        );
    }
}

#[test]
fn one_of_the_scopes_is_enough() {
    for (more, asked, good) in [
        (json!({}), vec!["read"], false),
        (json!({ "scope": "reader" }), vec!["read"], false),
        (json!({ "scope": "a read" }), vec!["read", "write"], true),
        (
            json!({ "scp": ["a", "write"] }),
            vec!["read", "write"],
            true,
        ),
        (json!({ "scp": "a write" }), vec!["write"], true),
        (json!({ "scope": "", "scp": ["read"] }), vec!["read"], true),
        (json!({ "scope": 7 }), vec!["read"], false),
        (json!({ "scope": "a" }), vec![], true),
    ] {
        let checked = check(&more, &asked);
        assert_eq!(checked.is_ok(), good, "{more}");
        if let Err(why) = checked {
            assert_eq!((why.is_guess(), why), (false, BadToken::Scope));
        }
    }
    assert_eq!(check(&json!({ "scope": "a" }), &[]).unwrap().scopes, None);
    let scopes = check(&json!({ "scope": "a b" }), &["b"]).unwrap().scopes;
    assert_eq!(scopes.unwrap(), ["a", "b"]);
}

#[test]
fn claims_are_told_as_text() {
    let more = json!({
        "admin": true, "n": 1.5, "groups": ["a", 2], "deep": { "b": [1], "a": "x" },
    });
    let texts = check(&more, &[]).unwrap().texts;
    let of = |name: &str| texts[name].as_str();
    assert_eq!(of("exp"), (SECONDS + 60).to_string());
    assert_eq!((of("sub"), of("admin"), of("n")), ("me", "true", "1.5"));
    assert_eq!((of("groups"), of("deep")), ("[a 2]", "map[a:x b:[1]]"));
}

#[test]
fn signatures_are_checked_with_the_key_that_made_them() {
    let random = SystemRandom::new();
    let seed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(seed.as_ref()).unwrap();
    let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let seed = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
    let ec = EcdsaKeyPair::from_pkcs8(how, seed.as_ref(), &random).unwrap();
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let point = ec.public_key().as_ref();
    let keys = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": text(ed.public_key().as_ref()) },
        { "kty": "EC", "crv": "P-256", "kid": "ec", "x": text(&point[1..33]), "y": text(&point[33..]) },
    ] });
    let keys = KeySet::read(keys.to_string().as_bytes()).unwrap();
    let message = b"header.claims";
    let by_ed = ed.sign(message);
    let by_ec = ec.sign(&random, message).unwrap();
    let verify = |algorithm, id, message: &[u8], signature: &[u8]| {
        keys.verify(algorithm, Some(id), message, signature)
    };
    let (ed, ec) = (Algorithm::EdDsa, Algorithm::Es256);
    assert_eq!(verify(ed, "ed", message, by_ed.as_ref()), Ok(()));
    assert_eq!(verify(ec, "ec", message, by_ec.as_ref()), Ok(()));
    for (algorithm, id, message, signature) in [
        (ed, "ed", &b"header.Claims"[..], by_ed.as_ref()),
        (ed, "ed", message, by_ec.as_ref()),
        (ec, "ec", message, by_ed.as_ref()),
        (ec, "ec", message, b""),
        (ec, "ec", message, &[0; 64]),
    ] {
        assert_eq!(
            verify(algorithm, id, message, signature),
            Err(NotSigned::Wrong)
        );
    }
    assert_eq!(
        verify(ec, "ed", message, by_ed.as_ref()),
        Err(NotSigned::NoKey)
    );
}

//! Who looks at what callers of routes bring: `[auth.NAME]`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::section::Section;
use crate::check::Report;
use crate::model::{Authorizer, JwksSource};
use crate::tree::Table;

const TOKEN: &str = "$request.header.Authorization";
const TTL_S: u32 = 300;
/// An issuer has a few keys, of some hundred bytes each.
const MOST_JWKS: u64 = 64 * 1024;
const MOST_KEYS: usize = 100;
/// Members of keys that are nobody else's business (RFC 7518, 6.2.2 and 6.3.2; `k` is a
/// secret that both sides know).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const OF_TOKENS: [&str; 4] = ["issuer", "audience", "jwks", "token"];
const OF_FUNCTIONS: [&str; 4] = ["function", "identity", "ttl", "simple"];

pub fn read(
    root: &Path,
    section: &Section<'_>,
    merged: &Table,
    report: &mut Report<'_>,
) -> Option<Authorizer> {
    let mut wrong = |field: &str, problem: &str, hint: &str| {
        let mut path = section.path.clone();
        path.extend((!field.is_empty()).then_some(field));
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        report.of(merged, &path, problem.to_owned(), hint);
    };
    let (own, others, whose) = if section.has("function") {
        (OF_FUNCTIONS, OF_TOKENS, "a function that is asked")
    } else {
        (OF_TOKENS, OF_FUNCTIONS, "tokens of an issuer")
    };
    if let Some(odd) = others.iter().find(|field| section.has(field)) {
        let problem = format!("{odd} is not of {whose}");
        wrong(
            odd,
            &problem,
            &format!("beside {} there may be {}", own[0], own[1..].join(", ")),
        );
        return None;
    }
    if let Some(function) = section.owned("function") {
        let identity = section.texts("identity");
        let ttl_s = section.number("ttl");
        if identity.as_ref().is_some_and(Vec::is_empty) && ttl_s != Some(0) {
            wrong(
                "identity",
                "without anything that tells callers apart, no answer can be kept",
                "say ttl = 0 beside it",
            );
        }
        return Some(Authorizer::Function {
            function,
            identity: identity.unwrap_or_else(|| vec![TOKEN.to_owned()]),
            ttl_s: ttl_s.unwrap_or(TTL_S),
            simple: section.truth("simple").unwrap_or(true),
        });
    }
    let audience = section.texts("audience").unwrap_or_default();
    let Some(issuer) = section.owned("issuer") else {
        wrong(
            "",
            "it takes neither tokens nor asks a function",
            "issuer and audience say whose tokens are taken, function which one is asked",
        );
        return None;
    };
    if audience.is_empty() {
        wrong(
            "audience",
            "without an audience, tokens for anybody would do",
            "such as audience = [\"https://api.example.com\"], which the issuer writes into aud",
        );
    }
    let jwks = match section.text("jwks") {
        None => None,
        Some(text) if text.contains("://") => Some(JwksSource::Address(text.to_owned())),
        Some(file) => match keys(&root.join(file)) {
            Ok(keys) => Some(JwksSource::Keys(keys)),
            Err((problem, hint)) => {
                wrong("jwks", &format!("{file} {problem}"), &hint);
                None
            }
        },
    };
    Some(Authorizer::Jwt {
        issuer,
        audience,
        jwks,
        token: section.owned("token").unwrap_or_else(|| TOKEN.to_owned()),
    })
}

/// The keys of a file, if they are public keys and nothing else. What is wrong comes with
/// what to do.
fn keys(path: &Path) -> Result<String, (String, String)> {
    let no_hint = |problem: String| (problem, String::new());
    // Anything else, such as a pipe, could keep us waiting.
    if !path.is_file() {
        return Err(no_hint("is no file".to_owned()));
    }
    let file = File::open(path).map_err(|error| no_hint(format!("cannot be read: {error}")))?;
    let mut text = Vec::new();
    let read = file.take(MOST_JWKS + 1).read_to_end(&mut text);
    read.map_err(|error| no_hint(format!("cannot be read: {error}")))?;
    if text.len() as u64 > MOST_JWKS {
        return Err(no_hint(format!("has more than {MOST_JWKS} bytes")));
    }
    let not_keys = |why: &str| {
        let hint =
            "it looks like {\"keys\": [{\"kty\": \"RSA\", \"kid\": ..., \"n\": ..., \"e\": ...}]}";
        (format!("is no set of keys (JWKS): {why}"), hint.to_owned())
    };
    let document: Value =
        serde_json::from_slice(&text).map_err(|error| not_keys(&error.to_string()))?;
    let keys = document["keys"].as_array();
    let keys = keys.ok_or_else(|| not_keys("it has no list of keys"))?;
    if keys.is_empty() || keys.len() > MOST_KEYS {
        let count = keys.len();
        return Err(not_keys(&format!("{count} keys are not 1 to {MOST_KEYS}")));
    }
    for key in keys {
        let members = key.as_object();
        let members = members.ok_or_else(|| not_keys("one of its keys is no object"))?;
        if key["kty"] == "oct" || PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err((
                "has a key that is not public".to_owned(),
                "whoever has it can make tokens: take only the public halves (kty, kid, n, e, crv, \
                 x, y), and give the key up if the file was shared"
                    .to_owned(),
            ));
        }
        let is_public = match key["kty"].as_str() {
            Some("RSA") => key["n"].is_string() && key["e"].is_string(),
            Some("EC") => key["x"].is_string() && key["y"].is_string() && key["crv"].is_string(),
            Some("OKP") => key["x"].is_string() && key["crv"].is_string(),
            _ => return Err(not_keys("one of its keys is neither RSA nor EC nor OKP")),
        };
        if !is_public {
            return Err(not_keys("one of its keys is not whole"));
        }
    }
    Ok(serde_json::json!({ "keys": keys }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, text).unwrap();
        keys(&path).map_err(|(problem, _)| problem)
    }

    #[test]
    fn public_keys_are_taken_and_nothing_else() {
        let rsa = r#"{"kty":"RSA","kid":"a","n":"AQ","e":"AQAB"}"#;
        let set = |keys: &str| format!("{{\"keys\": [{keys}], \"more\": 1}}");
        let kept: Value = serde_json::from_str(&said(&set(rsa)).unwrap()).unwrap();
        assert_eq!(kept["keys"][0]["kid"], "a");
        assert_eq!(kept.as_object().unwrap().len(), 1);
        assert!(said(&set(r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#)).is_ok());
        assert!(said(&set(r#"{"kty":"OKP","crv":"Ed25519","x":"AQ"}"#)).is_ok());
        for (text, word) in [
            ("", "no set of keys"),
            ("[]", "no list"),
            ("{}", "no list"),
            (r#"{"keys": []}"#, "0 keys"),
            (r#"{"keys": [1]}"#, "no object"),
            (&set(r#"{"kty":"oct","k":"AQ"}"#), "not public"),
            (
                &set(r#"{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ"}"#),
                "not public",
            ),
            (
                &set(&format!(
                    r#"{rsa},{{"kty":"EC","crv":"P-256","x":"A","y":"A","d":"A"}}"#
                )),
                "not public",
            ),
            (&set(r#"{"kty":"RSA","n":"AQ"}"#), "not whole"),
            (&set(r#"{"kty":"x"}"#), "neither"),
            (&" ".repeat(70_000), "more than 65536 bytes"),
        ] {
            let problem = said(text).unwrap_err();
            assert!(problem.contains(word), "{text}: {problem}");
        }
        let missing = keys(Path::new("/does/not/exist")).unwrap_err();
        assert!(missing.0.contains("is no file"), "{}", missing.0);
    }
}

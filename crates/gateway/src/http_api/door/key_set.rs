//! The public keys of an issuer of tokens, and whether one of them made a signature. Only
//! keys that cannot make signatures are believed: one that is shared, as for HMAC, would
//! let everybody who knows it make tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

/// An issuer has one key, or two while it changes them.
const MOST_KEYS: usize = 100;
/// Of a modulus; longer ones only take time.
const MOST_RSA_BYTES: usize = 1024;
const LEAST_RSA_BYTES: usize = 256;
/// An uncompressed point begins with it.
const UNCOMPRESSED: u8 = 4;

/// How a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// The keys of which one issuer says that they are its own.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    /// The only one that it is for, if it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum BadKeys {
    #[error("this is no set of keys (JWKS)")]
    Form(#[from] serde_json::Error),
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    #[error("it has no public key with which a signature can be checked (RSA, EC or OKP)")]
    NoneUsable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSigned {
    /// The issuer may have another key since.
    NoKey,
    Wrong,
}

/// A key as it is written (RFC 7517); what is not known is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Algorithm {
    /// By its name in a token's header; None for all that is not believed, `none` and
    /// HMAC among them.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

impl KeySet {
    /// Keys that are of no use here are passed over: issuers have some for other ends.
    pub fn read(text: &[u8]) -> Result<Self, BadKeys> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text)?;
        if set.keys.len() > MOST_KEYS {
            return Err(BadKeys::TooMany);
        }
        let written = set.keys.into_iter().map(serde_json::from_value::<Written>);
        let keys: Vec<_> = written.flatten().filter_map(PublicKey::of).collect();
        if keys.is_empty() {
            return Err(BadKeys::NoneUsable);
        }
        Ok(Self { keys })
    }

    /// Whether `message` was signed by the key that `id` names. A token that names none
    /// can only be meant for the single key that fits.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), NotSigned> {
        let named = |key: &&PublicKey| id.is_none() || key.id.as_deref() == id;
        let fitting = |key: &&PublicKey| named(key) && key.fits(algorithm);
        let mut fitting = self.keys.iter().filter(fitting);
        let key = fitting.next().ok_or(NotSigned::NoKey)?;
        if fitting.next().is_some() {
            // Of two, it is not for us to try which it was.
            return Err(NotSigned::NoKey);
        }
        let good = key.material.verify(algorithm, message, signature);
        good.then_some(()).ok_or(NotSigned::Wrong)
    }
}

impl PublicKey {
    fn of(written: Written) -> Option<Self> {
        if written.r#use.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let verifies = |tasks: &Vec<String>| tasks.iter().any(|task| task == "verify");
        if !written.key_ops.as_ref().is_none_or(verifies) {
            return None;
        }
        let part = |part: &Option<String>| {
            let part = part.as_ref()?;
            BASE64_URL_SAFE_NO_PAD.decode(part).ok()
        };
        let coordinate = |text, bytes| part(text).filter(|part| part.len() == bytes);
        let point = |bytes| {
            let (x, y) = (
                coordinate(&written.x, bytes)?,
                coordinate(&written.y, bytes)?,
            );
            Some([vec![UNCOMPRESSED], x, y].concat())
        };
        let material = match (written.kty.as_str(), written.crv.as_deref()) {
            ("RSA", _) => Material::Rsa {
                modulus: number(&part(&written.n)?)
                    .filter(|n| (LEAST_RSA_BYTES..=MOST_RSA_BYTES).contains(&n.len()))?,
                exponent: number(&part(&written.e)?).filter(|e| e.len() <= 4)?,
            },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(&written.x, 32)?),
            _ => return None,
        };
        let algorithm = match &written.alg {
            None => None,
            // One that is for something else is for nothing here.
            Some(name) => Some(Algorithm::named(name)?),
        };
        Some(Self {
            id: written.kid,
            algorithm,
            material,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match &self.material {
            Material::Rsa { .. } => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        kind && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

impl Material {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let point = match self {
            Self::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                return algorithm
                    .rsa()
                    .is_some_and(|how| key.verify(how, message, signature).is_ok());
            }
            Self::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature),
            Self::P384(point) => UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point)
                .verify(message, signature),
            Self::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature)
            }
        };
        point.is_ok()
    }
}

/// Without the zeros that some write before it.
fn number(bytes: &[u8]) -> Option<Vec<u8>> {
    let first = bytes.iter().position(|&byte| byte != 0)?;
    Some(bytes[first..].to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(keys: &Value) -> Result<KeySet, BadKeys> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// A modulus of so many bytes; nothing is signed with it.
    fn modulus(bytes: usize) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
    }

    #[test]
    fn only_public_keys_for_signatures_are_kept() {
        let rsa = |more: Value| {
            let mut key = json!({ "kty": "RSA", "kid": "a", "n": modulus(256), "e": "AQAB" });
            let own = key.as_object_mut().unwrap();
            own.extend(more.as_object().unwrap().clone());
            own.retain(|_, value| !value.is_null());
            key
        };
        for good in [
            rsa(json!({})),
            rsa(json!({ "use": "sig", "alg": "RS256", "x5c": ["..."], "key_ops": ["verify"] })),
            rsa(json!({ "kid": null })),
            rsa(json!({ "n": modulus(1024) })),
        ] {
            assert_eq!(read(&json!([good])).unwrap().keys.len(), 1, "{good}");
        }
        let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        for bad in [
            json!("a"),
            json!({}),
            rsa(json!({ "use": "enc" })),
            rsa(json!({ "key_ops": ["encrypt"] })),
            rsa(json!({ "alg": "RSA-OAEP" })),
            rsa(json!({ "alg": "HS256" })),
            rsa(json!({ "n": modulus(128) })),
            rsa(json!({ "n": modulus(1025) })),
            rsa(json!({ "n": "???" })),
            rsa(json!({ "n": null })),
            rsa(json!({ "e": "AA" })),
            json!({ "kty": "oct", "kid": "a", "k": "c2VjcmV0" }),
            json!({ "kty": "EC", "crv": "P-256", "x": x }),
            json!({ "kty": "EC", "crv": "P-384", "x": x, "y": x }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": x, "y": x }),
            json!({ "kty": "OKP", "crv": "X25519", "x": x }),
        ] {
            assert!(read(&json!([bad])).is_err(), "{bad}");
            // What is of no use does no harm to what is.
            let both = read(&json!([bad, rsa(json!({}))])).unwrap();
            assert_eq!(both.keys.len(), 1);
        }
        assert!(KeySet::read(b"[]").is_err());
        assert!(KeySet::read(b"{\"keys\":{}}").is_err());
        assert!(KeySet::read(b"<html>").is_err());
        let many = vec![rsa(json!({})); MOST_KEYS + 1];
        assert!(matches!(read(&json!(many)), Err(BadKeys::TooMany)));
    }

    #[test]
    fn nothing_that_everybody_could_make_has_a_name() {
        for name in [
            "none", "None", "NONE", "", "HS256", "HS384", "HS512", "rs256", "ES512", "ES256K",
        ] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_key_is_chosen_by_its_name_and_its_kind() {
        let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        let keys = json!([
            { "kty": "RSA", "kid": "a", "n": modulus(256), "e": "AQAB", "alg": "RS256" },
            { "kty": "RSA", "kid": "b", "n": modulus(256), "e": "AQAB" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "c", "x": x },
        ]);
        let keys = read(&keys).unwrap();
        let of = |algorithm, id| keys.verify(algorithm, id, b"m", &[0; 64]).unwrap_err();
        for (algorithm, id, expected) in [
            (Algorithm::Rs256, Some("a"), NotSigned::Wrong),
            (Algorithm::Rs384, Some("a"), NotSigned::NoKey),
            (Algorithm::Ps512, Some("b"), NotSigned::Wrong),
            (Algorithm::Es256, Some("b"), NotSigned::NoKey),
            (Algorithm::EdDsa, Some("c"), NotSigned::Wrong),
            (Algorithm::EdDsa, Some("d"), NotSigned::NoKey),
            (Algorithm::EdDsa, None, NotSigned::Wrong),
            // Two of them could be meant.
            (Algorithm::Rs256, None, NotSigned::NoKey),
        ] {
            assert_eq!(of(algorithm, id), expected, "{algorithm:?} {id:?}");
        }
    }
}

//! Sealing values with the key of the data directory: AES-256-GCM, which also notices
//! whatever was changed.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::iam::random;

pub const KEY_BYTES: usize = 32;

/// Seals values and opens them again.
pub struct Sealer(LessSafeKey);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has the length of one");
        Self(LessSafeKey::new(key))
    }

    /// Only as this version of this parameter is it opened again, so that nobody who can
    /// write the database can pass one secret for another.
    pub(super) fn seal(&self, name: &str, version: u64, text: &str) -> String {
        // One in 2^32 parameters at the most is ever sealed: random nonces do not meet.
        let nonce = random::<NONCE_LEN>();
        let mut sealed = text.as_bytes().to_vec();
        let bound = Aad::from(bound_to(name, version));
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed)
            .expect("a value is far shorter than what can be sealed");
        BASE64_STANDARD.encode([&nonce[..], &sealed].concat())
    }

    /// `None` if it was sealed with another key, or is not what was sealed.
    pub(super) fn open(&self, name: &str, version: u64, sealed: &str) -> Option<String> {
        let bytes = BASE64_STANDARD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let bound = Aad::from(bound_to(name, version));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, bound, &mut text).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

fn bound_to(name: &str, version: u64) -> Vec<u8> {
    format!("{version} {name}").into_bytes()
}

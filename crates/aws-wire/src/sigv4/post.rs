//! The signature of a form that a browser posts to S3: over the policy that
//! comes with it, as it is, and nothing else.

use super::verify::{derive, hmac};

/// In hexadecimal. `date` is that of the credential scope: `20261121`.
pub fn policy_signature(
    secret: &str,
    date: &str,
    region: &str,
    service: &str,
    policy: &str,
) -> String {
    let key = derive(secret, date, region, service);
    hex::encode(hmac(&key, policy.as_bytes()))
}

//! AWS Signature Version 4: checking it on what clients send, and making it for
//! our own command line. Header form and presigned query form.

mod canonical;
mod claim;
mod error;
mod key;
mod post;
mod sign;
mod verify;

pub use claim::{CredentialScope, credential_scope};
pub use error::AuthError;
pub use key::{Credentials, Identity, Key, KeySource, Principal};
pub use post::policy_signature;
pub use sign::{SignError, Signing, presign, sign, sign_streamed};
pub use verify::{Payload, Verifier};

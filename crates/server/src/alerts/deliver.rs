//! How an alert is told: as an event to a function, which is durable and tried again as all
//! events are, or by a POST to a webhook, which is signed.

use std::time::Duration;

use aws_client::web::{Bounds, Web, WebError};
use bytes::Bytes;
use engine::Engine;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ring::hmac;
use types::{Invocation, InvokeError, Timestamp};

use super::rule::{Alert, Message, Target};

/// Says who sent it and when: `t=SECONDS,v1=HEX` of the HMAC-SHA256 of `SECONDS.BODY`.
const SIGNATURE: HeaderName = HeaderName::from_static("squall-signature");
/// Of an answer nothing but its status matters.
const ANSWER: Bounds = Bounds {
    bytes: 64 * 1024,
    time: Duration::from_secs(10),
};
const PREFIX: &str = "whsec_";

/// Why somebody could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTold {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("the webhook answered {0}")]
    Status(StatusCode),
    #[error("the function does not take it: {0}")]
    Function(InvokeError),
}

#[derive(Debug)]
pub(crate) struct Post {
    pub engine: Engine,
    pub web: Web,
    key: hmac::Key,
}

impl Post {
    /// `sealing` is the key of the data directory.
    pub fn new(engine: Engine, web: Web, sealing: &[u8]) -> Self {
        Self {
            engine,
            web,
            key: hmac::Key::new(hmac::HMAC_SHA256, sealing),
        }
    }

    /// With what an alert is signed. It is not kept, it is computed.
    pub fn secret(&self, alert: &Alert) -> String {
        let about = format!("webhook of an alert {}", alert.id);
        let tag = hmac::sign(&self.key, about.as_bytes());
        format!("{PREFIX}{}", hex::encode(tag))
    }

    pub async fn deliver(&self, alert: &Alert, message: &Message) -> Result<(), NotTold> {
        let body = Bytes::from(alert.event(message).to_string());
        match &alert.rule.to {
            Target::Function(function) => {
                let invocation = Invocation::new(function.clone(), body);
                let accepted = self.engine.invoke_async(invocation).await;
                accepted.map_err(NotTold::Function)
            }
            Target::Webhook(url) => {
                let headers = self.headers(alert, &body, Timestamp::now());
                let answer = self.web.post(url, headers, body, ANSWER).await?;
                if answer.status.is_success() {
                    Ok(())
                } else {
                    Err(NotTold::Status(answer.status))
                }
            }
        }
    }

    fn headers(&self, alert: &Alert, body: &[u8], now: Timestamp) -> HeaderMap {
        let seconds = now.0.div_euclid(1_000);
        let signed = signature(&self.secret(alert), seconds, body);
        let value = HeaderValue::from_str(&signed).expect("digits and letters");
        HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (SIGNATURE, value),
        ])
    }
}

fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    format!("t={seconds},v1={}", hex::encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `printf '12.{}' | openssl dgst -sha256 -hmac secret` has it.
    #[test]
    fn a_signature_is_what_others_compute() {
        assert_eq!(
            signature("secret", 12, b"{}"),
            "t=12,v1=773e3168d620c0ffe05ebb73e13b0cded4fe6220daed68d8fcb2a796f2d784dc"
        );
    }
}

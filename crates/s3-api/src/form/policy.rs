//! Who may send a form: whoever holds a key has signed a policy for it, or the
//! bucket lets anyone write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::dto::{Timestamp as WireTime, TimestampFormat};
use s3s::post_policy::{PostPolicy, PostPolicyCondition};
use s3s::{S3Error, S3Result};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use types::Timestamp;

use crate::caller::{Asked, Caller};
use crate::error::{fault, fault_with};
use crate::form::Fields;
use crate::ops::receive::LARGEST;
use crate::service::Service;
use crate::wire::admit::{Form, check_scope};

/// A form that may be sent, and how large its file may be.
#[derive(Debug)]
pub(super) struct Allowed {
    pub caller: Caller,
    pub smallest: u64,
    pub largest: u64,
}

pub(super) fn check(
    service: &Service,
    fields: &Fields,
    bucket: &str,
    asked: Asked,
) -> S3Result<Allowed> {
    let Some(encoded) = fields.get("policy") else {
        let signed = ["x-amz-signature", "signature", "x-amz-credential"];
        if signed.iter().any(|name| fields.contains_key(*name)) {
            return Err(fault_with(
                "InvalidArgument",
                "Bucket POST must contain a field named 'policy'.  If it is specified, please check the order of the fields.",
            ));
        }
        let caller = Caller {
            asked,
            principal: None,
        };
        return Ok(Allowed {
            caller,
            smallest: 0,
            largest: LARGEST,
        });
    };
    let access_key = check_signature(service, fields, encoded)?;
    let token = fields.get("x-amz-security-token").map(String::as_str);
    let principal = service.gate.principal(access_key, token)?;
    let policy = PostPolicy::from_base64(encoded)
        .map_err(|error| fault_with("InvalidPolicyDocument", format!("Invalid Policy: {error}")))?;
    check_expiration_format(encoded)?;
    if is_over(&policy.expiration) {
        return Err(against("Policy expired."));
    }
    let (smallest, largest) = check_conditions(&policy.conditions, fields, bucket)?;
    Ok(Allowed {
        caller: Caller {
            asked,
            principal: Some(principal),
        },
        smallest,
        largest: largest.min(LARGEST),
    })
}

/// Answers the access key whose signature holds.
fn check_signature<'a>(service: &Service, fields: &'a Fields, policy: &str) -> S3Result<&'a str> {
    let field = |name: &str| fields.get(name).map(String::as_str);
    if let (Some(access_key), Some(signature)) = (field("awsaccesskeyid"), field("signature")) {
        let secret = service.gate.secret(access_key)?;
        let computed = STANDARD.encode(hmac_sha1(secret.as_bytes(), policy.as_bytes()));
        return same(&computed, signature).map(|()| access_key);
    }
    let needed = |name: &str| {
        field(name).ok_or_else(|| {
            fault_with(
                "InvalidArgument",
                format!("Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."),
            )
        })
    };
    if needed("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(fault_with(
            "InvalidArgument",
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
        ));
    }
    let credential = needed("x-amz-credential")?;
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, name, "aws4_request"] = parts.as_slice() else {
        return Err(fault_with(
            "AuthorizationQueryParametersError",
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ));
    };
    check_scope(name, region, &service.scope, Form::Query)?;
    if !needed("x-amz-date")?.starts_with(date) {
        return Err(fault("SignatureDoesNotMatch"));
    }
    let secret = service.gate.secret(access_key)?;
    let computed = aws_wire::sigv4::policy_signature(&secret, date, region, name, policy);
    same(&computed, needed("x-amz-signature")?).map(|()| *access_key)
}

/// Compares digests: that takes the same time wherever the texts differ.
fn same(computed: &str, given: &str) -> S3Result {
    if <Sha256 as sha2::Digest>::digest(computed) == <Sha256 as sha2::Digest>::digest(given) {
        return Ok(());
    }
    Err(fault("SignatureDoesNotMatch"))
}

/// The bounds of the file's size, if every condition holds and none is missing.
fn check_conditions(
    conditions: &[PostPolicyCondition],
    fields: &Fields,
    bucket: &str,
) -> S3Result<(u64, u64)> {
    let (mut smallest, mut largest) = (0, u64::MAX);
    let value = |field: &str| match field {
        "bucket" => bucket,
        field => fields.get(field).map_or("", String::as_str),
    };
    for condition in conditions {
        match condition {
            PostPolicyCondition::Eq {
                field,
                value: wanted,
            } => {
                if value(field) != wanted {
                    return Err(against(&format!(
                        "Policy Condition failed: [\"eq\", \"${field}\", \"{wanted}\"]"
                    )));
                }
            }
            PostPolicyCondition::StartsWith { field, prefix } => {
                if !value(field).starts_with(prefix.as_str()) {
                    return Err(against(&format!(
                        "Policy Condition failed: [\"starts-with\", \"${field}\", \"{prefix}\"]"
                    )));
                }
            }
            PostPolicyCondition::ContentLengthRange { min, max } => {
                smallest = smallest.max(*min);
                largest = largest.min(*max);
            }
        }
    }
    let covered = |name: &str| {
        conditions.iter().any(|condition| match condition {
            PostPolicyCondition::Eq { field, .. }
            | PostPolicyCondition::StartsWith { field, .. } => field == name,
            PostPolicyCondition::ContentLengthRange { .. } => false,
        })
    };
    // The bucket is in the address, and the policy must speak of it all the same:
    // it would else be good for every bucket of whoever signed it.
    let mut names = ["bucket"]
        .into_iter()
        .chain(fields.keys().map(String::as_str));
    let extra = names.find(|name| !is_exempt(name) && !covered(name));
    match extra {
        Some(name) => Err(against(&format!("Extra input fields: {name}"))),
        None => Ok((smallest, largest)),
    }
}

/// Fields that a policy need not speak of.
fn is_exempt(name: &str) -> bool {
    matches!(
        name,
        "policy" | "x-amz-signature" | "signature" | "awsaccesskeyid" | "file" | "submit"
    ) || name.starts_with("x-ignore-")
}

/// The protocol crate takes other forms of dates too, which S3 refuses.
fn check_expiration_format(encoded: &str) -> S3Result {
    let document = STANDARD.decode(encoded).ok();
    let document: Option<serde_json::Value> =
        document.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let expiration = document.as_ref().and_then(|it| it["expiration"].as_str());
    let expiration = expiration.unwrap_or_default();
    if expiration.get(10..11) == Some("T") && expiration.ends_with('Z') {
        return Ok(());
    }
    Err(fault_with(
        "InvalidPolicyDocument",
        format!("Invalid Policy: Invalid 'expiration' value: '{expiration}'"),
    ))
}

fn is_over(expiration: &WireTime) -> bool {
    let mut text = Vec::new();
    let written = expiration.format(TimestampFormat::DateTime, &mut text);
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    let end = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    end.is_none_or(|end| end.as_millisecond() <= Timestamp::now().0)
}

fn against(why: &str) -> S3Error {
    fault_with(
        "AccessDenied",
        format!("Invalid according to Policy: {why}"),
    )
}

/// HMAC with SHA-1, for signatures of version 2: RFC 2104.
fn hmac_sha1(key: &[u8], data: &[u8]) -> [u8; 20] {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha1::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(data)
        .finalize();
    Sha1::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_two_signs_as_the_standard_has_it() {
        // RFC 2202, cases 2 and 6.
        let sum = hmac_sha1(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(sum), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let long = [0xaa; 80];
        let sum = hmac_sha1(
            &long,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        );
        assert_eq!(hex::encode(sum), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    }

    #[test]
    fn expirations_are_iso_8601() {
        let check = |expiration: &str| {
            let text = format!("{{\"expiration\": \"{expiration}\", \"conditions\": []}}");
            check_expiration_format(&STANDARD.encode(text))
                .map_err(|e| e.code().as_str().to_owned())
        };
        assert_eq!(check("2099-01-01T00:00:00Z"), Ok(()));
        assert_eq!(check("2099-01-01T00:00:00.000Z"), Ok(()));
        for bad in ["2099-01-01 00:00:00+00:00", "2099-01-01 00:00:00Z", ""] {
            assert_eq!(check(bad), Err("InvalidPolicyDocument".to_owned()), "{bad}");
        }
    }

    fn checked(conditions: &str, fields: &[(&str, &str)]) -> Result<(u64, u64), String> {
        let text =
            format!("{{\"expiration\": \"2099-01-01T00:00:00Z\", \"conditions\": {conditions}}}");
        let policy = PostPolicy::from_json(&text).unwrap();
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        check_conditions(&policy.conditions, &fields, "data")
            .map_err(|error| error.message().unwrap_or_default().to_owned())
    }

    #[test]
    fn conditions_hold_and_cover_all_fields() {
        let key = [("key", "up/a.csv")];
        let good = r#"[{"bucket": "data"}, ["starts-with", "$key", "up/"], ["content-length-range", 1, 10]]"#;
        assert_eq!(checked(good, &key), Ok((1, 10)));
        let anywhere = good.replace(r#"{"bucket": "data"}, "#, "");
        assert!(
            checked(&anywhere, &key)
                .unwrap_err()
                .contains("Extra input fields: bucket")
        );
        let other = good.replace("data", "other");
        assert!(checked(&other, &key).unwrap_err().contains("$bucket"));
        let elsewhere = [("key", "b.csv")];
        assert!(
            checked(good, &elsewhere)
                .unwrap_err()
                .contains("starts-with")
        );
        let more = [key[0], ("x-amz-meta-a", "b")];
        assert!(
            checked(good, &more)
                .unwrap_err()
                .contains("Extra input fields")
        );
        let ignored = [key[0], ("x-ignore-a", "b"), ("policy", "x")];
        assert!(checked(good, &ignored).is_ok());
    }
}

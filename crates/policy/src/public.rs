//! Whether a document lets anyone in, as S3's block of public policies judges.

use crate::condition::Condition;
use crate::document::{Document, Effect, Statement};
use crate::principal::Principal;

impl Document {
    /// A statement that allows something to anyone makes a document public,
    /// unless a condition ties it to fixed values of a key that callers cannot
    /// choose for themselves.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }
}

impl Statement {
    fn is_public(&self) -> bool {
        let anyone = self.principals.as_ref().is_some_and(|principals| {
            principals.negated || principals.named.contains(&Principal::Anyone)
        });
        self.effect == Effect::Allow && anyone && !self.conditions.iter().any(Condition::narrows)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::document::Document;

    fn is_public(effect: &str, principal: &Value, condition: &Value) -> bool {
        let document = json!({ "Statement": [{
            "Effect": effect, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
            "Principal": principal, "Condition": condition,
        }]});
        Document::parse(&document.to_string()).unwrap().is_public()
    }

    #[test]
    fn anyone_is_public_unless_a_fixed_value_narrows_it() {
        let allow = |condition| is_public("Allow", &json!("*"), &condition);
        for public in [
            json!({}),
            json!({ "StringEquals": { "aws:Referer": "http://x/" } }),
            json!({ "StringLike": { "aws:SourceVpc": "vpc-*" } }),
            json!({ "StringEquals": { "aws:userid": "${aws:userid}" } }),
            json!({ "StringNotEquals": { "aws:SourceVpc": "vpc-1" } }),
            json!({ "StringEqualsIfExists": { "aws:SourceVpc": "vpc-1" } }),
            json!({ "ForAllValues:StringEquals": { "aws:SourceVpc": "vpc-1" } }),
            json!({ "IpAddress": { "aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"] } }),
            json!({ "Bool": { "aws:SecureTransport": true } }),
        ] {
            assert!(allow(public.clone()), "{public}");
        }
        for narrow in [
            json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } }),
            json!({ "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } }),
            json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::123456789012:role/*" } }),
        ] {
            assert!(!allow(narrow.clone()), "{narrow}");
        }
    }

    #[test]
    fn only_allowing_anyone_is_public() {
        let account = json!({ "AWS": "123456789012" });
        assert!(!is_public("Allow", &account, &json!({})));
        assert!(!is_public("Deny", &json!("*"), &json!({})));
        assert!(is_public(
            "Allow",
            &json!({ "AWS": ["123456789012", "*"] }),
            &json!({})
        ));
    }
}

//! The format of a stage's own access log: a text with marks such as `$context.status`.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::line::{Answered, version};

const MARK: &str = "$context.";
/// For what is not known.
const NOTHING: &str = "-";

/// Fills the marks of a format, and ends the line.
pub fn fill(format: &str, answered: &Answered, account: &str) -> String {
    let mut text = String::with_capacity(format.len() + 64);
    let mut rest = format;
    while let Some((before, after)) = rest.split_once(MARK) {
        text.push_str(before);
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
        let length = after.bytes().take_while(|byte| is_name(byte)).count();
        // A full stop behind a mark ends a sentence.
        let name = after[..length].trim_end_matches('.');
        match value(name, answered, account).filter(|value| !value.is_empty()) {
            Some(value) => escape(&value, &mut text),
            None => text.push_str(NOTHING),
        }
        rest = &after[name.len()..];
    }
    text.push_str(rest);
    text.push('\n');
    text
}

fn value(name: &str, answered: &Answered, account: &str) -> Option<String> {
    let about = &answered.about;
    let host = &answered.host;
    Some(match name {
        "requestId" | "extendedRequestId" => answered.request_id.to_string(),
        "requestTime" => common_log_time(answered.time.0),
        "requestTimeEpoch" => answered.time.0.to_string(),
        "httpMethod" => answered.method.to_string(),
        "path" => answered.path.clone(),
        "protocol" => version(answered.version).to_owned(),
        "routeKey" => about.route.as_deref()?.to_owned(),
        "status" => answered.status.to_string(),
        "responseLength" => answered.bytes_out.to_string(),
        "responseLatency" => (answered.micros / 1000).to_string(),
        "apiId" => about.api.as_deref()?.to_owned(),
        "stage" => about.stage.as_deref()?.to_owned(),
        "domainName" => host
            .rsplit_once(':')
            .map_or(host.as_str(), |(name, _)| name)
            .to_owned(),
        "domainPrefix" => host.split(['.', ':']).next()?.to_owned(),
        "accountId" => account.to_owned(),
        "identity.sourceIp" => answered.client?.to_string(),
        "identity.userAgent" => answered.agent.clone(),
        "identity.caller" | "identity.user" => about.caller.as_deref()?.to_owned(),
        "error.message" | "error.messageString" => about.refused?.to_owned(),
        "xrayTraceId" => answered.trace.root(),
        _ => return None,
    })
}

/// Whether the format makes JSON or not: what a client sent must stay inside of its place
/// and its line.
fn escape(value: &str, text: &mut String) {
    for letter in value.chars() {
        match letter {
            '"' | '\\' => {
                text.push('\\');
                text.push(letter);
            }
            _ if letter.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            _ => text.push(letter),
        }
    }
}

/// `10/Oct/2026:13:55:36 +0000`
fn common_log_time(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis).unwrap_or_default();
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::tests::answered;

    #[test]
    fn marks_are_filled() {
        let answered = answered();
        for (format, expected) in [
            (
                "$context.requestId $context.status",
                "11111111-2222-4333-8444-555555555555 502\n",
            ),
            ("[$context.requestTime]", "[14/Nov/2023:22:13:20 +0000]\n"),
            ("$context.routeKey.", "GET /items/{id}.\n"),
            (
                "$context.identity.sourceIp $context.unknown $context.apiId",
                "127.0.0.1 - -\n",
            ),
            (
                "{\"p\":\"$context.path\"}",
                "{\"p\":\"/items/\\u0001\\\"x\"}\n",
            ),
            ("plain $contex $context.", "plain $contex -\n"),
        ] {
            assert_eq!(fill(format, &answered, "000000000000"), expected);
        }
    }
}

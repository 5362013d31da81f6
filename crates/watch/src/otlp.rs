//! Spans in OpenTelemetry's protocol, in its JSON form: ids in hex, 64 bits as text.

use std::time::Duration;

use serde_json::{Value, json};

use crate::span::{Attribute, Span};

const SCOPE: &str = "squall";
const ERROR: u8 = 2;

/// One request for a collector's `/v1/traces`.
pub fn export(spans: &[Span], version: &str, instance: &str) -> Vec<u8> {
    let resource = [
        ("service.name", Attribute::from(SCOPE)),
        ("service.version", version.into()),
        ("service.instance.id", instance.into()),
    ];
    let request = json!({
        "resourceSpans": [{
            "resource": { "attributes": attributes(&resource) },
            "scopeSpans": [{
                "scope": { "name": SCOPE, "version": version },
                "spans": spans.iter().map(show).collect::<Vec<_>>(),
            }],
        }],
    });
    serde_json::to_vec(&request).expect("texts and numbers become JSON")
}

fn show(span: &Span) -> Value {
    let mut shown = json!({
        "traceId": span.place.trace.to_string(),
        "spanId": span.place.span.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanos(span.begin),
        "endTimeUnixNano": nanos(span.end.max(span.begin)),
        "attributes": attributes(&span.attributes),
    });
    if let Some(parent) = span.parent {
        shown["parentSpanId"] = parent.to_string().into();
    }
    if let Some(state) = &span.state {
        shown["traceState"] = state.as_str().into();
    }
    if let Some(why) = &span.failed {
        shown["status"] = json!({ "code": ERROR, "message": why });
    }
    shown
}

fn nanos(time: Duration) -> String {
    time.as_nanos().to_string()
}

fn attributes(attributes: &[(&str, Attribute)]) -> Vec<Value> {
    let shown = attributes.iter().map(|(key, value)| {
        let value = match value {
            Attribute::Text(text) => json!({ "stringValue": text }),
            Attribute::Number(number) => json!({ "intValue": number.to_string() }),
            Attribute::Flag(flag) => json!({ "boolValue": flag }),
        };
        json!({ "key": key, "value": value })
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{Kind, Tracer};
    use types::RequestId;

    #[test]
    fn a_span_has_hex_ids_and_numbers_as_text() {
        let tracer = Tracer::new(1.0);
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=00f067aa0ba902b7;Sampled=1";
        let begun = tracer.begin(Some(header), RequestId::random()).unwrap();
        let span = begun.end(Kind::Server, "GET /a".to_owned());
        let mut span = span
            .with("http.response.status_code", 502)
            .with("cached", false);
        span.failed = Some("Bad Gateway".to_owned());
        let text = export(&[span], "1.2", "i");
        let value: Value = serde_json::from_slice(&text).unwrap();
        let shown = &value["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(shown["traceId"], "5759e988bd862e3fe1be46a994272793");
        assert_eq!(shown["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(shown["kind"], 2);
        assert!(shown["startTimeUnixNano"].is_string());
        assert_eq!(shown["attributes"][0]["value"]["intValue"], "502");
        assert_eq!(shown["attributes"][1]["value"]["boolValue"], false);
        assert_eq!(shown["status"]["code"], 2);
    }
}

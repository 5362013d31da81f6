//! Where spans of traces are sent, and what is said with them so that they are taken. A
//! hosted collector wants a key in a header: it is a secret, so it is in no message, and
//! it goes to no other place than the one that was named beside it.

use std::collections::BTreeMap;
use std::fmt;

use aws_wire::form;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Config, SettingsError};

/// Where collectors take spans, below the address that people know.
const PATH: &str = "/v1/traces";
const SETTING: &str = "otlp_headers";
/// What says where it is in the words of OpenTelemetry: for traces alone, or for all.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
const HEADERS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// These say how a request is framed, and whose it is.
const OURS: [HeaderName; 5] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    HOST,
];

/// Takes spans.
#[derive(Debug, Clone, PartialEq)]
pub struct Collector {
    pub url: String,
    /// All of them are marked as secrets.
    pub headers: HeaderMap,
}

/// Headers as somebody said them: `name=value,...`, or a table. They are read as a whole
/// later, because what reads settings shows the lines that it cannot read.
#[derive(Clone, Default, PartialEq)]
pub enum Headers {
    #[default]
    None,
    Text(String),
    Pairs(BTreeMap<String, String>),
    /// Neither of these.
    Odd,
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) if text.is_empty() => Self::None,
            toml::Value::String(text) => Self::Text(text),
            toml::Value::Table(table) => {
                let pairs = table.into_iter().map(|(name, value)| match value {
                    toml::Value::String(value) => Some((name, value)),
                    _ => None,
                });
                pairs.collect::<Option<_>>().map_or(Self::Odd, Self::Pairs)
            }
            _ => Self::Odd,
        })
    }
}

impl Headers {
    fn shown(&self) -> &'static str {
        match self {
            Self::None => "",
            _ => "(secret)",
        }
    }

    /// Names may be told, values not.
    fn read(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        match self {
            Self::None => {}
            Self::Odd => return Err("it is name=value,name=value or a table of texts".to_owned()),
            Self::Pairs(pairs) => {
                for (name, value) in pairs {
                    put(&mut headers, name, value.as_bytes())?;
                }
            }
            Self::Text(text) => {
                let pairs = text.split(',').map(str::trim);
                for (index, pair) in pairs.filter(|pair| !pair.is_empty()).enumerate() {
                    let form = || format!("number {} is not name=value", index + 1);
                    let (name, value) = pair.split_once('=').ok_or_else(form)?;
                    let value = form::decode(value.trim());
                    put(&mut headers, name.trim(), value.as_bytes())?;
                }
            }
        }
        Ok(headers)
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), String> {
    // What is no name may be a secret that came to stand in its place.
    let known: HeaderName = name
        .parse()
        .map_err(|_| "one of the names is none that a header may have".to_owned())?;
    if OURS.contains(&known) {
        return Err(format!("{known} is not for others to say"));
    }
    let value = HeaderValue::from_bytes(value);
    let mut value = value.map_err(|_| format!("the value of {known} is none of a header"))?;
    value.set_sensitive(true);
    headers.insert(known, value);
    Ok(())
}

/// The collector that settings name; else the one of OpenTelemetry's own variables, with the
/// headers of those. What is said there for another one is not told to ours.
pub fn find(
    config: &Config,
    environment: &[(String, String)],
) -> Result<Option<Collector>, SettingsError> {
    let own = read(SETTING, &config.otlp_headers)?;
    if !config.otlp_endpoint.is_empty() {
        let url = below(&config.otlp_endpoint);
        check("otlp_endpoint", &url)?;
        return Ok(Some(Collector { url, headers: own }));
    }
    let said = |name: &'static str| {
        let found = environment.iter().find(|(own, _)| own == name);
        let value = found.map(|(_, value)| value.trim().to_owned());
        value
            .filter(|value| !value.is_empty())
            .map(|value| (name, value))
    };
    let first = |names: [&'static str; 2]| names.into_iter().find_map(said);
    let is = |found: Option<(&str, String)>, word: &str| {
        found.is_some_and(|(_, value)| value.eq_ignore_ascii_case(word))
    };
    let is_away = is(said(DISABLED), "true")
        || is(said(EXPORTER), "none")
        // It is another protocol, on another port.
        || is(first(PROTOCOLS), "grpc");
    let Some((name, address)) = first(ENDPOINTS).filter(|_| !is_away) else {
        return Ok(None);
    };
    let url = if name == ENDPOINTS[0] {
        address
    } else {
        below(&address)
    };
    check(name, &url)?;
    let headers = match first(HEADERS) {
        Some((name, text)) if own.is_empty() => read(name, &Headers::Text(text))?,
        _ => own,
    };
    Ok(Some(Collector { url, headers }))
}

fn read(setting: &'static str, headers: &Headers) -> Result<HeaderMap, SettingsError> {
    let refused = |problem| SettingsError::Refused { setting, problem };
    headers.read().map_err(refused)
}

fn below(address: &str) -> String {
    let address = address.trim_end_matches('/');
    let path = if address.ends_with(PATH) { "" } else { PATH };
    format!("{address}{path}")
}

fn check(setting: &'static str, url: &str) -> Result<(), SettingsError> {
    aws_client::web::check(url).map_err(|error| SettingsError::Refused {
        setting,
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, variables: &[(&str, &str)]) -> Result<Option<Collector>, String> {
        let config: Config = toml::from_str(file).map_err(|error| error.to_string())?;
        let variables = variables.iter();
        let variables: Vec<_> = variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        find(&config, &variables).map_err(|error| error.to_string())
    }

    fn told(file: &str, variables: &[(&str, &str)]) -> Option<(String, Vec<String>)> {
        let collector = found(file, variables).unwrap()?;
        let headers = collector.headers.iter().map(|(name, value)| {
            assert!(value.is_sensitive());
            format!("{name}: {}", value.to_str().unwrap())
        });
        Some((collector.url, headers.collect()))
    }

    fn at(url: &str, headers: &[&str]) -> (String, Vec<String>) {
        let headers = headers.iter().map(ToString::to_string);
        (url.to_owned(), headers.collect())
    }

    #[test]
    fn settings_go_before_the_variables_of_opentelemetry() {
        let ours = "otlp_endpoint = \"http://own:4318/\"\n";
        let key = "otlp_headers = \"x-key=a%20b, Other = c=d+ ,\"\n";
        let all = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://hosted.example/otlp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=theirs"),
        ];
        let own = "http://own:4318/v1/traces";
        let hosted = "https://hosted.example/otlp/v1/traces";
        assert_eq!(told("", &[]), None);
        assert_eq!(told(ours, &[]), Some(at(own, &[])));
        // Nobody said that ours should know it.
        assert_eq!(told(ours, &all), Some(at(own, &[])));
        let both = ["x-key: a b", "other: c=d+"];
        assert_eq!(told(&format!("{ours}{key}"), &all), Some(at(own, &both)));
        assert_eq!(told(key, &all), Some(at(hosted, &both)));
        assert_eq!(told("", &all), Some(at(hosted, &["api-key: theirs"])));
        let table = format!("{ours}[otlp_headers]\nx-key = \"a%20b\"\n");
        assert_eq!(told(&table, &[]), Some(at(own, &["x-key: a%20b"])));
        assert_eq!(told("", &all[1..]), None);
    }

    #[test]
    fn what_is_said_for_traces_alone_goes_first() {
        let mut all = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all.example"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=all"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "https://traces.example/in",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=traces"),
        ];
        assert_eq!(
            told("", &all),
            Some(at("https://traces.example/in", &["a: traces"]))
        );
        for away in [
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ] {
            all.push(away);
            assert_eq!(told("", &all), None, "{}", away.0);
            all.pop();
        }
        all.push(("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"));
        assert!(told("", &all).is_some());
    }

    #[test]
    fn no_message_has_a_secret_in_it() {
        let endpoint = "otlp_endpoint = \"http://own:4318\"\n";
        for headers in [
            "\"hush\"",
            "\"x-key hush\"",
            "\"hush hush=x\"",
            "\"x=hush\\u0000\"",
            "\"content-type=hush\"",
            "[\"hush\"]",
            "{ x-key = [\"hush\"] }",
            "{ \"no name\" = \"hush\" }",
        ] {
            let refused = found(&format!("{endpoint}otlp_headers = {headers}"), &[]);
            let problem = refused.unwrap_err();
            assert!(problem.contains("otlp_headers"), "{problem}");
            assert!(!problem.contains("hush"), "{problem}");
        }
        let good = format!("{endpoint}otlp_headers = \"x-key=hush\"");
        let config: Config = toml::from_str(&good).unwrap();
        let shown = format!("{config:?} {:?}", find(&config, &[]).unwrap());
        assert!(
            !shown.contains("hush") && shown.contains("(secret)"),
            "{shown}"
        );
        assert!(!toml::to_string(&config).unwrap().contains("hush"));
    }
}

//! Cross-origin rules of APIs and routes: what AWS refuses of them, and how they travel
//! as one text.

use serde_json::Value;

use crate::catalog::Cors;

/// For how long a browser may remember an answer, in seconds.
const LONGEST_AGE: u32 = 86_400;
const MEMBERS: [&str; 6] = [
    "AllowCredentials",
    "AllowHeaders",
    "AllowMethods",
    "AllowOrigins",
    "ExposeHeaders",
    "MaxAge",
];

/// Refuses rules that no browser could follow.
pub fn check_cors(cors: &Cors) -> Result<(), String> {
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    // `https://*` is everyone as well; `https://*.example.com` is not.
    let everyone = origins
        .iter()
        .find(|origin| *origin == "*" || origin.ends_with("://*"));
    if let Some(everyone) = everyone
        && cors.allow_credentials == Some(true)
    {
        return Err(format!(
            "allowCredentials is not supported when allowOrigins is {everyone}"
        ));
    }
    let odd = origins
        .iter()
        .find(|origin| *origin != "*" && !origin.contains("://"));
    if let Some(origin) = odd {
        let origin: String = origin.chars().take(100).collect();
        return Err(format!(
            "Invalid format for origin {origin}: use *, or a form such as https://example.com"
        ));
    }
    // They become headers of answers.
    let lists = [
        &cors.allow_origins,
        &cors.allow_headers,
        &cors.allow_methods,
        &cors.expose_headers,
    ];
    let mut texts = lists.into_iter().flatten().flatten();
    let plain =
        |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(odd) = texts.find(|text| !plain(text)) {
        let odd: String = odd.chars().take(100).collect();
        return Err(format!(
            "Invalid value {odd:?} in the rules for other origins: use plain text without spaces"
        ));
    }
    match cors.max_age {
        Some(age) if age > LONGEST_AGE => Err(format!("maxAge is from -1 to {LONGEST_AGE}")),
        _ => Ok(()),
    }
}

/// Rules as JSON, with the names that AWS has for their members.
pub(super) fn read(text: &str) -> Result<Cors, String> {
    const FORM: &str = r#"use JSON such as {"AllowOrigins":["https://example.com"],"MaxAge":600}"#;
    let value: Value = serde_json::from_str(text).map_err(|_| FORM.to_owned())?;
    let Value::Object(members) = value else {
        return Err(FORM.to_owned());
    };
    // Some clients begin the names with small letters, as they stand in bodies.
    let members: serde_json::Map<String, Value> = members
        .into_iter()
        .map(|(name, value)| (capital(&name), value))
        .collect();
    if let Some(other) = members.keys().find(|name| !MEMBERS.contains(&&***name)) {
        let other: String = other.chars().take(60).collect();
        return Err(format!(
            "there is no {other}, there are {}",
            MEMBERS.join(", ")
        ));
    }
    let cors: Cors =
        serde_json::from_value(members.into()).map_err(|error| format!("{error}; {FORM}"))?;
    if cors == Cors::default() {
        return Err(FORM.to_owned());
    }
    check_cors(&cors)?;
    Ok(cors)
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The members are in the order of their names.
pub(super) fn show(cors: &Cors) -> String {
    serde_json::to_string(cors).expect("rules are plain data")
}

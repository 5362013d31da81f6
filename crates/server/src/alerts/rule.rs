//! What is stored of an alert: its rule, how it stands, and what is still to be told.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::{FunctionName, Timestamp};
use watch::alerts::{Condition, Pace, Phase, Scope, Tell};

const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 512;
const LONGEST_URL: usize = 2_048;
/// A window, in seconds: what is remembered of the last while is as long.
const WINDOW: std::ops::RangeInclusive<u64> = 1..=watch::history::LONGEST;
const USUAL_WINDOW: u64 = watch::history::LONGEST;
/// An alert that lasts is told again at most so often, and at least.
const AGAIN: std::ops::RangeInclusive<u64> = 60..=31 * 86_400;
/// Looks at a rule in its window, and the bounds of what lies between two.
const LOOKS: u64 = 10;
const LONGEST_PAUSE: u64 = 10;
/// An alert is over when its condition has not held for so long, or for its window.
const CALM: u64 = 60;
/// What waits to be told, of one alert; the oldest goes first.
const MOST_WAITING: usize = 20;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Alert {
    pub name: String,
    /// Drawn when it is made; the secret of its webhook comes from it.
    pub id: String,
    pub created: Timestamp,
    pub rule: Rule,
    /// When it was last told, or is over.
    pub phase: Phase,
    /// What was not delivered yet, the oldest first.
    pub outbox: Vec<Message>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub when: Condition,
    /// The window that is looked at.
    pub over_seconds: u64,
    pub scope: Scope,
    pub to: Target,
    pub again_seconds: Option<u64>,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Target {
    Function(FunctionName),
    Webhook(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The same whenever it is tried: who has seen it has seen this.
    pub id: String,
    pub kind: Kind,
    pub at: Timestamp,
    pub since: Timestamp,
    pub value: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Firing,
    /// Still.
    Lasting,
    Over,
    /// Somebody tries whether it arrives.
    Test,
}

/// What a client asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    name: String,
    when: String,
    over: Option<u64>,
    route: Option<String>,
    function: Option<String>,
    key: Option<String>,
    to_function: Option<FunctionName>,
    webhook: Option<String>,
    again: Option<u64>,
}

impl Rule {
    /// Reads the name of an alert and its rule.
    pub fn parse(body: &[u8]) -> Result<(String, Self), String> {
        let wish: Wish = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = wish.name;
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(format!(
                "the name of an alert is 1 to {LONGEST_NAME} letters, digits and -_."
            ));
        }
        let when: Condition = wish.when.parse().map_err(|error| format!("{error}"))?;
        let over_seconds = wish.over.unwrap_or(USUAL_WINDOW);
        if !WINDOW.contains(&over_seconds) {
            return Err(format!("over is 1 to {} seconds", WINDOW.end()));
        }
        if wish.again.is_some_and(|again| !AGAIN.contains(&again)) {
            return Err("again is a minute at least, and a month at most".to_owned());
        }
        let rule = Self {
            when,
            over_seconds,
            scope: scope(wish.route, wish.function, wish.key)?,
            to: target(wish.to_function, wish.webhook)?,
            again_seconds: wish.again,
        };
        rule.check_scope()?;
        Ok((name, rule))
    }

    fn check_scope(&self) -> Result<(), String> {
        use watch::alerts::Measure as M;
        let measure = self.when.measure;
        let of_key = matches!(self.scope, Scope::Key(_));
        if of_key && measure != M::Quota {
            return Err(format!("{measure} are not told by key: only quota is"));
        }
        let of_all = matches!(
            measure,
            M::Queue | M::QueueAge | M::FailedItems | M::FailedJobs
        );
        let of_one = matches!(self.scope, Scope::Route(_) | Scope::Function(_));
        if of_one && (of_all || measure == M::Quota) {
            return Err(format!("{measure} is not told by route or function"));
        }
        if measure == M::Refused && matches!(self.scope, Scope::Function(_)) {
            return Err("functions refuse nobody: use throttled or errors".to_owned());
        }
        Ok(())
    }

    /// How many seconds lie between two looks.
    pub fn pause(&self) -> u64 {
        (self.over_seconds / LOOKS).clamp(1, LONGEST_PAUSE)
    }

    pub fn pace(&self) -> Pace {
        let millis = |seconds: u64| i64::try_from(seconds * 1_000).unwrap_or(i64::MAX);
        Pace {
            // Two looks in a row.
            hold: millis(self.pause()) / 2,
            calm: millis(self.over_seconds.min(CALM)),
            again: self.again_seconds.map(millis),
        }
    }

    pub fn show(&self) -> Value {
        json!({
            "when": self.when,
            "over": self.over_seconds,
            "scope": scope_value(&self.scope),
            "to": match &self.to {
                Target::Function(function) => json!({ "function": function }),
                Target::Webhook(url) => json!({ "webhook": url }),
            },
            "again": self.again_seconds,
        })
    }
}

fn scope(
    route: Option<String>,
    function: Option<String>,
    key: Option<String>,
) -> Result<Scope, String> {
    let texts = [&route, &function, &key].into_iter().flatten();
    if texts
        .clone()
        .any(|text| text.is_empty() || text.len() > LONGEST_TEXT)
    {
        return Err(format!("a scope has 1 to {LONGEST_TEXT} bytes"));
    }
    if texts.count() > 1 {
        return Err("an alert is about a route, a function or a key, not several".to_owned());
    }
    let route = route.map(Scope::Route);
    let function = function.map(Scope::Function);
    Ok(route
        .or(function)
        .or(key.map(Scope::Key))
        .unwrap_or_default())
}

fn target(function: Option<FunctionName>, webhook: Option<String>) -> Result<Target, String> {
    match (function, webhook) {
        (Some(function), None) => Ok(Target::Function(function)),
        (None, Some(url)) => {
            if url.len() > LONGEST_URL {
                return Err(format!("a webhook has at most {LONGEST_URL} bytes"));
            }
            aws_client::web::check(&url).map_err(|error| error.to_string())?;
            Ok(Target::Webhook(url))
        }
        _ => Err("an alert is told to a function or to a webhook: say one of them".to_owned()),
    }
}

fn scope_value(scope: &Scope) -> Value {
    match scope {
        Scope::Everything => json!({}),
        other => json!(other),
    }
}

impl Alert {
    /// Puts what is to be told with what is told already.
    pub fn add(&mut self, tell: Tell, value: Option<f64>, now: Timestamp) {
        let since = match self.phase {
            Phase::Firing { since, .. } => Timestamp(since),
            Phase::Quiet | Phase::Pending { .. } => now,
        };
        let kind = match tell {
            Tell::Fires => Kind::Firing,
            Tell::Lasts => Kind::Lasting,
            Tell::Over => Kind::Over,
        };
        if self.outbox.len() == MOST_WAITING {
            let lost = self.outbox.remove(0);
            tracing::warn!(
                alert = self.name,
                message = lost.id,
                "an alert could not be told"
            );
        }
        self.outbox.push(Message::new(kind, now, since, value));
    }

    /// What is sent.
    pub fn event(&self, message: &Message) -> Value {
        let rule = &self.rule;
        let shown = message.value.map(|value| rule.when.show(value));
        json!({
            "source": "squall.alerts",
            "id": message.id,
            "alert": self.name,
            "state": message.kind,
            "condition": rule.when,
            "over_seconds": rule.over_seconds,
            "scope": scope_value(&rule.scope),
            "value": message.value,
            "since": message.since.rfc3339(),
            "time": message.at.rfc3339(),
            "text": self.text(message.kind, shown.as_deref()),
        })
    }

    fn text(&self, kind: Kind, shown: Option<&str>) -> String {
        let about = match &self.rule.scope {
            Scope::Everything => String::new(),
            Scope::Route(name) => format!(" of the route {name}"),
            Scope::Function(name) => format!(" of the function {name}"),
            Scope::Key(name) => format!(" of the key {name}"),
        };
        let name = &self.name;
        let condition = format!("{}{about}", self.rule.when);
        let now = shown.map_or_else(String::new, |shown| format!(", now {shown}"));
        match kind {
            Kind::Firing => format!("{name}: {condition}{now}"),
            Kind::Lasting => format!("{name}: still {condition}{now}"),
            Kind::Over => format!("{name}: over: {condition}{now}"),
            Kind::Test => format!("{name}: a test; it would be told: {condition}"),
        }
    }
}

impl Message {
    pub fn new(kind: Kind, at: Timestamp, since: Timestamp, value: Option<f64>) -> Self {
        Self {
            id: types::RequestId::random().to_string(),
            kind,
            at,
            since,
            value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &Value) -> Result<(String, Rule), String> {
        let mut wish =
            json!({ "name": "a", "when": "errors > 5%", "webhook": "https://x.example/" });
        for (name, value) in more.as_object().unwrap() {
            wish[name] = value.clone();
        }
        Rule::parse(wish.to_string().as_bytes())
    }

    #[test]
    fn a_rule_is_read_and_shown() {
        let (name, rule) = parse(&json!({ "route": "/a", "over": 60, "again": 3600 })).unwrap();
        assert_eq!((name.as_str(), rule.pause()), ("a", 6));
        assert_eq!(
            rule.show(),
            json!({
                "when": "errors > 5%",
                "over": 60,
                "scope": { "route": "/a" },
                "to": { "webhook": "https://x.example/" },
                "again": 3600,
            })
        );
        let stored = serde_json::to_value(&rule).unwrap();
        let read: Rule = serde_json::from_value(stored).unwrap();
        assert_eq!(read.show(), rule.show());
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        for (more, told) in [
            (json!({ "name": "a b" }), "name of an alert"),
            (json!({ "name": "" }), "name of an alert"),
            (json!({ "when": "errors" }), "no condition"),
            (json!({ "over": 0 }), "over is"),
            (json!({ "over": 301 }), "over is"),
            (json!({ "again": 5 }), "again is"),
            (json!({ "route": "/a", "function": "f" }), "not several"),
            (json!({ "key": "k" }), "only quota"),
            (
                json!({ "when": "queue > 5", "function": "f" }),
                "not told by",
            ),
            (
                json!({ "when": "quota > 5%", "route": "/a" }),
                "not told by",
            ),
            (
                json!({ "when": "refused > 5", "function": "f" }),
                "refuse nobody",
            ),
            (json!({ "to_function": "f" }), "one of them"),
            (json!({ "webhook": null }), "one of them"),
            (json!({ "webhook": "ftp://x" }), "address"),
            (json!({ "odd": 1 }), "unknown field"),
        ] {
            let error = parse(&more).unwrap_err();
            assert!(error.contains(told), "{more}: {error}");
        }
    }

    #[test]
    fn no_more_than_some_wait_to_be_told() {
        let (name, rule) = parse(&json!({})).unwrap();
        let mut alert = Alert {
            name,
            id: "x".to_owned(),
            created: Timestamp(0),
            rule,
            phase: Phase::Quiet,
            outbox: vec![],
        };
        for at in 0..=20 {
            alert.add(Tell::Fires, Some(12.345), Timestamp(at));
        }
        assert_eq!(alert.outbox.len(), MOST_WAITING);
        assert_eq!(alert.outbox[0].at, Timestamp(1));
        let event = alert.event(&alert.outbox[0]);
        assert_eq!(event["text"], "a: errors > 5%, now 12.35%");
        assert_eq!(event["state"], "firing");
        assert_eq!(event["scope"], json!({}));
    }
}

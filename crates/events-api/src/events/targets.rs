//! Targets of rules on the wire.

use std::collections::BTreeMap;

use rules::NewTarget;
use rules::input::{InputText, Transformer};
use rules::model::{RetryText, Target};
use serde::Deserialize;
use serde_json::{Value, json};
use types::TargetId;

use super::{Answer, bad_token, bus_name, done, place, set};
use crate::api::EventsApi;
use crate::paging;
use crate::validate::{NAME, Problems};

/// What one call may name.
const MOST: i64 = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutTargets {
    rule: Option<String>,
    event_bus_name: Option<String>,
    targets: Option<Vec<TargetText>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetText {
    id: Option<String>,
    arn: Option<String>,
    role_arn: Option<String>,
    input: Option<String>,
    input_path: Option<String>,
    input_transformer: Option<TransformerText>,
    dead_letter_config: Option<DeadLetter>,
    retry_policy: Option<Retry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransformerText {
    #[serde(default)]
    input_paths_map: BTreeMap<String, String>,
    input_template: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetter {
    pub arn: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Retry {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveTargets {
    rule: Option<String>,
    event_bus_name: Option<String>,
    ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTargets {
    rule: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RuleNames {
    target_arn: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Retry {
    /// With `prefix`, the members are named in full.
    pub fn check(self, problems: &mut Problems, prefix: &str) {
        problems.number(
            &format!("{prefix}.maximumRetryAttempts"),
            self.maximum_retry_attempts,
            0,
            185,
        );
        problems.number(
            &format!("{prefix}.maximumEventAgeInSeconds"),
            self.maximum_event_age_in_seconds,
            60,
            86_400,
        );
    }

    pub fn text(self) -> RetryText {
        let small = |number: i64| u32::try_from(number).ok();
        RetryText {
            attempts: self.maximum_retry_attempts.and_then(small),
            age_seconds: self.maximum_event_age_in_seconds.and_then(small),
        }
    }
}

pub(crate) fn show_retry(retry: RetryText) -> Value {
    let mut shown = json!({});
    set(&mut shown, "MaximumRetryAttempts", retry.attempts);
    set(&mut shown, "MaximumEventAgeInSeconds", retry.age_seconds);
    shown
}

pub(super) async fn put(api: &EventsApi, input: PutTargets) -> Answer {
    let (bus, rule) = place(
        "rule",
        input.rule.as_deref(),
        input.event_bus_name.as_deref(),
    )?;
    let mut problems = Problems::default();
    let count = input
        .targets
        .as_ref()
        .map(|list| i64::try_from(list.len()).unwrap_or(i64::MAX));
    problems.number("targets", count, 1, MOST);
    let texts = problems
        .required("targets", input.targets)
        .unwrap_or_default();
    let targets: Vec<_> = (1..)
        .zip(texts)
        .map(|(number, text)| target(&mut problems, number, text))
        .collect();
    let targets = done(problems, targets.into_iter().collect::<Option<Vec<_>>>())?;
    let refused = api.rules.put_targets(&bus, &rule, targets).await?;
    let failed: Vec<Value> = refused
        .iter()
        .map(|refused| {
            json!({
                "TargetId": refused.id.as_str(),
                "ErrorCode": "ValidationException",
                "ErrorMessage": refused.reason,
            })
        })
        .collect();
    Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
}

fn target(problems: &mut Problems, number: usize, text: TargetText) -> Option<NewTarget> {
    let member = |name: &str| format!("targets.{number}.member.{name}");
    let id: Option<TargetId> = problems.name(&member("id"), text.id.as_deref(), NAME);
    problems.length(&member("arn"), text.arn.as_deref(), 1, 1600);
    problems.length(&member("roleArn"), text.role_arn.as_deref(), 1, 1600);
    problems.length(&member("input"), text.input.as_deref(), 0, 8192);
    problems.length(&member("inputPath"), text.input_path.as_deref(), 0, 256);
    if let Some(retry) = text.retry_policy {
        retry.check(problems, &member("retryPolicy"));
    }
    let transformer = match text.input_transformer {
        Some(transformer) => {
            let name = member("inputTransformer.inputTemplate");
            problems.length(&name, transformer.input_template.as_deref(), 1, 8192);
            let template = problems.required(&name, transformer.input_template)?;
            Some(Transformer {
                paths: transformer.input_paths_map,
                template,
            })
        }
        None => None,
    };
    let arn = problems.required(&member("arn"), text.arn)?;
    Some(NewTarget {
        id: id?,
        arn,
        input: InputText {
            constant: text.input,
            path: text.input_path,
            transformer,
        },
        role: text.role_arn,
        retry: text.retry_policy.map(Retry::text),
        dead_letter: text.dead_letter_config.and_then(|config| config.arn),
    })
}

pub(super) async fn remove(api: &EventsApi, input: RemoveTargets) -> Answer {
    let (bus, rule) = place(
        "rule",
        input.rule.as_deref(),
        input.event_bus_name.as_deref(),
    )?;
    let mut problems = Problems::default();
    let texts = problems.required("ids", input.ids).unwrap_or_default();
    let ids: Vec<Option<TargetId>> = (1..)
        .zip(&texts)
        .map(|(number, id): (usize, _)| {
            problems.name(&format!("ids.{number}.member"), Some(id), NAME)
        })
        .collect();
    let ids = done(problems, ids.into_iter().collect::<Option<Vec<_>>>())?;
    api.rules.remove_targets(&bus, &rule, &ids).await?;
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

pub(super) fn list(api: &EventsApi, input: &ListTargets) -> Answer {
    let (bus, rule) = place(
        "rule",
        input.rule.as_deref(),
        input.event_bus_name.as_deref(),
    )?;
    let rule = api.rules.rule(&bus, &rule)?;
    let limit = limit(input.limit)?;
    let page = paging::cut(
        rule.targets.values(),
        |target| target.id.to_string(),
        input.next_token.as_deref(),
        limit,
    )
    .ok_or_else(bad_token)?;
    let shown: Vec<Value> = page.items.into_iter().map(show).collect();
    let mut answer = json!({ "Targets": shown });
    set(&mut answer, "NextToken", page.next);
    Ok(answer)
}

pub(super) fn rule_names(api: &EventsApi, input: &RuleNames) -> Answer {
    let mut problems = Problems::default();
    let bus = bus_name(&mut problems, input.event_bus_name.as_deref());
    let arn = problems.required("targetArn", input.target_arn.as_deref());
    let (bus, arn) = done(problems, bus.zip(arn))?;
    let limit = limit(input.limit)?;
    let page = paging::cut(
        api.rules.rules_with_target(&bus, arn)?,
        |rule| rule.name.to_string(),
        input.next_token.as_deref(),
        limit,
    )
    .ok_or_else(bad_token)?;
    let names: Vec<&str> = page.items.iter().map(|rule| rule.name.as_str()).collect();
    let mut answer = json!({ "RuleNames": names });
    set(&mut answer, "NextToken", page.next);
    Ok(answer)
}

pub(super) fn limit(limit: Option<i64>) -> Result<Option<usize>, crate::error::EventsError> {
    let mut problems = Problems::default();
    problems.number("limit", limit, 1, 100);
    done(
        problems,
        Some(limit.and_then(|limit| usize::try_from(limit).ok())),
    )
}

fn show(target: &Target) -> Value {
    let mut shown = json!({ "Id": target.id.as_str(), "Arn": target.arn.as_str() });
    let input = target.input.text();
    set(&mut shown, "RoleArn", target.role.as_deref());
    set(&mut shown, "Input", input.constant.as_deref());
    set(&mut shown, "InputPath", input.path.as_deref());
    if let Some(transformer) = &input.transformer {
        let mut inner = json!({ "InputTemplate": transformer.template });
        if !transformer.paths.is_empty() {
            inner["InputPathsMap"] = json!(transformer.paths);
        }
        shown["InputTransformer"] = inner;
    }
    set(&mut shown, "RetryPolicy", target.retry.map(show_retry));
    let dead_letter = target.dead_letter.as_ref().map(|arn| json!({ "Arn": arn }));
    set(&mut shown, "DeadLetterConfig", dead_letter);
    shown
}

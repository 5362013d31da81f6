//! What a function may do, as a policy: what its project says it needs, and no more.

use std::collections::BTreeSet;

use project::model::{BucketRef, Destination, Function, KeepWarm, Objects};
use project::text;
use serde_json::{Value, json};

use crate::site::{Site, package_key};

const LOG_ACTIONS: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// The policy of a function's role.
pub fn of_function(site: &Site, key: &str) -> Value {
    let names = site.names();
    let mut statements = vec![writes_its_log(&names.log_group_arn(&names.log_group(key)))];
    let Some(function) = site.project.functions.get(key) else {
        return document(&statements);
    };
    statements.extend(reads(site, &function.reads));
    statements.extend(writes(site, &function.writes));
    statements.extend(invokes(site, key, function));
    statements.extend(notifies(function));
    if !function.secrets.is_empty() {
        let secrets = function.secrets.iter();
        let arns: Vec<_> = secrets.map(|secret| names.parameter_arn(secret)).collect();
        statements.push(allow(&["ssm:GetParameters"], &arns));
    }
    let package = site.packages.get(key);
    if let Some(rest) = package.and_then(|package| package.rest.as_ref()) {
        let bucket = names.bucket_arn(&site.package_bucket());
        let object = format!("{bucket}/{}", package_key(rest));
        statements.push(allow(&["s3:GetObject"], &[object]));
    }
    let own = function.permissions.iter();
    statements.extend(
        own.map(|statement| text::fill_value(statement, &mut |reference| site.value_of(reference))),
    );
    document(&statements)
}

pub fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

pub fn allow(actions: &[&str], resources: &[String]) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// Groups of functions are made by the deployment: no function may make any.
fn writes_its_log(group: &str) -> Value {
    allow(&LOG_ACTIONS, &[format!("{group}:*")])
}

fn reads(site: &Site, all: &[Objects]) -> Vec<Value> {
    let lists = all.iter().map(|some| {
        let bucket = site.names().bucket_arn(&bucket_name(site, &some.bucket));
        // Without it, an object that is not there looks as if it were forbidden.
        let mut list = allow(&["s3:ListBucket"], &[bucket]);
        if !some.prefix.is_empty() {
            list["Condition"] =
                json!({ "StringLike": { "s3:prefix": format!("{}*", some.prefix) } });
        }
        list
    });
    let mut statements: Vec<_> = lists.collect();
    if !all.is_empty() {
        statements.push(allow(&["s3:GetObject"], &objects(site, all)));
    }
    statements
}

fn writes(site: &Site, all: &[Objects]) -> Option<Value> {
    let actions = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"];
    (!all.is_empty()).then(|| allow(&actions, &objects(site, all)))
}

fn objects(site: &Site, all: &[Objects]) -> Vec<String> {
    let arns = all.iter().map(|some| {
        let bucket = site.names().bucket_arn(&bucket_name(site, &some.bucket));
        format!("{bucket}/{}*", some.prefix)
    });
    arns.collect()
}

pub fn bucket_name(site: &Site, bucket: &BucketRef) -> String {
    match bucket {
        BucketRef::Project(key) => site.bucket_name(key),
        BucketRef::Foreign(name) => name.clone(),
    }
}

/// Other functions that it calls or that get its outcomes; itself, to keep several
/// instances warm.
fn invokes(site: &Site, key: &str, function: &Function) -> Option<Value> {
    let mut called: BTreeSet<&str> = function.calls.iter().map(String::as_str).collect();
    for destination in destinations(function) {
        if let Destination::Function(name) = destination {
            called.insert(name);
        }
    }
    let several = |warm: &KeepWarm| warm.instances > 1;
    if function.keep_warm.as_ref().is_some_and(several) {
        called.insert(key);
    }
    let arns: Vec<_> = called
        .into_iter()
        .flat_map(|name| {
            let arn = site.names().function_arn(name);
            [format!("{arn}:*"), arn]
        })
        .collect();
    (!arns.is_empty()).then(|| allow(&["lambda:InvokeFunction"], &arns))
}

/// Destinations outside of the project, by the service that their ARN names.
fn notifies(function: &Function) -> Vec<Value> {
    let arns = destinations(function).filter_map(|destination| match destination {
        Destination::Arn(arn) => Some(arn),
        Destination::Function(_) => None,
    });
    let arns: BTreeSet<&String> = arns.collect();
    let statements = arns.into_iter().filter_map(|arn| {
        let (action, suffix) = match arn.split(':').nth(2)? {
            "sqs" => ("sqs:SendMessage", ""),
            "sns" => ("sns:Publish", ""),
            "events" => ("events:PutEvents", ""),
            "lambda" => ("lambda:InvokeFunction", ""),
            "s3" => ("s3:PutObject", "/*"),
            _ => return None,
        };
        Some(allow(&[action], &[format!("{arn}{suffix}")]))
    });
    statements.collect()
}

fn destinations(function: &Function) -> impl Iterator<Item = &Destination> {
    let both = [&function.on_success, &function.on_failure];
    both.into_iter().filter_map(Option::as_ref)
}

/// What a policy allows, a phrase for each statement: `s3:GetObject on raw/*`. That a
/// function writes its log goes without saying.
pub fn summary(policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array();
    let statements = statements.into_iter().flatten();
    let told = statements.filter(|statement| statement["Action"] != json!(LOG_ACTIONS));
    told.map(phrase).collect()
}

fn phrase(statement: &Value) -> String {
    let words = |value: &Value| -> String {
        let one = value.as_str().into_iter();
        let many = value.as_array().into_iter().flatten();
        let all = one.chain(many.filter_map(Value::as_str));
        let all: Vec<_> = all.map(short_arn).collect();
        all.join(", ")
    };
    let denied = statement["Effect"] == "Deny";
    let denied = if denied { "deny " } else { "" };
    let (actions, resources) = (words(&statement["Action"]), words(&statement["Resource"]));
    format!("{denied}{actions} on {resources}")
}

/// What follows account and region, which are the same everywhere.
fn short_arn(text: &str) -> &str {
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", _, _, _, _, rest] => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_in_short() {
        let policy = document(&[
            allow(
                &["s3:GetObject", "s3:ListBucket"],
                &["arn:aws:s3:::raw/*".to_owned()],
            ),
            json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }),
        ]);
        assert_eq!(
            summary(&policy),
            ["s3:GetObject, s3:ListBucket on raw/*", "deny * on *"]
        );
    }
}

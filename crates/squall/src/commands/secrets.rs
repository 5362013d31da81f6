//! `squall secrets`: values that functions find in their environment and that are in no
//! package. They go to the parameters of SSM, the engine's or AWS's, and are never shown.

use aws_client::{ClientError, JsonVersion};
use deploy::Cloud;
use serde_json::{Value, json};
use types::Timestamp;

use crate::args::{Global, ProjectArgs, SecretsAction, SecretsArgs};
use crate::deployment::{self, Opened};
use crate::failure::{Failure, Kind};
use crate::hidden;
use crate::output::{self, Table};

/// What a parameter of SSM's standard tier may have.
const MOST_CHARACTERS: usize = 4096;
/// Parameters of one page.
const PAGE: usize = 50;

pub async fn run(global: &Global, args: SecretsArgs) -> Result<(), Failure> {
    match args.action {
        None => list(global, &args.project).await,
        Some(SecretsAction::List { project }) => list(global, &project).await,
        Some(SecretsAction::Set { name, project }) => set(global, &project, &name).await,
        Some(SecretsAction::Rm {
            names,
            yes,
            project,
        }) => remove(global, &project, &names, yes).await,
    }
}

async fn set(global: &Global, args: &ProjectArgs, name: &str) -> Result<(), Failure> {
    check_name(name)?;
    // Who is asked for a secret should not be told afterwards that it was for nothing.
    let opened = deployment::open(global, args).await?;
    let stage = &opened.project.stage;
    let value = hidden::read(&format!("{name} of stage {stage}"))?;
    if value.chars().count() > MOST_CHARACTERS {
        let error = anyhow::anyhow!("a secret has at most {MOST_CHARACTERS} characters");
        return Err(Failure::new(Kind::Refused, error));
    }
    let (version, is_new) = put(&opened.cloud, name, &value)
        .await
        .map_err(deployment::failed_call)?;
    let functions = users(&opened, name);
    if global.json {
        output::json(&json!({
            "name": name,
            "stage": stage,
            "version": version,
            "functions": functions,
        }))?;
        return Ok(());
    }
    output::note(&format!("{name} is set in stage {stage}"));
    if functions.is_empty() {
        output::note(&format!(
            "no function names it yet: secrets = [\"{name}\"] in squall.toml"
        ));
    } else if !is_new {
        output::note("squall update brings it to functions that are there already");
    }
    Ok(())
}

/// The version it has now, and whether it is the first.
async fn put(cloud: &Cloud, name: &str, value: &str) -> Result<(u64, bool), ClientError> {
    let tags = cloud.names.tags();
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    // AWS takes tags of a new one alone.
    let mut body = json!({
        "Name": cloud.names.parameter(name),
        "Value": value,
        "Type": "SecureString",
        "Tags": tags,
    });
    let first = call(cloud, "PutParameter", &body).await;
    let (answer, is_new) = match first {
        Err(error) if error.is_conflict() => {
            if let Some(body) = body.as_object_mut() {
                body.remove("Tags");
                body.insert("Overwrite".to_owned(), true.into());
            }
            (call(cloud, "PutParameter", &body).await?, false)
        }
        other => (other?, true),
    };
    Ok((answer["Version"].as_u64().unwrap_or(1), is_new))
}

async fn list(global: &Global, args: &ProjectArgs) -> Result<(), Failure> {
    let opened = deployment::open(global, args).await?;
    let set = all(&opened.cloud).await.map_err(deployment::failed_call)?;
    let known = |name: &String| set.iter().any(|secret| secret.name == *name);
    let mut missing: Vec<&String> = opened
        .project
        .functions
        .values()
        .flat_map(|function| &function.secrets)
        .filter(|name| !known(name))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if global.json {
        let secrets: Vec<Value> = set
            .iter()
            .map(|secret| {
                json!({
                    "name": secret.name,
                    "version": secret.version,
                    "modified": secret.modified.rfc3339(),
                    "functions": users(&opened, &secret.name),
                })
            })
            .collect();
        output::json(&json!({
            "project": opened.project.name,
            "stage": opened.project.stage,
            "secrets": secrets,
            "missing": missing,
        }))?;
        return Ok(());
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["SECRET", ">VERSION", ">AGE", "FUNCTIONS"]);
    for secret in &set {
        let age = u64::try_from(now.0 - secret.modified.0).unwrap_or(0);
        table.row([
            secret.name.clone(),
            secret.version.to_string(),
            output::age(age),
            users(&opened, &secret.name).join(", "),
        ]);
    }
    if table.is_empty() {
        output::note(&format!(
            "no secrets are set in stage {}",
            opened.project.stage
        ));
    } else {
        output::bytes(table.render().as_bytes())?;
    }
    for name in missing {
        let functions = users(&opened, name).join(", ");
        output::note(&format!("{name} is not set, and {functions} wants it"));
    }
    Ok(())
}

async fn remove(
    global: &Global,
    args: &ProjectArgs,
    names: &[String],
    yes: bool,
) -> Result<(), Failure> {
    names.iter().try_for_each(|name| check_name(name))?;
    let opened = deployment::open(global, args).await?;
    let set = all(&opened.cloud).await.map_err(deployment::failed_call)?;
    let stage = &opened.project.stage;
    for name in names {
        if !set.iter().any(|secret| secret.name == *name) {
            return Err(
                Failure::mistake(format!("there is no secret {name} in stage {stage}"))
                    .hint("squall secrets lists what is there"),
            );
        }
    }
    // Its value may be nowhere else, whether or not a function wants it just now.
    let shown: Vec<String> = names
        .iter()
        .map(|name| match users(&opened, name).as_slice() {
            [] => name.clone(),
            functions => format!("{name} (of {})", functions.join(", ")),
        })
        .collect();
    let what = format!("{} from stage {stage}", shown.join(", "));
    deployment::confirm(global, &what, yes)?;
    for name in names {
        let body = json!({ "Name": opened.cloud.names.parameter(name) });
        match call(&opened.cloud, "DeleteParameter", &body).await {
            // An attempt before this one did it.
            Err(error) if error.is_missing() => {}
            other => drop(other.map_err(deployment::failed_call)?),
        }
    }
    if global.json {
        output::json(&json!({ "stage": stage, "removed": names }))?;
    } else {
        output::note(&format!("removed {} from stage {stage}", names.join(", ")));
    }
    Ok(())
}

/// A secret that is set, without its value.
#[derive(Debug, PartialEq, Eq)]
struct Secret {
    name: String,
    version: u64,
    modified: Timestamp,
}

/// All of the stage, by name.
async fn all(cloud: &Cloud) -> Result<Vec<Secret>, ClientError> {
    let prefix = cloud.names.parameter("");
    let mut found = vec![];
    let mut token = Value::Null;
    loop {
        let mut body = json!({
            "MaxResults": PAGE,
            "ParameterFilters": [{
                "Key": "Path",
                "Option": "OneLevel",
                "Values": [prefix.trim_end_matches('/')],
            }],
        });
        if !token.is_null() {
            body["NextToken"] = token;
        }
        let mut page = call(cloud, "DescribeParameters", &body).await?;
        let parameters = page["Parameters"].as_array().into_iter().flatten();
        found.extend(parameters.filter_map(|parameter| read(parameter, &prefix)));
        token = page["NextToken"].take();
        if token.as_str().is_none_or(str::is_empty) {
            found.sort_by(|one, other| one.name.cmp(&other.name));
            return Ok(found);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a time in milliseconds is a whole number here"
)]
fn read(parameter: &Value, prefix: &str) -> Option<Secret> {
    let name = parameter["Name"].as_str()?.strip_prefix(prefix)?;
    let seconds = parameter["LastModifiedDate"].as_f64().unwrap_or(0.0);
    Some(Secret {
        name: name.to_owned(),
        version: parameter["Version"].as_u64().unwrap_or(1),
        modified: Timestamp((seconds * 1000.0) as i64),
    })
}

/// Functions that name it.
fn users<'a>(opened: &'a Opened, name: &str) -> Vec<&'a str> {
    let functions = opened.project.functions.iter();
    functions
        .filter(|(_, function)| function.secrets.iter().any(|secret| secret == name))
        .map(|(function, _)| function.as_str())
        .collect()
}

async fn call(cloud: &Cloud, operation: &str, body: &Value) -> Result<Value, ClientError> {
    let target = format!("AmazonSSM.{operation}");
    let client = &cloud.client;
    client.json("ssm", JsonVersion::V1_1, &target, body).await
}

/// It becomes the name of a variable.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = name.starts_with(|first: char| !first.is_ascii_digit());
    if begins_well && name.len() <= 128 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Failure::mistake(format!(
        "{name:.140?} cannot be the name of a secret: it becomes a variable of the environment"
    ))
    .hint("use letters, digits and _, such as DB_PASSWORD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_variables() {
        for good in ["TOKEN", "db_password2", "_x"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in ["", "2x", "a-b", "a/b", "a b", "\u{e9}", &long] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_is_read_without_its_path() {
        let parameter =
            json!({ "Name": "/squall/p/dev/TOKEN", "Version": 3, "LastModifiedDate": 1.5 });
        let secret = Secret {
            name: "TOKEN".to_owned(),
            version: 3,
            modified: Timestamp(1500),
        };
        assert_eq!(read(&parameter, "/squall/p/dev/"), Some(secret));
        assert_eq!(read(&parameter, "/squall/p/prod/"), None);
    }
}

//! Secrets that functions name: whether each is set, before anything is made. Their
//! values are never asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_client::{ClientError, JsonVersion};
use project::Project;
use serde_json::{Value, json};

use crate::error::{DeployError, StepError};
use crate::site::Cloud;
use crate::step::{Action, Phase, Step};

/// As many as one call takes.
const PAGE: usize = 50;
const REMOVED_AT_ONCE: usize = 10;

/// Removes all secrets of project and stage: being below its path makes them its own.
/// A deployment never does that, as nothing but an undeployment is the end of them.
pub async fn removal(cloud: &Cloud) -> Result<Option<Step>, DeployError> {
    let all = match below(cloud).await {
        // Who may not see any has made none.
        Err(error) if error.code().starts_with("AccessDenied") => return Ok(None),
        other => other.map_err(DeployError::read("secrets"))?,
    };
    if all.is_empty() {
        return Ok(None);
    }
    let names: BTreeSet<String> = all.into_keys().collect();
    let path = cloud.names.parameter("");
    let short = |name: &String| name.strip_prefix(&path).unwrap_or(name).to_owned();
    let details: Vec<_> = names.iter().map(short).collect();
    let step = Step::draft(Action::Remove, Phase::Bucket, "secrets", &path);
    Ok(Some(step.details(details).work(Work { names })))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    names: BTreeSet<String>,
}

impl Work {
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        let names: Vec<_> = self.names.iter().collect();
        for some in names.chunks(REMOVED_AT_ONCE) {
            let target = "AmazonSSM.DeleteParameters";
            let body = json!({ "Names": some });
            let client = &cloud.client;
            client.json("ssm", JsonVersion::V1_1, target, &body).await?;
        }
        Ok(())
    }
}

/// When each secret that is wanted was set last. Refuses a project that wants secrets which
/// nobody has set.
pub async fn check(cloud: &Cloud, project: &Project) -> Result<BTreeMap<String, u64>, DeployError> {
    let wanted = wanted(project);
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let set = below(cloud).await;
    let set = set.map_err(DeployError::read("secrets"))?;
    let version = |secret: &str| set.get(&cloud.names.parameter(secret)).copied();
    let missing = wanted
        .keys()
        .copied()
        .filter(|secret| version(secret).is_none());
    match missing.collect::<Vec<&str>>().as_slice() {
        [] => Ok(wanted
            .keys()
            .map(|secret| ((*secret).to_owned(), version(secret).unwrap_or_default()))
            .collect()),
        missing @ [first, ..] => {
            let told: Vec<_> = missing
                .iter()
                .map(|secret| format!("{secret} (of {})", wanted[secret].join(", ")))
                .collect();
            let word = if told.len() == 1 { "secret" } else { "secrets" };
            let are = if told.len() == 1 { "is" } else { "are" };
            Err(DeployError::refused(format!(
                "the {word} {} {are} not set in stage {}",
                told.join(", "),
                project.stage
            ))
            .hint(format!(
                "squall secrets set {first} --stage {}",
                project.stage
            )))
        }
    }
}

/// The functions that want each.
fn wanted(project: &Project) -> BTreeMap<&str, Vec<&str>> {
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, function) in &project.functions {
        for secret in &function.secrets {
            wanted.entry(secret).or_default().push(name);
        }
    }
    wanted
}

/// A number that is another one for each value. Versions begin again with a secret that
/// was removed and set anew; the time does not.
fn state(parameter: &Value) -> u64 {
    let changed = parameter["LastModifiedDate"].as_f64();
    let millis = changed.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let millis = millis.and_then(|time| u64::try_from(time.as_millis()).ok());
    millis
        .or_else(|| parameter["Version"].as_u64())
        .unwrap_or_default()
}

/// Listed, because reading one parameter would bring its value along.
/// When each was set last, by whole names.
async fn below(cloud: &Cloud) -> Result<BTreeMap<String, u64>, ClientError> {
    let path = cloud.names.parameter("");
    let path = path.trim_end_matches('/');
    let (mut all, mut token) = (BTreeMap::new(), Value::Null);
    loop {
        let mut body = json!({
            "MaxResults": PAGE,
            "ParameterFilters": [{ "Key": "Path", "Option": "OneLevel", "Values": [path] }],
        });
        if !token.is_null() {
            body["NextToken"] = token;
        }
        let client = &cloud.client;
        let target = "AmazonSSM.DescribeParameters";
        let mut page = client.json("ssm", JsonVersion::V1_1, target, &body).await?;
        let parameters = page["Parameters"].as_array().into_iter().flatten();
        all.extend(parameters.filter_map(|parameter| {
            Some((parameter["Name"].as_str()?.to_owned(), state(parameter)))
        }));
        token = page["NextToken"].take();
        if token.as_str().is_none_or(str::is_empty) {
            return Ok(all);
        }
    }
}

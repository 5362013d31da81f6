//! What is known of a function before it runs: what its results depend on, what it
//! costs, and how many of it may run at once.

use std::collections::BTreeMap;

use aws_wire::form;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use types::{FunctionName, Qualifier};

use crate::client::{Answer, Call, Client};
use crate::failure::Failure;

/// What AWS grants an account of which nothing else is known.
const GRANTED_AT_LEAST: u32 = 10;

/// A version of a function as its service describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    #[serde(rename = "FunctionArn")]
    pub arn: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub code_sha256: String,
    /// Empty for images.
    #[serde(default)]
    pub handler: String,
    #[serde(default)]
    pub runtime: String,
    #[serde(default)]
    layers: Vec<Layer>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    architectures: Vec<String>,
    pub memory_size: u32,
    pub timeout: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Layer {
    arn: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Concurrency {
    reserved_concurrent_executions: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    account_limit: AccountLimit,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccountLimit {
    unreserved_concurrent_executions: u32,
}

impl Function {
    /// Asks for one; of an alias, the version it stands for.
    pub async fn look_up(
        client: &Client,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Self, Failure> {
        let mut target = format!(
            "/2015-03-31/functions/{}/configuration",
            form::encode(name.as_str())
        );
        if let Some(qualifier) = qualifier {
            target.push_str("?Qualifier=");
            target.push_str(&form::encode(&qualifier.to_string()));
        }
        Ok(get(client, target).await?.json()?)
    }

    /// How many instances of it the service will run at once.
    pub async fn granted(client: &Client, name: &FunctionName) -> Result<u32, Failure> {
        let target = format!(
            "/2019-09-30/functions/{}/concurrency",
            form::encode(name.as_str())
        );
        // Who may invoke a function may not always ask for this.
        let reserved = told::<Concurrency>(&get(client, target).await?);
        if let Some(reserved) = reserved.and_then(|found| found.reserved_concurrent_executions) {
            return Ok(reserved);
        }
        let settings = get(client, "/2016-08-19/account-settings".to_owned()).await?;
        let settings = told::<Settings>(&settings);
        Ok(settings.map_or(GRANTED_AT_LEAST, |settings| {
            settings.account_limit.unreserved_concurrent_executions
        }))
    }

    pub fn is_arm(&self) -> bool {
        self.architectures.iter().any(|name| name == "arm64")
    }

    pub fn layers(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.arn.as_str())
    }

    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment.variables
    }

    /// The account it belongs to, by its ARN.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}

async fn get(client: &Client, target: String) -> Result<Answer, Failure> {
    let call = Call {
        service: "lambda",
        method: Method::GET,
        target,
        headers: vec![],
        body: Bytes::new(),
    };
    Ok(client.send(call).await?)
}

fn told<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    answer.json().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_with_what_may_be_missing() {
        let text = r#"{"FunctionName":"f","FunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:f:live",
            "CodeSha256":"x=","Handler":"app.f","Runtime":"python3.11","Version":"3","MemorySize":256,"Timeout":9,
            "Layers":[{"Arn":"arn:l:1","CodeSize":1}],"Environment":{"Variables":{"A":"1"}},"Architectures":["arm64"]}"#;
        let function: Function = serde_json::from_str(text).unwrap();
        assert_eq!(function.account(), "123456789012");
        assert!(function.is_arm());
        assert_eq!(function.layers().collect::<Vec<_>>(), ["arn:l:1"]);
        let bare =
            r#"{"FunctionArn":"arn:aws:lambda:r:1:function:f","MemorySize":128,"Timeout":3}"#;
        let bare: Function = serde_json::from_str(bare).unwrap();
        assert!(!bare.is_arm() && bare.environment().is_empty());
    }
}

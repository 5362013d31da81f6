//! What the resource policies of functions let in.

use policy::{Caller, Context, Document, PolicyError, Question, Verdict};
use serde_json::json;
use types::{FunctionName, Qualifier, Version};

use super::Catalog;
use super::model::Statement;
use super::state::arn;

impl Catalog {
    /// Whether a service may invoke a function on behalf of what `source_arn`
    /// names, such as `s3.amazonaws.com` for a bucket of `account`.
    pub fn permits(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
        service: &str,
        source_arn: &str,
        account: &str,
    ) -> bool {
        let Some(document) = self.resource_policy(name, qualifier) else {
            return false;
        };
        let context = Context::new()
            .with("aws:SourceArn", source_arn)
            .with("aws:SourceAccount", account);
        let question = Question {
            action: "lambda:InvokeFunction",
            resource: &self.arn(name, qualifier),
            caller: &Caller::Service {
                name: service.to_owned(),
            },
            context: &context,
        };
        document.judge(&question) == Verdict::Allow
    }

    /// The resource policy of what a qualifier names, if there is one.
    pub fn resource_policy(
        &self,
        name: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Option<Document> {
        // `$LATEST` has no policy of its own.
        let latest = Qualifier::Version(Version::Latest);
        let qualifier = qualifier.filter(|qualifier| **qualifier != latest);
        let (mut statements, _) = self.policy(name, qualifier).ok()?;
        // What one statement says of whom nobody knows is nothing to the others.
        statements.retain(|statement| {
            let read = parse(std::slice::from_ref(statement));
            read.inspect_err(|error| {
                let sid = &statement.sid;
                tracing::debug!(function = %name, sid, %error, "a statement is passed over");
            })
            .is_ok()
        });
        parse(&statements).ok()
    }

    /// The ARN of a function, with its qualifier if there is one.
    pub fn arn(&self, name: &FunctionName, qualifier: Option<&Qualifier>) -> String {
        arn(&self.inner.scope, name, qualifier)
    }
}

fn parse(statements: &[Statement]) -> Result<Document, PolicyError> {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Document::parse(&document.to_string())
}

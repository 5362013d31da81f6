//! What a policy document says, and its answer to a question.

use crate::condition::Condition;
use crate::parse::{self, PolicyError};
use crate::principal::{Inclusion, Principals};
use crate::question::Question;
use crate::variables;
use crate::wildcard::{matches_ignoring_case, tokens_match};

/// A document of permissions: an identity's or a resource's.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub effect: Effect,
    pub actions: Choice,
    /// `None` where the document leaves it to what it is attached to.
    pub resources: Option<Choice>,
    /// `None` in the documents of identities, which speak of their holder.
    pub principals: Option<Principals>,
    pub conditions: Vec<Condition>,
}

/// One of these patterns, or none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub patterns: Vec<String>,
    /// `NotAction`, `NotResource`.
    pub negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// What a document says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// It allows it to the account that the caller is in, and leaves it to the
    /// account to say which of its own may.
    Delegate,
    /// It forbids it, and no other document can allow it.
    Deny,
    /// It says nothing about it.
    Silent,
}

impl Document {
    /// Reads a document, and refuses what AWS would call malformed.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::document(text)
    }

    /// One statement that forbids outweighs all that allow.
    pub fn judge(&self, question: &Question<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            match (statement.effect, statement.speaks_of(question)) {
                (_, Inclusion::None) => {}
                (Effect::Deny, _) => return Verdict::Deny,
                (Effect::Allow, Inclusion::Named) => verdict = Verdict::Allow,
                (Effect::Allow, Inclusion::Account) if verdict == Verdict::Silent => {
                    verdict = Verdict::Delegate;
                }
                (Effect::Allow, Inclusion::Account) => {}
            }
        }
        verdict
    }

    /// The patterns of all resources that it names, for who must know whether
    /// they are its own.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let choices = self.statements.iter().flat_map(|s| &s.resources);
        choices.flat_map(|choice| choice.patterns.iter().map(String::as_str))
    }

    /// The patterns of all actions that it names.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        let choices = self.statements.iter().map(|s| &s.actions);
        choices.flat_map(|choice| choice.patterns.iter().map(String::as_str))
    }

    /// Does it ask for keys of the request that begin so? What is costly to know of
    /// a request need only be found out where this holds.
    pub fn mentions(&self, prefix: &str) -> bool {
        let by_pattern = |choice: &Choice| {
            let mut patterns = choice.patterns.iter();
            patterns.any(|pattern| variables::mentions(pattern, prefix))
        };
        self.statements.iter().any(|statement| {
            statement.resources.as_ref().is_some_and(by_pattern)
                || statement.conditions.iter().any(|c| c.mentions(prefix))
        })
    }

    /// Does every statement say of what it speaks?
    pub fn names_resources(&self) -> bool {
        self.statements.iter().all(|s| s.resources.is_some())
    }

    /// Does every statement say of whom it speaks? That of a resource must.
    pub fn names_principals(&self) -> bool {
        self.statements.iter().all(|s| s.principals.is_some())
    }
}

impl Statement {
    fn speaks_of(&self, question: &Question<'_>) -> Inclusion {
        let action = |pattern: &str| Some(matches_ignoring_case(pattern, question.action));
        let resource = |pattern: &str| {
            let pattern = variables::fill(pattern, question.context)?;
            Some(tokens_match(&pattern, question.resource))
        };
        let fits = self.actions.chooses(action)
            && self.resources.as_ref().is_none_or(|r| r.chooses(resource))
            && self.conditions.iter().all(|c| c.holds(question.context));
        match &self.principals {
            _ if !fits => Inclusion::None,
            Some(principals) => principals.include(question.caller),
            // An identity's document speaks of whoever holds it.
            None => Inclusion::Named,
        }
    }
}

impl Choice {
    /// `None` from a pattern means that it names something unknown. Then the
    /// statement is passed over, negated or not: a document cannot say by
    /// accident what it could not say.
    fn chooses(&self, fits: impl Fn(&str) -> Option<bool>) -> bool {
        let fitting: Option<Vec<bool>> = self.patterns.iter().map(|p| fits(p)).collect();
        match fitting {
            Some(fitting) => fitting.contains(&true) != self.negated,
            None if self.negated => false,
            None => self
                .patterns
                .iter()
                .any(|pattern| fits(pattern) == Some(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::question::{Caller, Context};

    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/clean/f";

    fn judge(statements: &Value, arn: &str, action: &str, resource: &str) -> Verdict {
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        let caller = Caller::Aws {
            arn: arn.to_owned(),
        };
        Document::parse(&document.to_string())
            .unwrap()
            .judge(&Question {
                action,
                resource,
                caller: &caller,
                context: &Context::new(),
            })
    }

    #[test]
    fn a_statement_that_forbids_outweighs_those_that_allow() {
        let statements = json!([
            { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
            { "Effect": "Deny", "Action": "s3:Delete*", "Resource": "arn:aws:s3:::b/raw/*" },
            { "Effect": "Allow", "Action": "S3:DELETEOBJECT", "Resource": "*" },
        ]);
        let ask = |action, resource| judge(&statements, SESSION, action, resource);
        assert_eq!(
            ask("s3:DeleteObject", "arn:aws:s3:::b/raw/x"),
            Verdict::Deny
        );
        assert_eq!(ask("s3:deleteobject", "arn:aws:s3:::b/x"), Verdict::Allow);
        assert_eq!(ask("s3:GetObject", "arn:aws:s3:::b/raw/x"), Verdict::Allow);
        assert_eq!(ask("lambda:InvokeFunction", "x"), Verdict::Silent);
    }

    #[test]
    fn all_but_what_is_named() {
        let statements = json!({ "Effect": "Allow", "NotAction": "iam:*", "NotResource": ["arn:aws:s3:::secret*"] });
        let ask = |action, resource| judge(&statements, SESSION, action, resource);
        assert_eq!(ask("s3:GetObject", "arn:aws:s3:::b"), Verdict::Allow);
        assert_eq!(ask("iam:GetRole", "arn:aws:s3:::b"), Verdict::Silent);
        assert_eq!(
            ask("s3:GetObject", "arn:aws:s3:::secret/x"),
            Verdict::Silent
        );
    }

    #[test]
    fn keys_are_mentioned_in_conditions_and_variables() {
        let mentions = |statement: Value| {
            let document = json!({ "Statement": statement }).to_string();
            let document = Document::parse(&document).unwrap();
            document.mentions("s3:ExistingObjectTag/")
        };
        let with = |resource: &str, key: &str, value: &str| {
            json!({
                "Effect": "Deny", "Action": "*", "Resource": resource,
                "Condition": { "StringLike": { key: [value] } },
            })
        };
        assert!(mentions(with("*", "S3:existingobjecttag/team", "a")));
        assert!(mentions(with(
            "*",
            "s3:prefix",
            "x/${ s3:ExistingObjectTag/team}"
        )));
        assert!(mentions(with(
            "arn:aws:s3:::b/${s3:ExistingObjectTag/team}",
            "s3:prefix",
            "a"
        )));
        assert!(!mentions(with(
            "*",
            "s3:RequestObjectTag/team",
            "s3:ExistingObjectTag/team"
        )));
        assert!(!mentions(
            json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })
        ));
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        let ask = |field: &str| {
            let statements =
                json!({ "Effect": "Allow", "Action": "*", field: "arn:aws:s3:::${aws:nothing}" });
            judge(&statements, SESSION, "s3:GetObject", "arn:aws:s3:::b")
        };
        assert_eq!(ask("Resource"), Verdict::Silent);
        assert_eq!(ask("NotResource"), Verdict::Silent);
    }

    #[test]
    fn principals_are_roles_their_sessions_and_accounts() {
        let ask = |effect: &str, field: &str, principal: Value| {
            let statements =
                json!({ "Effect": effect, "Action": "*", "Resource": "*", field: principal });
            judge(&statements, SESSION, "s3:GetObject", "x")
        };
        let allow = |principal| ask("Allow", "Principal", principal);
        assert_eq!(allow(json!("*")), Verdict::Allow);
        assert_eq!(allow(json!({ "AWS": SESSION })), Verdict::Allow);
        for path in ["clean", "service-role/clean"] {
            let role = format!("arn:aws:iam::123456789012:role/{path}");
            assert_eq!(allow(json!({ "AWS": role })), Verdict::Allow);
        }
        for other in [
            "arn:aws:iam::123456789012:role/other",
            "arn:aws:iam::999999999999:role/clean",
        ] {
            assert_eq!(allow(json!({ "AWS": other })), Verdict::Silent);
        }
        assert_eq!(allow(json!({ "AWS": "999999999999" })), Verdict::Silent);
        assert_eq!(
            allow(json!({ "Service": "s3.amazonaws.com" })),
            Verdict::Silent
        );
        let account = json!({ "AWS": "arn:aws:iam::123456789012:root" });
        assert_eq!(allow(account.clone()), Verdict::Delegate);
        assert_eq!(ask("Deny", "Principal", account.clone()), Verdict::Deny);
        assert_eq!(ask("Deny", "NotPrincipal", account), Verdict::Deny);
        assert_eq!(
            ask("Deny", "NotPrincipal", json!({ "AWS": SESSION })),
            Verdict::Silent
        );
    }

    #[test]
    fn the_root_is_its_account() {
        let root = "arn:aws:iam::123456789012:root";
        let statements = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": { "AWS": "123456789012" } });
        assert_eq!(
            judge(&statements, root, "s3:GetObject", "x"),
            Verdict::Allow
        );
    }
}

//! The access logs that stages ask for: lines in a format of their own, in a log group.

use std::collections::HashMap;
use std::sync::Arc;

use engine::http_apis::HttpApis;
use store::{LogLine, Store};
use tokio::runtime::Handle;
use types::{AccountId, Timestamp};
use watch::format;
use watch::line::Answered;

#[derive(Debug)]
pub(crate) struct StageLogs {
    apis: Arc<HttpApis>,
    store: Arc<Store>,
    account: AccountId,
    runtime: Handle,
}

/// Lines that are about to be written, by their group.
#[derive(Debug, Default)]
pub(super) struct StageLines {
    /// Of each API and stage, what it asks for. Looked up once for many lines.
    known: HashMap<(Arc<str>, Arc<str>), Option<Asked>>,
    lines: HashMap<Arc<str>, Vec<LogLine>>,
}

#[derive(Debug, Clone)]
struct Asked {
    group: Arc<str>,
    format: Arc<str>,
}

impl StageLogs {
    /// To be made within the runtime; written from a thread of its own.
    pub fn new(apis: Arc<HttpApis>, store: Arc<Store>, account: AccountId) -> Self {
        Self {
            apis,
            store,
            account,
            runtime: Handle::current(),
        }
    }

    pub(super) fn add(&self, lines: &mut StageLines, answered: &Answered) {
        let about = &answered.about;
        let (Some(api), Some(stage)) = (&about.api, &about.stage) else {
            return;
        };
        let key = (api.clone(), stage.clone());
        let asked = lines
            .known
            .entry(key)
            .or_insert_with(|| self.asked(api, stage));
        if let Some(asked) = asked {
            let text = format::fill(&asked.format, answered, self.account.as_str());
            lines
                .lines
                .entry(asked.group.clone())
                .or_default()
                .push(LogLine {
                    time: answered.time,
                    text: text.into(),
                });
        }
    }

    fn asked(&self, api: &str, stage: &str) -> Option<Asked> {
        let entry = self.apis.named(api)?;
        let served = entry.served(&stage.parse().ok()?)?;
        let log = served.access_log.as_ref()?;
        Some(Asked {
            group: group(log.destination_arn.as_deref()?)?.into(),
            format: log.format.as_deref()?.into(),
        })
    }

    /// Blocks while a group is full.
    pub(super) fn write(&self, lines: StageLines) {
        let stream: Arc<str> = format!("{}/access", Timestamp::now().day_path()).into();
        for (group, lines) in lines.lines {
            let appended = self.store.logs().append(&group, &stream, lines);
            self.runtime.block_on(appended);
        }
    }
}

/// The group of `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, which may end with `:*`.
fn group(arn: &str) -> Option<&str> {
    let (_, name) = arn.split_once(":log-group:")?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_by_arns() {
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/api/calls";
        assert_eq!(group(arn), Some("/api/calls"));
        assert_eq!(group(&format!("{arn}:*")), Some("/api/calls"));
        assert_eq!(group("arn:aws:firehose:us-east-1:0:deliverystream/x"), None);
        assert_eq!(group("arn:aws:logs:us-east-1:0:log-group:"), None);
    }
}

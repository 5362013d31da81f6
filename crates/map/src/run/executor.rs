//! An executor in this process, for tests: it reads the chunks that it is sent,
//! computes sums, and fails as a script says. It is a bucket too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use types::{FunctionError, FunctionErrorKind, Invocation, Invoke, InvokeError, Outcome, Version};

use super::{Exchange, Loan};

/// What the executor does with a chunk, given the values of its items and how many
/// invocations there were before.
type Script = dyn Fn(&[Vec<f64>], usize) -> Reaction + Send + Sync;

pub(super) enum Reaction {
    /// Answers with sums; the items at these places raise.
    Sums {
        raised: Vec<usize>,
    },
    Fails(FunctionErrorKind),
    /// The whole chunk, in the function's own words.
    Says(FunctionErrorKind, Value),
    NotRun(InvokeError),
    /// For so long nothing, then sums.
    After(Duration),
    /// Something that is no answer.
    Nonsense,
    /// Puts the answer where the loan says.
    Puts,
}

pub(super) struct Executor {
    script: Box<Script>,
    pub(super) invocations: AtomicUsize,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    /// Payloads that were lent, and answers put down, by key.
    pub(super) bucket: Mutex<BTreeMap<String, Bytes>>,
    pub(super) log: &'static str,
}

impl Executor {
    pub(super) fn new(
        script: impl Fn(&[Vec<f64>], usize) -> Reaction + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            invocations: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            bucket: Mutex::default(),
            log: "",
        })
    }

    fn answer(&self, payload: &Value, turn: usize, reaction: Reaction) -> Answer {
        let values = items(payload);
        let sums = |raised: &[usize]| {
            let results: Vec<Value> = values
                .iter()
                .enumerate()
                .map(|(place, values)| {
                    if raised.contains(&place) {
                        Value::Null
                    } else {
                        json!(values.iter().sum::<f64>())
                    }
                })
                .collect();
            let error = json!({"errorType": "ValueError", "errorMessage": "no", "stackTrace": []});
            let errors: Vec<Value> = raised.iter().map(|at| json!([at, error])).collect();
            let took = json!({"wall": 0.001, "cpu": 0.001, "codec": 0.0});
            json!({"results": results, "errors": errors, "took": took})
        };
        let error = |kind: FunctionErrorKind, payload: Value| FunctionError {
            kind,
            payload: payload.to_string().into(),
        };
        Ok(match reaction {
            Reaction::Sums { raised } => Ok(sums(&raised)),
            Reaction::After(_) => Ok(sums(&[])),
            Reaction::Puts => {
                let put = payload["squall"]["put"].as_str().unwrap().to_owned();
                self.bucket.lock().insert(put, sums(&[]).to_string().into());
                Ok(json!({"squall": {"put": true}}))
            }
            Reaction::Nonsense => Ok(json!({"turn": turn})),
            Reaction::Fails(kind) => {
                let payload = json!({"errorType": "Died", "errorMessage": kind.as_str()});
                Err(error(kind, payload))
            }
            Reaction::Says(kind, payload) => Err(error(kind, payload)),
            Reaction::NotRun(why) => return Err(why),
        })
    }
}

type Answer = Result<Result<Value, FunctionError>, InvokeError>;

/// Whether an item with this number is among them.
pub(super) fn has(items: &[Vec<f64>], number: u32) -> bool {
    items
        .iter()
        .any(|item| item[0].to_bits() == f64::from(number).to_bits())
}

/// The values of the items of a chunk.
pub(super) fn items(payload: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(payload["items"].clone()).expect("lists of numbers")
}

impl Invoke for Executor {
    async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let turn = self.invocations.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let _gone = Gone(&self.at_once);
        let mut payload: Value = serde_json::from_slice(&invocation.payload).unwrap();
        if let Some(get) = payload["squall"]["get"].as_str() {
            let lent = self.bucket.lock()[get].clone();
            let put = payload["squall"]["put"].clone();
            payload = serde_json::from_slice(&lent).unwrap();
            payload["squall"]["put"] = put;
        }
        let reaction = (self.script)(&items(&payload), turn);
        if let Reaction::After(wait) = &reaction {
            tokio::time::sleep(*wait).await;
        } else {
            // Others get their turn, as with any real function.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let result = self.answer(&payload, turn, reaction)?;
        Ok(Outcome {
            request_id: invocation.request_id,
            version: Version::Latest,
            result: result.map(|answer| answer.to_string().into()),
            log_tail: Bytes::from_static(self.log.as_bytes()),
        })
    }
}

/// Counts down also where nobody waited for the answer.
struct Gone<'a>(&'a AtomicUsize);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Exchange for Executor {
    async fn lend(&self, payload: Bytes) -> Result<Loan, String> {
        let key = format!("chunk-{}", self.bucket.lock().len());
        self.bucket.lock().insert(key.clone(), payload);
        Ok(Loan {
            get: key.clone(),
            put: format!("{key}-answer"),
            key,
        })
    }

    async fn collect(&self, loan: &Loan) -> Result<Bytes, String> {
        let found = self.bucket.lock().get(&loan.put).cloned();
        found.ok_or_else(|| "there is nothing".to_owned())
    }

    async fn settle(&self, loan: Loan) {
        let mut bucket = self.bucket.lock();
        bucket.remove(&loan.key);
        bucket.remove(&loan.put);
    }
}

pub(super) fn fine() -> Reaction {
    Reaction::Sums { raised: vec![] }
}

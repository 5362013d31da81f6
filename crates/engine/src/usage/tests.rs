//! Plans over a real store: throttles, quotas, and what is left after a restart.

use std::path::Path;

use store::Durability;

use super::*;
use crate::api_keys::NewApiKey;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const STAGE: &str = "api/$default";

struct Bench {
    keys: Arc<ApiKeys>,
    usage: Usage,
    store: Arc<Store>,
}

fn open(folder: &Path) -> Bench {
    let store = Arc::new(Store::open(folder, Durability::Relaxed).unwrap());
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let keys = Arc::new(ApiKeys::open(Arc::clone(&store), scope.clone()).unwrap());
    let usage = Usage::open(Arc::clone(&store), scope, Arc::clone(&keys)).unwrap();
    Bench { keys, usage, store }
}

impl Bench {
    async fn key(&self) -> Arc<ApiKey> {
        let new = NewApiKey {
            enabled: true,
            ..NewApiKey::default()
        };
        self.keys.create(new).await.unwrap().0
    }

    async fn plan(&self, throttle: Option<Throttle>, quota: Option<Quota>) -> Arc<Plan> {
        let new = NewPlan {
            name: "p".to_owned(),
            stages: vec![STAGE.to_owned()],
            throttle,
            quota,
            ..NewPlan::default()
        };
        self.usage.create_plan(new).await.unwrap()
    }

    async fn call(&self, key: &ApiKey, now: Timestamp) -> Result<Pass, NotServed> {
        let pass = self.usage.admit(key, STAGE, now).await?;
        let one = Amounts {
            requests: 1,
            ..Amounts::default()
        };
        self.usage.settle(&pass, &one, now);
        Ok(pass)
    }
}

fn daily(limit: u64) -> Quota {
    Quota {
        limit,
        offset: 0,
        period: Period::Day,
    }
}

#[tokio::test]
async fn a_quota_ends_and_begins_again_with_its_period() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let (key, other) = (bench.key().await, bench.key().await);
    let plan = bench.plan(None, Some(daily(3))).await;
    for key in [&key, &other] {
        bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    }
    let mut left = vec![];
    for _ in 0..3 {
        left.push(
            bench
                .call(&key, NOW)
                .await
                .unwrap()
                .quota
                .unwrap()
                .remaining,
        );
    }
    assert_eq!(left, [2, 1, 0]);
    let over = bench.call(&key, NOW).await.unwrap_err();
    let NotServed::OverQuota { until } = over else {
        panic!("{over}");
    };
    assert!(
        bench.call(&other, NOW).await.is_ok(),
        "each key has its own"
    );
    assert!(bench.call(&key, until.plus_millis(-1)).await.is_err());
    assert!(bench.call(&key, until).await.is_ok());
    // A clock that jumps back finds what was used then.
    assert!(bench.call(&key, NOW).await.is_err());
}

#[tokio::test]
async fn what_was_used_counts_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let key = bench.key().await;
    let plan = bench.plan(None, Some(daily(3))).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    for round in 0..3 {
        bench.call(&key, NOW).await.unwrap();
        if round == 0 {
            bench.usage.fold().await;
        }
    }
    bench.usage.plans.drain().await;
    bench.keys.drain().await;
    bench.store.close().await;
    drop(bench);
    let bench = open(folder.path());
    let over = bench.call(&key, NOW).await;
    assert!(matches!(over, Err(NotServed::OverQuota { .. })));
    let used = bench
        .usage
        .of_key(Some(&plan.id), &key.id, 0, day_of(NOW))
        .await
        .unwrap();
    assert_eq!(used[0].amounts.requests, 3);
}

#[tokio::test]
async fn of_many_that_race_for_the_last_as_many_get_it_as_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Arc::new(open(folder.path()));
    let key = bench.key().await;
    let plan = bench.plan(None, Some(daily(50))).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    let calls = (0..200).map(|_| {
        let (bench, key) = (Arc::clone(&bench), Arc::clone(&key));
        tokio::spawn(async move { bench.call(&key, NOW).await.is_ok() })
    });
    let mut served = 0;
    for call in calls.collect::<Vec<_>>() {
        served += u32::from(call.await.unwrap());
    }
    assert_eq!(served, 50);
}

#[tokio::test]
async fn a_throttle_lets_a_burst_through() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let key = bench.key().await;
    let slow = Throttle {
        rate: 0.001,
        burst: 2,
    };
    let plan = bench.plan(Some(slow), None).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    assert!(bench.call(&key, NOW).await.is_ok());
    assert!(bench.call(&key, NOW).await.is_ok());
    let refused = bench.call(&key, NOW).await.unwrap_err();
    let NotServed::Throttled { retry_after_ms } = refused else {
        panic!("{refused}");
    };
    assert!((900_000..=1_000_000).contains(&retry_after_ms));
}

#[tokio::test]
async fn a_key_calls_the_stages_of_its_plans_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let (key, free) = (bench.key().await, bench.key().await);
    let plan = bench.plan(None, None).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    assert!(bench.usage.admit(&key, STAGE, NOW).await.is_ok());
    let elsewhere = bench.usage.admit(&key, "other/$default", NOW).await;
    assert!(matches!(elsewhere, Err(NotServed::NoPlan)));
    assert!(
        bench
            .usage
            .admit(&free, "other/$default", NOW)
            .await
            .is_ok()
    );

    let again = bench.usage.add_key(&plan.id, &key.id).await;
    assert!(matches!(again, Err(PlanError::HasKey)));
    let nobody = bench.usage.add_key(&plan.id, "nobody").await;
    assert!(matches!(nobody, Err(PlanError::NoKey)));
    let second = bench.plan(None, None).await;
    let two = bench.usage.add_key(&second.id, &key.id).await;
    assert!(matches!(two, Err(PlanError::TwoPlans(_, _))));
    bench.usage.remove_key(&plan.id, &key.id).await.unwrap();
    bench.usage.add_key(&second.id, &key.id).await.unwrap();
}

#[tokio::test]
async fn the_first_period_may_be_a_shorter_one() {
    let created = NOW;
    let quota = Quota {
        limit: 10,
        offset: 4,
        period: Period::Month,
    };
    assert_eq!(Plan::allowed(quota, created, NOW), 6);
    let next = quota.period.days(NOW).end();
    assert_eq!(Plan::allowed(quota, created, next), 10);
}

//! Plans over a real store: throttles, quotas, and what is left after a restart.

use std::path::Path;
use std::time::Duration;

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
        let pass = self
            .usage
            .admit(key, &called(STAGE, "/a", "GET"), now)
            .await?;
        let one = Amounts {
            requests: 1,
            ..Amounts::default()
        };
        self.usage.settle(&pass, &one);
        Ok(pass)
    }
}

fn called<'a>(stage: &'a str, path: &'a str, method: &'a str) -> Called<'a> {
    Called {
        stage,
        path,
        method,
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
    let (here, other) = (
        called(STAGE, "/", "GET"),
        called("other/$default", "/", "GET"),
    );
    assert!(bench.usage.admit(&key, &here, NOW).await.is_ok());
    let elsewhere = bench.usage.admit(&key, &other, NOW).await;
    assert!(matches!(elsewhere, Err(NotServed::NoPlan)));
    assert!(bench.usage.admit(&free, &other, NOW).await.is_ok());

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

const DAY: i64 = 86_400_000;

/// What is left of each of some calls; None where the quota was used up.
async fn left(bench: &Bench, key: &ApiKey, moments: &[Timestamp]) -> Vec<Option<u64>> {
    let mut left = vec![];
    for moment in moments {
        let pass = bench.call(key, *moment).await.ok();
        left.push(pass.map(|pass| pass.quota.unwrap().remaining));
    }
    left
}

#[tokio::test]
async fn a_clock_that_jumps_gives_no_quota_twice() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let key = bench.key().await;
    let plan = bench.plan(None, Some(daily(2))).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    let (before, after) = (NOW.plus_millis(-DAY), NOW.plus_millis(DAY));
    // To and fro over midnight: each day has its two, whenever it is visited.
    let to_and_fro = [NOW, after, NOW, before, after, NOW, before, after, before];
    let told = left(&bench, &key, &to_and_fro).await;
    let (one, none, over) = (Some(1), Some(0), None);
    assert_eq!(told, [one, one, none, one, none, over, none, over, over]);
    // So far ahead that what is known of today is forgotten, and back: meters know it.
    let far = NOW.plus_millis(400 * DAY);
    assert_eq!(
        left(&bench, &key, &[far, NOW, after]).await,
        [one, over, over]
    );
    // A plan that gets a smaller quota than was used has nothing left, and not less.
    let smaller = |plan: &mut Plan| {
        plan.quota = Some(daily(1));
        Ok(())
    };
    bench.usage.change_plan(&plan.id, smaller).await.unwrap();
    assert_eq!(left(&bench, &key, &[NOW, far]).await, [over, over]);
}

/// Else a restart would find one call less yesterday, and one more today.
#[tokio::test]
async fn a_call_that_ends_after_midnight_counts_on_the_day_on_which_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let key = bench.key().await;
    let plan = bench.plan(None, Some(daily(2))).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    let midnight = Period::Day.days(NOW).end();
    let just_before = midnight.plus_millis(-1);
    let to = called(STAGE, "/a", "GET");
    let pass = bench.usage.admit(&key, &to, just_before).await.unwrap();
    // Nothing asks what time it is: the pass knows.
    let one = Amounts {
        requests: 1,
        ..Amounts::default()
    };
    bench.usage.settle(&pass, &one);
    let (first, last) = (day_of(just_before), day_of(midnight));
    let used = bench.usage.of_key(Some(&plan.id), &key.id, first, last);
    let used = used.await.unwrap();
    assert_eq!((used.len(), used[0].day), (1, day_of(just_before)));
}

#[tokio::test]
async fn what_shall_be_left_is_left_until_the_period_ends() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let (key, other) = (bench.key().await, bench.key().await);
    let plan = bench.plan(None, Some(daily(2))).await;
    for key in [&key, &other] {
        bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    }
    let (one, none, over) = (Some(1), Some(0), None);
    assert_eq!(left(&bench, &key, &[NOW; 3]).await, [one, none, over]);
    let grant = |left| bench.usage.set_remaining(&plan.id, &key.id, left, NOW);
    grant(2).await.unwrap();
    assert_eq!(left(&bench, &key, &[NOW; 3]).await, [one, none, over]);
    assert_eq!(bench.usage.allowed_on(&plan, &key.id, NOW), Some(4));
    // Less than the plan gives is possible, too.
    grant(5).await.unwrap();
    grant(0).await.unwrap();
    assert_eq!(left(&bench, &key, &[NOW]).await, [over]);
    let tomorrow = NOW.plus_millis(DAY);
    assert_eq!(left(&bench, &key, &[tomorrow; 3]).await, [one, none, over]);
    assert_eq!(left(&bench, &other, &[NOW; 3]).await, [one, none, over]);

    // It ends with the key's place in the plan; what was used does not.
    grant(7).await.unwrap();
    bench.usage.remove_key(&plan.id, &key.id).await.unwrap();
    let gone = bench.usage.set_remaining(&plan.id, &key.id, 1, NOW).await;
    assert!(matches!(gone, Err(PlanError::NoKey)));
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    assert_eq!(left(&bench, &key, &[NOW]).await, [over]);
    let huge = bench.usage.set_remaining(&plan.id, &key.id, u64::MAX, NOW);
    assert!(matches!(huge.await, Err(PlanError::Invalid(_))));
    let free = bench.plan(None, None).await;
    let none = bench.usage.set_remaining(&free.id, &key.id, 1, NOW).await;
    assert!(
        none.is_err(),
        "a plan without a quota has nothing to be left"
    );
}

#[tokio::test]
async fn a_method_with_a_throttle_of_its_own_has_its_own_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let key = bench.key().await;
    let slow = |burst| Throttle { rate: 0.001, burst };
    let plan = bench.plan(Some(slow(1)), None).await;
    bench.usage.add_key(&plan.id, &key.id).await.unwrap();
    let set = |stage: &str, methods: Vec<(&str, Throttle)>| {
        let methods = methods.into_iter();
        let methods = methods.map(|(name, throttle)| (name.to_owned(), throttle));
        let methods = [(stage.to_owned(), methods.collect())];
        bench.usage.change_plan(&plan.id, |plan| {
            plan.methods = methods.into();
            Ok(())
        })
    };
    let changed = set(
        STAGE,
        vec![
            ("/a/GET", slow(2)),
            ("/b/{proxy+}/ANY", slow(1)),
            ("/a/ANY", slow(1)),
        ],
    );
    changed.await.unwrap();
    let let_in = async |path, method| {
        let called = called(STAGE, path, method);
        bench.usage.admit(&key, &called, NOW).await.is_ok()
    };
    for (path, method, expected) in [
        ("/a", "GET", true),
        ("/a", "GET", true),
        ("/a", "GET", false),
        ("/a", "PUT", true),
        ("/a", "PUT", false),
        ("/b/{proxy+}", "GET", true),
        ("/b/{proxy+}", "PUT", false),
        // All that have none share that of the plan.
        ("/c", "GET", true),
        ("/d", "GET", false),
    ] {
        assert_eq!(let_in(path, method).await, expected, "{method} {path}");
    }
    for (stage, name) in [
        (STAGE, "/a"),
        (STAGE, "/a/get"),
        (STAGE, "/a/"),
        ("x/y", "/a/GET"),
    ] {
        let refused = set(stage, vec![(name, slow(1))]).await;
        assert!(
            matches!(refused, Err(PlanError::Invalid(_))),
            "{stage} {name}"
        );
    }
    assert!(set(STAGE, vec![("/a/GET", slow(0))]).await.is_err());
}

#[tokio::test]
async fn a_move_that_is_given_up_in_the_midst_counts_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let key = bench.key().await;
    let rounds = 10;
    for _ in 0..rounds {
        bench.call(&key, NOW).await.unwrap();
        let before = bench.store.commits().count;
        {
            // As when the engine is stopped just when the database has it.
            let mut fold = std::pin::pin!(bench.usage.fold());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            while fold.as_mut().poll(&mut context).is_pending() {
                let asked = Instant::now();
                while bench.store.commits().count == before
                    && asked.elapsed() < Duration::from_millis(20)
                {
                    tokio::task::yield_now().await;
                }
                if bench.store.commits().count > before {
                    break;
                }
            }
        }
        bench.usage.fold().await;
    }
    let day = day_of(NOW);
    let used = bench.usage.of_key(None, &key.id, day, day).await.unwrap();
    let used: u64 = used.iter().map(|reading| reading.amounts.requests).sum();
    assert_eq!(used, rounds);
}

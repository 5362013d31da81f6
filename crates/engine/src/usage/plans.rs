//! What clients do with usage plans.

use std::sync::Arc;

use types::Timestamp;

use super::Usage;
use super::error::PlanError;
use super::model::{NewPlan, Plan};
use crate::api_keys::random_id;
use crate::book::{Draft, Pages};

/// What AWS lets an account have.
const MOST: usize = 300;

impl Usage {
    /// Sorted by when they were made.
    pub fn plans(&self) -> Vec<Arc<Plan>> {
        let mut all: Vec<_> = self.plans.read().values().cloned().collect();
        all.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        all
    }

    pub fn plan(&self, id: &str) -> Result<Arc<Plan>, PlanError> {
        self.plans.get(id).ok_or(PlanError::NotFound)
    }

    pub async fn create_plan(&self, new: NewPlan) -> Result<Arc<Plan>, PlanError> {
        let id = random_id().map_err(PlanError::Random)?;
        let plan = Plan {
            id,
            name: new.name,
            description: new.description.unwrap_or_default(),
            created: Timestamp::now(),
            stages: new.stages.into_iter().collect(),
            methods: new.methods,
            throttle: new.throttle,
            quota: new.quota,
            keys: std::collections::BTreeSet::new(),
            tags: new.tags,
        };
        plan.check()?;
        self.plans
            .change(|draft| {
                if draft.pages().len() >= MOST {
                    return Err(PlanError::TooMany(MOST));
                }
                Ok(draft.put(plan.id.clone(), plan))
            })
            .await
    }

    /// Changes a plan; what comes of it must be one that could have been made so.
    pub async fn change_plan(
        &self,
        id: &str,
        change: impl FnOnce(&mut Plan) -> Result<(), PlanError>,
    ) -> Result<Arc<Plan>, PlanError> {
        self.plans
            .change(|draft| {
                let mut plan = copy(draft, id)?;
                change(&mut plan)?;
                plan.check()?;
                check_apart(draft.pages(), &plan)?;
                Ok(draft.put(plan.id.clone(), plan))
            })
            .await
    }

    /// Only of a plan that bounds nothing any more: its keys have no bounds afterwards.
    pub async fn delete_plan(&self, id: &str) -> Result<(), PlanError> {
        self.plans
            .change(|draft| {
                if !copy(draft, id)?.stages.is_empty() {
                    return Err(PlanError::HasStages);
                }
                draft.remove(id);
                Ok(())
            })
            .await
    }

    pub async fn add_key(&self, plan: &str, key: &str) -> Result<Arc<Plan>, PlanError> {
        if self.keys.get(key).is_err() {
            return Err(PlanError::NoKey);
        }
        self.change_plan(plan, |plan| {
            if plan.keys.insert(key.to_owned()) {
                Ok(())
            } else {
                Err(PlanError::HasKey)
            }
        })
        .await
    }

    pub async fn remove_key(&self, plan: &str, key: &str) -> Result<Arc<Plan>, PlanError> {
        let removed = self.change_plan(plan, |plan| {
            if plan.keys.remove(key) {
                Ok(())
            } else {
                Err(PlanError::HasNotKey)
            }
        });
        let left = removed.await?;
        self.end_grant(plan, key).await?;
        Ok(left)
    }
}

fn copy(draft: &Draft<Plan>, id: &str) -> Result<Plan, PlanError> {
    let found = draft.pages().get(id);
    found
        .map(|plan| Plan::clone(plan))
        .ok_or(PlanError::NotFound)
}

/// A key has one plan for a stage.
fn check_apart(pages: &Pages<Plan>, plan: &Plan) -> Result<(), PlanError> {
    let others = pages.values().filter(|other| other.id != plan.id);
    for other in others {
        let shares_key = other.keys.intersection(&plan.keys).next().is_some();
        if let Some(stage) = other.stages.intersection(&plan.stages).next()
            && shares_key
        {
            return Err(PlanError::TwoPlans(other.name.clone(), stage.clone()));
        }
    }
    Ok(())
}

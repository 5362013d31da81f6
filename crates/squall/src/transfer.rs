//! Moving many files: what there is on both sides, what is to be done, and doing it.
//!
//! Reading order: [`tree`] what there is; [`plan`] what is to be done, without
//! doing it; [`content`] whether a file has an object's bytes; [`run`] doing it,
//! several at once; [`report`] what came of it; [`folder`] all of it for a folder of a project.

mod content;
mod folder;
mod plan;
mod report;
mod run;
mod tree;

pub use content::has_tag;
pub use folder::{FolderPlan, plan_folder, send_folder};
pub use plan::{Direction, Plan, compare_trees};
pub use report::{Failed, Outcome, count};
pub use run::{Action, Job, guessed, run};
pub use tree::{Item, Tree, local_tree, remote_tree, safe_path};

//! What tests of this crate share.

use std::collections::BTreeMap;
use std::path::Path;

use project::Project;
use project::model::{Architecture, Entry, Function, FunctionRuntime, Requirements, Start};

/// A Python function of this folder, with nothing special.
pub(crate) fn function(source: &Path) -> Function {
    Function {
        runtime: FunctionRuntime::Python {
            major: 3,
            minor: 11,
        },
        entry: Entry::Handler("handler.lambda_handler".to_owned()),
        source: source.to_owned(),
        include: vec![],
        exclude: vec![],
        requirements: Requirements::None,
        packages: Requirements::None,
        layers: vec![],
        architecture: Architecture::X86_64,
        memory_mb: 512,
        timeout_s: 30,
        tmp_mb: 512,
        environment: BTreeMap::new(),
        secrets: vec![],
        concurrency: None,
        start: Start::Fork,
        keep_warm: None,
        retries: None,
        max_age_s: None,
        on_success: None,
        on_failure: None,
        url: None,
        calls: vec![],
        reads: vec![],
        writes: vec![],
        permissions: vec![],
        item: None,
        slim: false,
    }
}

/// A project of this folder with no functions yet.
pub(crate) fn project(root: &Path) -> Project {
    Project {
        root: root.to_owned(),
        name: "p".to_owned(),
        stage: "dev".to_owned(),
        region: None,
        functions: BTreeMap::new(),
        buckets: BTreeMap::new(),
        routes: vec![],
        auth: BTreeMap::new(),
        gateway: project::model::Gateway::default(),
        schedules: BTreeMap::new(),
        triggers: vec![],
        log_days: 14,
        assumed: vec![],
    }
}

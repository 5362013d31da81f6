//! Folders, files and stages: what comes of them.

use std::fs;
use std::path::Path;

use crate::model::{BucketRef, FunctionRuntime, Objects};
use proptest::prelude::*;

use crate::{Project, ProjectError};

const F: &str = "[functions.f]\nhandler = \"f.handler\"\n";

/// A project with a file `f.py`, one `model.R`, and a folder `site`.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("f.py"), "def handler(e, c): ...\n").unwrap();
    fs::write(path.join("model.R"), "predict <- function(x) x\n").unwrap();
    fs::create_dir(path.join("site")).unwrap();
    fs::write(path.join("squall.toml"), text).unwrap();
    folder
}

#[test]
fn a_stage_overrides_and_must_be_known() {
    let text = format!(
        "[project]\nname = \"p\"\n{F}memory = 256\n\
         [stages.prod.functions.f]\nmemory = 1024\ncalls = [\"f\"]\n\
         [stages.prod.project]\nlog_days = 90\nregion = \"eu-central-1\"\n"
    );
    let folder = folder(&text);
    let load = |stage| Project::load(folder.path(), stage);
    let dev = load(None).unwrap();
    assert_eq!(
        (
            dev.stage.as_str(),
            dev.log_days,
            dev.functions["f"].memory_mb
        ),
        ("dev", 14, 256)
    );
    assert_eq!(dev, load(Some("dev")).unwrap());
    let prod = load(Some("prod")).unwrap();
    assert_eq!((prod.log_days, prod.functions["f"].memory_mb), (90, 1024));
    assert_eq!(prod.functions["f"].calls, ["f"]);
    assert_eq!(prod.region.as_deref(), Some("eu-central-1"));
    let unknown = load(Some("prd")).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the project has no stage \"prd\"; it has dev, prod"
    );
    assert_eq!(unknown.hint().as_deref(), Some("did you mean prod?"));
    assert!(matches!(
        load(Some("a b")),
        Err(ProjectError::BadStage { .. })
    ));
    fs::write(folder.path().join("squall.toml"), F).unwrap();
    assert_eq!(load(Some("any")).unwrap().stage, "any");
}

#[test]
fn all_that_can_be_said_is_understood() {
    let folder = folder(
        r#"
        [project]
        name = "lab"
        stage = "test"
        log_days = 30
        [functions.f]
        handler = "f.handler"
        runtime = "python3.12"
        requirements = ["numpy==2.4.6"]
        architecture = "arm64"
        environment = { BUCKET = "${bucket.lake}", RATE = 0.5, DEBUG = true, NN = 3 }
        "#,
    );
    let project = Project::load(folder.path(), None).unwrap_err();
    assert!(
        project
            .to_string()
            .contains("the project has no bucket lake")
    );
    let text = fs::read_to_string(folder.path().join("squall.toml")).unwrap()
        + r#"
        reads = ["lake/raw/*", "arn:aws:s3:::theirs"]
        keep_warm = { instances = 2 }
        url = { signed = true, cors = ["*"] }
        [functions.r]
        handler = "model.predict"
        [[routes]]
        path = "/"
        map = "f"
        options = { chunksize = 10, compression = false, id_column = "user" }
        [buckets.lake]
        folder = "./site/"
        site = true
        "#;
    fs::write(folder.path().join("squall.toml"), text).unwrap();
    let project = Project::load(folder.path(), None).unwrap();
    let f = &project.functions["f"];
    assert_eq!(
        f.runtime,
        FunctionRuntime::Python {
            major: 3,
            minor: 12
        }
    );
    let variables: Vec<String> = f.environment.values().map(ToString::to_string).collect();
    assert_eq!(variables, ["${bucket.lake}", "true", "3", "0.5"]);
    assert_eq!(
        project.functions["r"].runtime,
        FunctionRuntime::R { version: None }
    );
    let objects = |bucket, prefix: &str| Objects {
        bucket,
        prefix: prefix.to_owned(),
    };
    assert_eq!(
        f.reads,
        [
            objects(BucketRef::Project("lake".into()), "raw/"),
            objects(BucketRef::Foreign("theirs".into()), ""),
        ]
    );
    assert_eq!(
        project.buckets["lake"].folder.as_deref(),
        Some(project.root.join("site").as_path())
    );
}

#[test]
fn a_folder_with_a_handler_is_a_project() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("trend");
    fs::create_dir(&root).unwrap();
    let nothing = Project::load(&root, None).unwrap_err();
    assert!(matches!(nothing, ProjectError::Nothing { .. }), "{nothing}");
    assert!(nothing.hint().is_some());
    fs::write(
        root.join("handler.py"),
        "def lambda_handler(event, context): ...\n",
    )
    .unwrap();
    fs::write(root.join("requirements.txt"), "scipy\n").unwrap();
    let project = Project::load(&root, None).unwrap();
    assert_eq!(
        project.assumed,
        [
            "the project's name is trend, after its folder",
            "function handler is handler.lambda_handler, found in handler.py",
            "handler runs on python3.11, as nothing says another",
            "handler needs what requirements.txt says",
            "handler gets 512 MB of memory and 30 s",
        ]
    );
}

#[test]
fn an_app_is_open_unless_something_else_is_said() {
    let url = |more: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.py"), "app = Flask('x')\n").unwrap();
        fs::write(
            folder.path().join("squall.toml"),
            format!("[functions.w]\n{more}\n"),
        )
        .unwrap();
        let project = Project::load(folder.path(), None).unwrap();
        project.functions["w"].url.is_some()
    };
    assert!(url(""));
    assert!(!url("url = false"));
    assert!(!url("[[routes]]\npath = \"$default\"\nfunction = \"w\""));
}

#[test]
fn what_is_no_project_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Project::load(folder.path(), None).unwrap_err();
    let file = folder.path().join("squall.toml");
    fs::write(&file, b"a = \"\xff\"").unwrap();
    assert!(matches!(load(), ProjectError::NoText { at: 5, .. }));
    fs::write(&file, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert!(matches!(load(), ProjectError::TooLarge { .. }));
    fs::write(
        &file,
        format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000)),
    )
    .unwrap();
    assert!(matches!(load(), ProjectError::Mistakes { .. }));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(load(), ProjectError::Unreadable { .. }));
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("squall.toml", &file).unwrap();
    assert!(matches!(load(), ProjectError::Unreadable { .. }));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    assert!(matches!(load(), ProjectError::Unreadable { .. }));
    let nowhere = Project::load(Path::new("/nowhere/at/all"), None).unwrap_err();
    assert!(matches!(nowhere, ProjectError::Unreadable { .. }));
}

/// What is compared pair by pair would take minutes.
#[test]
fn a_file_with_more_than_anyone_writes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: String| fs::write(folder.path().join("squall.toml"), text).unwrap();
    let many = |line: &dyn Fn(usize) -> String| (0..30_000).map(line).collect::<String>();
    let said = || Project::load(folder.path(), None).unwrap_err().to_string();
    write(many(&|n| format!("[functions.f{n}]\n")));
    assert!(said().contains("there are 30000; a project has up to 300"));
    write(many(&|_| "[[routes]]\n".to_owned()));
    assert!(said().contains("routes: there are 30000"), "{}", said());
    write(many(&|n| format!("k{n} = 1\n")));
    assert!(said().contains("has 100 mistakes"), "{}", said());
}

#[test]
fn a_file_without_a_handler_says_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("handler.py");
    fs::write(&file, "def _x(): ...\ndef handle(event, context): ...\n").unwrap();
    let error = Project::load(folder.path(), None).unwrap_err();
    let expected = ": handler.py has no function lambda_handler or handler; it has handle";
    assert!(error.to_string().ends_with(expected), "{error}");
    let hint = "in squall.toml, handler = \"handler.handle\" names one";
    assert_eq!(error.hint().as_deref(), Some(hint));
    fs::write(folder.path().join("squall.toml"), "[functions.f]\n").unwrap();
    let error = Project::load(folder.path(), None).unwrap_err();
    assert!(
        error.to_string().contains("and handler.py has no function"),
        "{error}"
    );
    assert_eq!(error.hint().as_deref(), Some(hint));
}

#[test]
fn a_slip_in_a_stage_makes_no_second_function() {
    let folder = folder(&format!("{F}[stages.prod.functions.ff]\nmemory = 512\n"));
    let error = Project::load(folder.path(), None).unwrap_err();
    let expected = "squall.toml:3:24: stages.prod.functions.ff: the project has no function ff";
    assert_eq!(error.to_string(), expected);
    let text = format!("{F}[stages.prod.functions.ff]\nhandler = \"f.handler\"\n");
    fs::write(folder.path().join("squall.toml"), text).unwrap();
    let functions = |stage| Project::load(folder.path(), stage).unwrap().functions.len();
    assert_eq!((functions(None), functions(Some("prod"))), (1, 2));
}

#[test]
fn a_stage_may_change_a_function_that_was_found() {
    let folder = folder("[stages.prod.functions.f]\nmemory = 1024\n");
    let memory = |stage| {
        let project = Project::load(folder.path(), stage).unwrap();
        let all = project.functions.iter();
        let all: Vec<_> = all.map(|(name, f)| (name.clone(), f.memory_mb)).collect();
        all
    };
    assert_eq!(memory(None), [("f".to_owned(), 512)]);
    assert_eq!(memory(Some("prod")), [("f".to_owned(), 1024)]);
}

#[test]
fn the_project_of_a_folder_may_lie_above_it() {
    let folder = folder(F);
    let below = folder.path().join("site/deep");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("handler.py"), "def handler(e, c): ...\n").unwrap();
    let above = Project::load(folder.path(), None).unwrap();
    let found = Project::load(&below, None).unwrap();
    assert_eq!(found.root, above.root);
    let expected = format!("the project is that of {}", above.root.display());
    assert_eq!(found.assumed.first(), Some(&expected));
}

#[test]
fn a_wrong_function_is_told_once() {
    let text = "[functions.f]\nsource = \"no/folder\"\n\
                [[routes]]\npath = \"/\"\nfunction = \"f\"\n";
    let error = Project::load(folder(text).path(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "squall.toml:2:10: functions.f.source: there is no folder no/folder"
    );
}

proptest! {
    #[test]
    fn no_text_is_too_strange(
        lines in prop::collection::vec(
            "(\\[\\[?(project|functions\\.f|routes|buckets\\.b|stages\\.dev\\.routes|x)\\]\\]?|(name|handler|memory|path|methods|function|environment|url|reads) = (\"[a-z.$\\{}/*-]{0,8}\"|[0-9-]{1,4}|true|\\[[a-z\",]{0,6}\\]|\\{ *\\}))",
            0..8,
        ),
    ) {
        let folder = folder(&lines.join("\n"));
        // Whatever it answers, it answers.
        if let Err(error) = Project::load(folder.path(), None) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_project_is_known_by_its_name_while_its_functions_are_being_mended() {
    let broken = folder(
        "[project]\nname = \"p\"\nregion = \"eu-west-1\"\n[functions.f]\nhandler = \"gone.f\"\n\
         memroy = 1\n[[routes]]\npath = 1\n[buckets.lake]\nname = \"our-lake\"\n\
         [stages.prod.project]\nregion = \"us-east-1\"\n",
    );
    assert!(Project::load(broken.path(), None).is_err());
    let project = Project::identify(broken.path(), Some("prod")).unwrap();
    let known = (&*project.name, &*project.stage, project.region.as_deref());
    assert_eq!(known, ("p", "prod", Some("us-east-1")));
    assert_eq!(project.buckets["lake"].name.as_deref(), Some("our-lake"));
    assert!(project.functions.is_empty() && project.assumed.is_empty());
    // Under another name it would be another project.
    let nameless = folder("[project]\nname = 7\n");
    assert!(Project::identify(nameless.path(), None).is_err());
    assert!(Project::identify(broken.path(), Some("pord")).is_err());
}

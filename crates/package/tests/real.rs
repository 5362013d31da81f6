//! Real packages in real jails. What needs a package index is in tests/test_package.py.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use package::{Options, PackageError, Place, Say, Test};
use project::Project;
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
    cache: PathBuf,
    options: Options,
}

fn helper() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples/package_jail")
}

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

fn python_folders() -> Vec<PathBuf> {
    let mut folders = path();
    if let Some(home) = std::env::var_os("HOME") {
        let versions = PathBuf::from(home).join(".pyenv/versions");
        for entry in fs::read_dir(versions).into_iter().flatten().flatten() {
            folders.push(entry.path().join("bin"));
        }
    }
    folders
}

fn bench(files: &[(&str, &str)]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join("project").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let cache = folder.path().join("cache");
    Bench {
        options: Options {
            cache: cache.clone(),
            python_folders: python_folders(),
            programs: path(),
            helper: Some(helper()),
            origin: String::new(),
            place: Place::Engine,
            slim: false,
            test: Test::Always,
            unpacked_bytes_max: 250 << 20,
            fresh: false,
            say: Say::nothing(),
        },
        cache,
        folder,
    }
}

impl Bench {
    fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn project(&self) -> Project {
        Project::load(&self.root(), None).unwrap()
    }

    async fn build(&self) -> Result<package::Package, PackageError> {
        let project = self.project();
        let name = project.functions.keys().next().unwrap();
        package::build(&project, name, &self.options).await
    }
}

fn names(zip: &Path) -> Vec<String> {
    let zip = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let mut names: Vec<String> = zip.file_names().map(str::to_owned).collect();
    names.sort();
    names
}

const PLAIN: &str = "def lambda_handler(event, context):\n    return event\n";

#[tokio::test]
async fn a_plain_handler_is_one_small_zip_and_the_same_every_time() {
    let bench = bench(&[("handler.py", PLAIN), ("README.md", "x")]);
    let first = bench.build().await.unwrap();
    assert_eq!(names(&first.code.path), ["handler.py"]);
    assert_eq!(first.handler, "handler.lambda_handler");
    assert!(first.layers.is_empty() && first.environment.is_empty());
    let touched = fs::File::open(bench.root().join("handler.py")).unwrap();
    touched
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(bench.build().await.unwrap().code, first.code);
    let scratch = fs::read_dir(bench.cache.join("scratch")).unwrap();
    assert_eq!(scratch.count(), 0, "nothing is left");
}

#[tokio::test]
async fn what_is_imported_and_not_there_is_named_with_its_place() {
    for (code, place, module, hint) in [
        (
            "import os\nimport sklearn\n",
            "line 2",
            "sklearn",
            "scikit-learn",
        ),
        ("import jsom\n", "line 1", "jsom", "did you mean json?"),
        ("import zzqqxy\n", "line 1", "zzqqxy", "spelled right"),
        (
            "from tests import x\n",
            "line 1",
            "tests",
            "include = [\"tests\"]",
        ),
    ] {
        let code = format!("{code}{PLAIN}");
        let bench = bench(&[("handler.py", &code), ("tests/__init__.py", "x = 1\n")]);
        let error = bench.build().await.unwrap_err();
        let (text, advice) = (error.to_string(), error.hint().unwrap());
        assert!(text.contains(place) && text.contains(module), "{text}");
        assert!(advice.contains(hint), "{advice}");
        assert_eq!(error.blame(), package::Blame::Function);
    }
}

#[tokio::test]
async fn code_that_fails_as_it_loads_is_shown_with_its_words() {
    for (code, words) in [
        ("x = 1 / 0\n", &["ZeroDivisionError", "x = 1 / 0"][..]),
        ("def f(:\n", &["SyntaxError", "handler.py"][..]),
        ("print('before')\nraise SystemExit(3)\n", &["before"][..]),
        ("pass\n", &["HandlerNotFound", "lambda_handler"][..]),
    ] {
        let bench = bench(&[
            ("handler.py", code),
            (
                "squall.toml",
                "[project]\nname = \"p\"\n[functions.f]\nhandler = \"handler.lambda_handler\"\n",
            ),
        ]);
        let error = bench.build().await.unwrap_err();
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(matches!(error, PackageError::UserCode { .. }));
        let mut untested = bench;
        untested.options.test = Test::Never;
        assert!(untested.build().await.is_ok());
    }
}

#[tokio::test]
async fn what_passed_is_not_tried_again_and_what_changed_is() {
    let mut bench = bench(&[("handler.py", PLAIN)]);
    bench.build().await.unwrap();
    // Broken, but with the same imports: only the thorough test sees it.
    fs::write(
        bench.root().join("handler.py"),
        format!("{PLAIN}x = 1 / 0\n"),
    )
    .unwrap();
    bench.options.test = Test::Changed;
    assert!(bench.build().await.is_ok());
    bench.options.test = Test::Always;
    assert!(bench.build().await.is_err());
    bench.options.test = Test::Changed;
    fs::write(
        bench.root().join("handler.py"),
        format!("import zzqqxy\n{PLAIN}"),
    )
    .unwrap();
    assert!(bench.build().await.is_err());
}

#[tokio::test]
async fn an_environment_and_secrets_are_there_as_it_loads() {
    let code = format!("import os\nassert os.environ['MODE'] == 'x'\nos.environ['KEY']\n{PLAIN}");
    let bench = bench(&[
        ("handler.py", &code),
        (
            "squall.toml",
            "[project]\nname = \"p\"\n[functions.f]\nhandler = \"handler.lambda_handler\"\n\
             secrets = [\"KEY\"]\nenvironment = { MODE = \"x\" }\n",
        ),
    ]);
    let package = bench.build().await.unwrap();
    assert_eq!(package.handler, "squall.entry.handler");
    assert_eq!(
        package.environment["SQUALL_HANDLER"],
        "handler.lambda_handler"
    );
    assert!(names(&package.code.path).contains(&"squall/entry.py".to_owned()));
}

#[tokio::test]
async fn an_r_script_gets_its_bootstrap_where_nobody_else_has_one() {
    let mut bench = bench(&[
        ("model.R", "predict_one <- function(event) event\n"),
        (
            "squall.toml",
            "[project]\nname = \"p\"\n[functions.f]\nruntime = \"r\"\nhandler = \"model.predict_one\"\n",
        ),
    ]);
    // The engine has R as a runtime.
    let package = bench.build().await.unwrap();
    assert_eq!(package.runtime, "r");
    assert_eq!(package.handler, "model.predict_one");
    assert_eq!(names(&package.code.path), ["model.R"]);
    assert!(package.layers.is_empty() && package.notes.is_empty());
    bench.options.place = Place::Aws;
    let package = bench.build().await.unwrap();
    assert_eq!(package.runtime, "provided.al2023");
    assert_eq!(package.handler, "model.predict_one");
    assert!(package.notes[0].contains("squall layer build r"));
    let zip = fs::File::open(&package.code.path).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let mode = zip.by_name("bootstrap").unwrap().unix_mode().unwrap();
    assert_eq!(mode & 0o777, 0o755);
}

#[tokio::test]
async fn a_program_is_built_and_must_be_one() {
    let project = |build: &str| {
        format!(
            "[project]\nname = \"p\"\n[functions.f]\nruntime = \"provided.al2023\"\n\
             build = \"{build}\"\n"
        )
    };
    for (build, words) in [
        (
            "printf '#!/bin/sh\\\\n' > bootstrap; chmod +x bootstrap",
            "",
        ),
        ("echo why not; exit 3", "why not"),
        ("true", "no bootstrap in"),
        ("echo x > bootstrap", "can be executed"),
    ] {
        let bench = bench(&[("main.c", ""), ("squall.toml", &project(build))]);
        match bench.build().await {
            Ok(package) => {
                assert_eq!(words, "", "{build}");
                assert!(names(&package.code.path).contains(&"bootstrap".to_owned()));
            }
            Err(error) => {
                let text = error.to_string();
                assert!(!words.is_empty() && text.contains(words), "{build}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_too_large_comes_with_the_tree() {
    let mut bench = bench(&[("handler.py", PLAIN), ("data/model.bin", &"x".repeat(5000))]);
    bench.options.unpacked_bytes_max = 4000;
    let error = bench.build().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("over the limit of 3.9 KB") && text.contains("data/"),
        "{text}"
    );
    assert_eq!(error.blame(), package::Blame::Limit);
}

#[tokio::test]
async fn a_handler_that_is_not_there_is_missed() {
    let bench = bench(&[
        ("other.py", PLAIN),
        (
            "squall.toml",
            "[project]\nname = \"p\"\n[functions.f]\nhandler = \"handler.lambda_handler\"\n",
        ),
    ]);
    // Reading the project finds most of it; what it lets pass is found here.
    match Project::load(&bench.root(), None) {
        Err(error) => assert!(error.to_string().contains("handler"), "{error}"),
        Ok(project) => {
            let error = package::build(&project, "f", &bench.options)
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains("there is no handler.py"),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("other.py"));
        }
    }
}

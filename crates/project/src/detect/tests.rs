//! Folders as people have them.

use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn handlers_and_apps_are_found() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[(
                "handler.py",
                "def lambda_handler(event, context):\n    pass\n",
            )],
            "handler.lambda_handler",
        ),
        (
            &[("handler.py", "import x\nhandler = x.mapped(f)\n")],
            "handler.handler",
        ),
        (
            &[("main.py", "async def handler(e, c): ...\n")],
            "main.handler",
        ),
        (&[("fit.py", "def handler(e, c): ...\n")], "fit.handler"),
        (
            &[("fit.py", "def handler(e, c): ...\n"), ("test_fit.py", "")],
            "fit.handler",
        ),
        (
            &[("app.py", "from flask import Flask\napp = Flask(__name__)\n")],
            "app:app",
        ),
        (
            &[("main.py", "api: FastAPI = fastapi.FastAPI(title='x')\n")],
            "main:api",
        ),
        (&[("app.py", "def create_app():\n")], "app:create_app()"),
        (
            &[("app.py", "app = Flask('x')\nhandler = Mangum(app)\n")],
            "app.handler",
        ),
        (
            &[("model.R", "predict <- function(gre, gpa) {\n")],
            "model.predict",
        ),
        (
            &[(
                "model.R",
                "a <- function(x) x\nhandler = function (event) {}\n",
            )],
            "model.handler",
        ),
        (
            &[("Cargo.toml", "[package]\nname = \"fast\"\n")],
            "bootstrap",
        ),
        (&[("bootstrap", "#!/bin/sh\n")], "bootstrap"),
        (
            &[
                ("app/main.py", "app = FastAPI()\n"),
                ("tests/__init__.py", "app = Flask('x')\n"),
            ],
            "app.main:app",
        ),
        (
            &[
                ("shop/__init__.py", "def create_app():\n"),
                ("setup.py", ""),
            ],
            "shop:create_app()",
        ),
        (
            &[
                ("site1/__init__.py", ""),
                ("site1/wsgi.py", "application = get_wsgi_application()\n"),
            ],
            "site1.wsgi:application",
        ),
        (
            &[
                ("DESCRIPTION", ""),
                ("R/fit.R", "handler <- function(event) 1\n"),
            ],
            "R/fit.handler",
        ),
    ];
    for (files, expected) in cases {
        let folder = folder(files);
        let found = code(folder.path());
        let found = found.unwrap_or_else(|| panic!("{files:?}"));
        assert_eq!(found.entry.name(), *expected, "{files:?}");
    }
}

#[test]
fn what_only_looks_like_a_handler_is_none() {
    for files in [
        &[][..],
        &[(
            "handler.py",
            "def lambda_handler_of(x): ...\n    def lambda_handler(): ...\n",
        )],
        &[("handler.py", "handler == 3\n")],
        &[
            ("a.py", "def handler(e, c): ...\n"),
            ("b.py", "def handler(e, c): ...\n"),
        ],
        &[("app.py", "def create_app(settings):\n")],
        &[("app.py", "app = Flaskish()\n")],
        &[("model.R", "a <- function(x) x\nb <- function(x) x\n")],
        &[("Cargo.toml", "[workspace]\n")],
        &[("Cargo.toml", "[package\n")],
    ] {
        let folder = folder(files);
        assert_eq!(code(folder.path()), None, "{files:?}");
    }
}

#[test]
fn requirements_are_taken_from_where_they_say_something() {
    let folder = folder(&[("pyproject.toml", "[tool.ruff]\nline-length = 100\n")]);
    let (root, source) = (folder.path(), folder.path().join("src"));
    fs::create_dir(&source).unwrap();
    assert_eq!(requirements(root, &source), None);
    fs::write(
        root.join("pyproject.toml"),
        "[project]\ndependencies = []\n",
    )
    .unwrap();
    assert_eq!(
        requirements(root, &source),
        Some(root.join("pyproject.toml"))
    );
    fs::write(root.join("uv.lock"), "").unwrap();
    assert_eq!(requirements(root, &source), Some(root.join("uv.lock")));
    fs::write(source.join("requirements.txt"), "").unwrap();
    assert_eq!(
        requirements(root, &source),
        Some(source.join("requirements.txt"))
    );
}

#[test]
fn names_of_projects_come_from_folders() {
    for (folder, name) in [
        ("/x/linregress", "linregress"),
        ("/x/My Model (v2)", "my-model-v2"),
        ("/x/2026-forecast", "forecast"),
        ("/x/___", "project"),
        ("/x/ä", "project"),
        ("/", "project"),
    ] {
        assert_eq!(project_name(Path::new(folder)), name, "{folder}");
    }
    let long = project_name(Path::new(&format!("/{}", "ab-".repeat(40))));
    assert!(long.len() <= MAX_PROJECT_NAME && !long.ends_with('-'));
}

#[test]
fn python_is_the_one_that_is_pinned() {
    let folder = folder(&[(
        "pyproject.toml",
        "[project]\nrequires-python = \">=3.12\"\n",
    )]);
    let minor = |minor| FunctionRuntime::Python { major: 3, minor };
    assert_eq!(python(folder.path()), (minor(12), "by pyproject.toml"));
    fs::write(folder.path().join(".python-version"), "3.13.1\n").unwrap();
    assert_eq!(python(folder.path()), (minor(13), "by .python-version"));
    fs::write(folder.path().join(".python-version"), "pypy\n").unwrap();
    assert_eq!(python(folder.path()), (minor(12), "by pyproject.toml"));
}

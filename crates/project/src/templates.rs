//! Projects to begin with. Their files lie in `templates/` beside this crate's sources,
//! are tried there by their own tests, and are carried in the binary.

/// A project to begin with.
#[derive(Debug)]
pub struct Template {
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Paths and contents.
    pub files: &'static [(&'static str, &'static str)],
}

macro_rules! template {
    ($name:literal, $about:literal, [$($file:literal),* $(,)?]) => {
        Template {
            name: $name,
            about: $about,
            files: &[$((
                $file,
                include_str!(concat!("../templates/", $name, "/", $file)),
            )),*],
        }
    };
}

/// In the order in which they are offered.
pub static ALL: [Template; 5] = [
    template!(
        "handler",
        "a script as a function: fits a line through points with scipy",
        [
            "squall.toml",
            "README.md",
            "handler.py",
            "requirements.txt",
            "event.json",
            "test_handler.py",
        ]
    ),
    template!(
        "csv-features",
        "a CSV in, features of each of its series out, computed in parallel",
        [
            "squall.toml",
            "README.md",
            "features.py",
            "requirements.txt",
            "client.py",
            "test_features.py",
        ]
    ),
    template!(
        "pipeline",
        "data lands in a bucket, is cleaned, a model is fitted and asked",
        [
            "squall.toml",
            "README.md",
            "clean.py",
            "refit.py",
            "predict.py",
            "requirements.txt",
            "data/day.csv",
            "test_pipeline.py",
        ]
    ),
    template!(
        "web-app",
        "a Flask app with pandas: files are uploaded, charts downloaded",
        [
            "squall.toml",
            "README.md",
            "app.py",
            "requirements.txt",
            "test_app.py",
        ]
    ),
    template!(
        "r-model",
        "a model behind an API, without R and in R, with a page in front",
        [
            "squall.toml",
            "README.md",
            "model.R",
            "models/admission.rds",
            "service.R",
            "page/index.html",
            "applicants.csv",
            "test.R",
        ]
    ),
];

pub fn named(name: &str) -> Option<&'static Template> {
    ALL.iter().find(|template| template.name == name)
}

//! What was asked, with nothing left that depends on where and when: it is kept with
//! the job, and enough to begin it anew from any directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source::{self, STREAM};
use crate::args::{Choices, Global, MapArgs, MapTarget};
use crate::failure::{Failure, Kind};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// As it was named, with version or alias.
    pub function: String,
    /// An absolute path, `s3://BUCKET/KEY`, or `-` for what comes on stdin.
    pub input: String,
    /// An absolute path; none is stdout.
    pub output: Option<String>,
    /// Set where it was named by `--endpoint`.
    pub endpoint: Option<String>,
    pub choices: Choices,
}

impl Recipe {
    pub fn new(global: &Global, args: &MapArgs) -> Result<Self, Failure> {
        let (Some(function), Some(input)) = (&args.function, &args.input) else {
            return Err(Failure::mistake("a map needs a function and an input"));
        };
        let output = args.output.as_deref().filter(|path| *path != STREAM);
        Ok(Self {
            function: function.clone(),
            input: if input == STREAM || input.starts_with("s3://") {
                input.clone()
            } else {
                absolute(input)?
            },
            output: output.map(absolute).transpose()?,
            endpoint: global.endpoint.clone(),
            choices: args.choices.clone(),
        })
    }

    pub fn read(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|error| {
            let error = anyhow::Error::new(error).context("this job was not made by squall map");
            Failure::new(Kind::Mistake, error)
        })
    }

    pub fn written(&self) -> String {
        serde_json::to_string(self).expect("a recipe is plain data")
    }

    pub fn place(&self) -> MapTarget {
        self.choices.to.unwrap_or_default()
    }

    /// The input's name for people.
    pub fn shown_input(&self) -> &str {
        source::shown(&self.input)
    }
}

/// Without looking at it: the file need not be there yet.
fn absolute(path: &str) -> Result<String, Failure> {
    let absolute = std::path::absolute(Path::new(path))
        .map_err(|error| Failure::mistake(format!("{path:?} is no path: {error}")))?;
    let text = PathBuf::into_os_string(absolute).into_string();
    text.map_err(|_| Failure::mistake(format!("the directory of {path:?} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_read_as_it_was_written() {
        let recipe = Recipe {
            function: "f:live".to_owned(),
            input: absolute("data.csv").unwrap(),
            output: None,
            endpoint: None,
            choices: Choices {
                by: Some("id".to_owned()),
                ..Choices::default()
            },
        };
        assert!(recipe.input.starts_with('/') && recipe.input.ends_with("/data.csv"));
        assert_eq!(Recipe::read(&recipe.written()).unwrap(), recipe);
        let error = Recipe::read("{}").unwrap_err();
        assert!(error.to_string().contains("not made by squall map"));
    }
}

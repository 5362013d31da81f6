//! What a path on the command line means: a file here, an object there, or a
//! stream. Where it could be both it is asked, never guessed.

use std::fmt;
use std::path::{Path, PathBuf};

use types::BucketName;

use crate::failure::Failure;

const SCHEME: &str = "s3://";

/// A bucket, with a key or the beginning of keys, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    pub bucket: BucketName,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `-`: stdin or stdout.
    Stream,
    Local(PathBuf),
    Remote(Remote),
}

impl Remote {
    /// With or without `s3://` before it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let path = text.strip_prefix(SCHEME).unwrap_or(text);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket = bucket.parse().map_err(|error| {
            Failure::mistake(error).hint(format!("in {text}; write s3://BUCKET/KEY"))
        })?;
        Ok(Self {
            bucket,
            key: key.to_owned(),
        })
    }

    pub fn pair(&self) -> (&str, &str) {
        (self.bucket.as_str(), &self.key)
    }

    /// Whether it names a folder rather than an object.
    pub fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// Itself as the folder of what is below it.
    #[must_use]
    pub fn as_folder(&self) -> Self {
        let mut folder = self.clone();
        if !folder.is_folder() {
            folder.key.push('/');
        }
        folder
    }

    /// What has this name in the folder.
    pub fn join(&self, name: &str) -> Self {
        let mut joined = self.as_folder();
        joined.key.push_str(name);
        joined
    }

    /// The last part of the key.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

/// What is sure of a path by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    Stream,
    Local,
    Remote,
    /// `data/x.csv`, which is not there: a new file, or `bucket/key`.
    Unsure,
}

fn look(text: &str, exists: impl Fn(&Path) -> bool) -> Sure {
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    match text {
        "-" => Sure::Stream,
        _ if begins(&[SCHEME]) => Sure::Remote,
        "." | ".." => Sure::Local,
        _ if begins(&["./", "../", "/"]) || exists(Path::new(text)) => Sure::Local,
        _ => Sure::Unsure,
    }
}

/// The bucket whose existence decides what two paths mean, if one does.
pub fn bucket_in_question<'a>(
    source: &'a str,
    target: &'a str,
    exists: impl Fn(&Path) -> bool,
) -> Option<&'a str> {
    let plain = match (look(source, &exists), look(target, &exists)) {
        (Sure::Unsure, Sure::Local | Sure::Stream) => source,
        (Sure::Local | Sure::Stream, Sure::Unsure) => target,
        _ => return None,
    };
    let first = plain.split('/').next().unwrap_or_default();
    first.parse::<BucketName>().is_ok().then_some(first)
}

/// What two paths mean, where `is_bucket` answers [`bucket_in_question`].
pub fn places(
    source: &str,
    target: &str,
    exists: impl Fn(&Path) -> bool,
    is_bucket: bool,
) -> Result<(Place, Place), Failure> {
    let sure = (look(source, &exists), look(target, &exists));
    let here = |text: &str| match text {
        "-" => Place::Stream,
        path => Place::Local(path.into()),
    };
    let there = |text: &str| Remote::parse(text).map(Place::Remote);
    match sure {
        (Sure::Remote, Sure::Remote) => Ok((there(source)?, there(target)?)),
        (Sure::Remote, _) => Ok((there(source)?, here(target))),
        (Sure::Local | Sure::Stream, Sure::Remote) => Ok((here(source), there(target)?)),
        // Beside s3:// a path without it is a file, and this one is not there.
        (Sure::Unsure, Sure::Remote) => Err(Failure::mistake(format!("there is no file {source}"))
            .hint(format!("if it is in a bucket: {SCHEME}{source}"))),
        (Sure::Unsure, Sure::Local | Sure::Stream) if is_bucket => {
            Ok((there(source)?, here(target)))
        }
        (Sure::Local | Sure::Stream, Sure::Unsure) if is_bucket => {
            Ok((here(source), there(target)?))
        }
        (Sure::Unsure, Sure::Local | Sure::Stream) => Err(Failure::mistake(format!(
            "{source} is neither a file nor in a bucket"
        ))
        .hint("squall ls lists the buckets")),
        (Sure::Local | Sure::Stream, Sure::Unsure) => {
            let bucket = target.split('/').next().unwrap_or_default();
            Err(
                Failure::mistake(format!("{target} is not in a bucket: there is no {bucket}"))
                    .hint(format!(
                        "squall mb {bucket} makes it; squall ls lists the buckets"
                    )),
            )
        }
        (Sure::Unsure, Sure::Unsure) => Err(Failure::mistake(format!(
            "it is not clear which of {source} and {target} is in a bucket"
        ))
        .hint(format!("write {SCHEME}BUCKET/KEY for what is in a bucket"))),
        (Sure::Local | Sure::Stream, Sure::Local | Sure::Stream) => {
            Err(Failure::mistake("both paths are on this machine")
                .hint(format!("write {SCHEME}BUCKET/KEY for what is in a bucket")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a machine with the file `data.csv` and the folder `out`.
    fn read(source: &str, target: &str, is_bucket: bool) -> Result<String, String> {
        let exists = |path: &Path| ["data.csv", "out"].contains(&path.to_str().unwrap());
        let shown = |place: Place| match place {
            Place::Stream => "stream".to_owned(),
            Place::Local(path) => format!("file {}", path.display()),
            Place::Remote(remote) => remote.to_string(),
        };
        match places(source, target, exists, is_bucket) {
            Ok((source, target)) => Ok(format!("{} > {}", shown(source), shown(target))),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn a_scheme_decides_for_both_sides() {
        for (source, target, meaning) in [
            (
                "data.csv",
                "s3://lake/raw/",
                "file data.csv > s3://lake/raw/",
            ),
            ("s3://lake/a", "new.csv", "s3://lake/a > file new.csv"),
            ("s3://lake/a", "s3://pond", "s3://lake/a > s3://pond/"),
            ("-", "s3://lake/a b", "stream > s3://lake/a b"),
            ("s3://lake/a//b/../c", "-", "s3://lake/a//b/../c > stream"),
        ] {
            for is_bucket in [true, false] {
                assert_eq!(read(source, target, is_bucket).unwrap(), meaning);
            }
        }
    }

    #[test]
    fn a_plain_path_is_remote_when_the_other_is_here_and_the_bucket_exists() {
        for (source, target, meaning) in [
            ("data.csv", "lake/raw/", "file data.csv > s3://lake/raw/"),
            ("lake/a", "./a", "s3://lake/a > file ./a"),
            ("lake/a", "out", "s3://lake/a > file out"),
            ("lake/a", "-", "s3://lake/a > stream"),
        ] {
            assert_eq!(read(source, target, true).unwrap(), meaning);
            assert!(read(source, target, false).is_err(), "{source} {target}");
        }
    }

    #[test]
    fn what_is_not_clear_is_said_precisely() {
        for (source, target, words) in [
            ("lake/a", "pond/b", "which of lake/a and pond/b"),
            ("data.csv", "./copy", "both paths are on this machine"),
            ("nofile", "s3://lake/a", "there is no file nofile"),
            ("data.csv", "lake/a", "squall mb lake"),
            ("lake/a", "./a", "neither a file nor in a bucket"),
            ("data.csv", "s3://Not_A_Bucket/a", "bucket name"),
        ] {
            let said = read(source, target, false).unwrap_err();
            assert!(said.contains(words), "{said}");
            assert!(said.contains("\nhint: "), "{said}");
        }
    }

    #[test]
    fn only_a_bucket_that_decides_is_asked_for() {
        let exists = |path: &Path| path == Path::new("data.csv");
        let asked = |source, target| bucket_in_question(source, target, exists);
        assert_eq!(asked("data.csv", "lake/raw/"), Some("lake"));
        assert_eq!(asked("lake", "-"), Some("lake"));
        assert_eq!(asked("data.csv", "s3://lake"), None);
        assert_eq!(asked("lake/a", "pond/b"), None);
        assert_eq!(asked("data.csv", "No_Bucket/x"), None);
    }

    #[test]
    fn folders_and_names() {
        let remote = |text| Remote::parse(text).unwrap();
        assert!(remote("lake").is_folder() && remote("lake/a/").is_folder());
        assert_eq!(remote("lake/a").join("b/c").to_string(), "s3://lake/a/b/c");
        assert_eq!(remote("lake").join("b").key, "b");
        assert_eq!(remote("s3://lake/a/b.csv").name(), "b.csv");
        assert!(Remote::parse("s3://").is_err());
    }
}

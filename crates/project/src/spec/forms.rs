//! Texts with a form: names, globs, ARNs, expressions. Each has a check, and a pattern
//! that editors understand and that lets through at least what the check does.

/// A form of texts.
#[derive(Debug)]
pub struct Form {
    /// What is right, after "must be".
    pub is: &'static str,
    /// A regular expression as JSON schemas have them.
    pub pattern: &'static str,
    pub fits: fn(&str) -> bool,
}

const LONGEST_TEXT: usize = 4_096;

pub static TEXT: Form = Form {
    is: "a text of 1 to 4096 characters",
    pattern: "^[^\\u0000]+$",
    fits: |text| (1..=LONGEST_TEXT).contains(&text.len()) && !text.contains('\0'),
};

/// A text that may be empty, such as a prefix of keys.
pub static PREFIX: Form = Form {
    is: "the beginning of a key, at most 1024 characters",
    pattern: "^[^\\u0000]*$",
    fits: |text| text.len() <= 1_024 && !text.contains('\0'),
};

pub static PROJECT_NAME: Form = Form {
    is: "1 to 32 lower-case letters, digits and '-', beginning with a letter and ending without '-'",
    pattern: "^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$",
    fits: |text| is_slug(text, 32),
};

pub static STAGE_NAME: Form = Form {
    is: "1 to 16 lower-case letters, digits and '-', beginning with a letter and ending without '-'",
    pattern: "^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$",
    fits: |text| is_slug(text, 16),
};

pub static FUNCTION_NAME: Form = Form {
    is: "1 to 40 letters, digits, '-' and '_'",
    pattern: "^[A-Za-z0-9_-]{1,40}$",
    fits: is_word,
};

pub static BUCKET_NAME: Form = Form {
    is: "1 to 32 lower-case letters, digits and '-', beginning with a letter and ending without '-'",
    pattern: "^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$",
    fits: |text| is_slug(text, 32),
};

pub static WHOLE_BUCKET_NAME: Form = Form {
    is: "3 to 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
    pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    fits: |text| text.parse::<types::BucketName>().is_ok(),
};

/// Of a variable or a secret, as AWS lets functions have them.
pub static VARIABLE_NAME: Form = Form {
    is: "2 to 128 letters, digits and '_', beginning with a letter",
    pattern: "^[A-Za-z][A-Za-z0-9_]{1,127}$",
    fits: |text| {
        (2..=128).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    },
};

pub static REGION: Form = Form {
    is: "a region such as eu-central-1",
    pattern: "^[a-z]+(-[a-z]+)+-[0-9]{1,2}$",
    fits: |text| text.parse::<types::Region>().is_ok(),
};

pub static RUNTIME: Form = Form {
    is: "python3.9 to python3.14, r, or provided.al2023",
    pattern: "^(python3\\.(9|1[0-4])|r|provided\\.al2023)$",
    fits: |text| crate::runtime::parse(text).is_some(),
};

pub static HANDLER: Form = Form {
    is: "FILE.FUNCTION, such as handler.lambda_handler",
    pattern: "^[^\\s]{1,128}$",
    fits: |text| text.len() <= 128 && !text.is_empty() && !text.contains(char::is_whitespace),
};

pub static APP: Form = Form {
    is: "MODULE:OBJECT, such as app:app or web.main:create_app()",
    pattern: "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*(\\(\\))?$",
    fits: is_app,
};

pub static FOLDER: Form = Form {
    is: "a path within the folder of squall.toml",
    pattern: "^[^/\\u0000][^\\u0000]*$",
    fits: |text| {
        (1..=1_024).contains(&text.len())
            && !text.contains('\0')
            && !text.starts_with('/')
            && !text.split('/').any(|part| part == "..")
    },
};

pub static LAYER: Form = Form {
    is: "arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION",
    pattern: "^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$",
    fits: |text| text.parse::<types::LayerVersionArn>().is_ok(),
};

/// A function of the project or an ARN.
pub static DESTINATION: Form = Form {
    is: "a function of the project, or an ARN",
    pattern: "^([A-Za-z0-9_-]{1,40}|arn:.+)$",
    fits: |text| is_word(text) || is_arn(text),
};

/// `lake`, `lake/raw/`, or the ARN of a bucket with or without a prefix.
pub static OBJECTS: Form = Form {
    is: "a bucket of the project, such as lake or lake/raw/, or arn:aws:s3:::BUCKET/PREFIX",
    pattern: "^([a-z][a-z0-9-]{0,31}|arn:[a-z-]+:s3:::[a-z0-9.-]+)(/[^\\u0000]*)?$",
    fits: |text| crate::objects::parse(text).is_some(),
};

pub static ORIGIN: Form = Form {
    is: "an origin such as https://example.com, or *",
    pattern: "^(\\*|https?://[^/\\s]+)$",
    fits: |text| {
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        text == "*"
            || host.is_some_and(|host| {
                !host.is_empty() && !host.contains(|c: char| c == '/' || c.is_whitespace())
            })
    },
};

pub static ROUTE: Form = Form {
    is: "a path such as /, /items/{id} or /{proxy+}, or $default",
    pattern: "^(\\$default|/[^\\s?#]*)$",
    fits: is_route,
};

pub static SCHEDULE_NAME: Form = Form {
    is: "1 to 64 letters, digits, '.', '-' and '_'",
    pattern: "^[A-Za-z0-9_.-]{1,64}$",
    fits: |text| text.parse::<types::ScheduleName>().is_ok(),
};

pub static MOMENT: Form = Form {
    is: "rate(5 minutes), cron(0 3 * * ? *) or at(2027-01-31T12:00:00)",
    pattern: "^(rate\\([0-9]+ [a-z]+\\)|cron\\([^()]+\\)|at\\([0-9T:-]+\\))$",
    fits: is_moment,
};

pub static TIMEZONE: Form = Form {
    is: "the name of a time zone, such as Europe/Berlin",
    pattern: "^[A-Za-z0-9_+/-]{1,50}$",
    fits: |text| text.len() <= 50 && jiff::tz::TimeZone::get(text).is_ok(),
};

pub static S3_EVENT: Form = Form {
    is: "an event such as s3:ObjectCreated:* or s3:ObjectRemoved:*",
    pattern: "^s3:[A-Za-z]+:[A-Za-z*]+$",
    fits: |text| {
        let mut parts = text.split(':');
        parts.next() == Some("s3")
            && parts
                .next()
                .is_some_and(|kind| matches!(kind, "ObjectCreated" | "ObjectRemoved"))
            && parts.next().is_some_and(|what| {
                !what.is_empty() && what.bytes().all(|b| b.is_ascii_alphabetic() || b == b'*')
            })
            && parts.next().is_none()
    },
};

/// A name that may stand between `-` in names of the cloud.
fn is_slug(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_arn(text: &str) -> bool {
    text.len() <= 2_048 && text.starts_with("arn:") && text.split(':').count() >= 6
}

fn is_app(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let Some((module, object)) = text.split_once(':') else {
        return false;
    };
    let object = object.strip_suffix("()").unwrap_or(object);
    text.len() <= 256 && module.split('.').all(is_name) && object.split('.').all(is_name)
}

fn is_route(text: &str) -> bool {
    let Some(path) = text.strip_prefix('/') else {
        return text == "$default";
    };
    let parts: Vec<&str> = path.split('/').collect();
    let last = parts.len() - 1;
    text.len() <= 512
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '?' || c == '#')
        && parts.iter().enumerate().all(|(place, part)| {
            // Only the last may be empty, as in `/items/`, and only the last may be greedy.
            if part.is_empty() {
                return place == last;
            }
            match part.strip_prefix('{').map(|name| name.strip_suffix('}')) {
                None => !part.contains(['{', '}']),
                Some(None) => false,
                Some(Some(name)) => {
                    let greedy = name.ends_with('+');
                    let name = name.strip_suffix('+').unwrap_or(name);
                    (!greedy || place == last)
                        && !name.is_empty()
                        && name
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
                }
            }
        })
}

fn is_moment(text: &str) -> bool {
    let Some((kind, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return false;
    };
    match kind {
        "rate" => inner.split_once(' ').is_some_and(|(number, unit)| {
            number.parse::<u32>().is_ok_and(|number| number > 0)
                && matches!(
                    unit,
                    "minute" | "minutes" | "hour" | "hours" | "day" | "days"
                )
        }),
        "cron" => {
            let fields: Vec<&str> = inner.split_whitespace().collect();
            fields.len() == 6
                && (fields[2] == "?") != (fields[4] == "?")
                && !inner.contains(['(', ')'])
        }
        "at" => inner.parse::<jiff::civil::DateTime>().is_ok() && inner.len() == 19,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A form, texts that fit it, and texts that do not.
    type Case<'a> = (&'a Form, &'a [&'a str], &'a [&'a str]);

    fn judged(cases: &[Case<'_>]) {
        for (form, good, bad) in cases {
            for text in *good {
                assert!((form.fits)(text), "{}: {text}", form.is);
            }
            for text in *bad {
                assert!(!(form.fits)(text), "{}: {text}", form.is);
            }
        }
    }

    #[test]
    fn names_keep_to_their_forms() {
        let long = "x".repeat(41);
        judged(&[
            (
                &PROJECT_NAME,
                &["a", "a-1"],
                &["", "A", "1a", "a-", "a_b", "-a"],
            ),
            (
                &FUNCTION_NAME,
                &["clean", "A_1-b"],
                &["", "a b", "a.b", &long],
            ),
            (
                &VARIABLE_NAME,
                &["AB", "a_1"],
                &["", "A", "1A", "A-B", "_A"],
            ),
        ]);
    }

    #[test]
    fn texts_keep_to_their_forms() {
        judged(&[
            (
                &REGION,
                &["eu-central-1", "us-gov-west-1"],
                &["", "eu", "frankfurt"],
            ),
            (
                &RUNTIME,
                &["python3.11", "r", "provided.al2023"],
                &["python", "python3.8", "python2.7", "nodejs22.x", "R"],
            ),
            (
                &APP,
                &["app:app", "a.b:make()", "a:b.c"],
                &["app", "app:", ":app", "a:b()c", "a b:c"],
            ),
            (
                &FOLDER,
                &["src", "a/b", "."],
                &["", "/etc", "..", "a/../../b"],
            ),
            (
                &ORIGIN,
                &["*", "https://a.b:8080"],
                &["", "a.b", "https://", "https://a/"],
            ),
            (
                &ROUTE,
                &[
                    "/",
                    "/a",
                    "/a/{id}",
                    "/a/{p+}",
                    "/{proxy+}",
                    "$default",
                    "/a/",
                ],
                &[
                    "", "a", "/a//b", "/{p+}/a", "/{}", "/{a", "/a b", "/a?b", "default",
                ],
            ),
            (
                &MOMENT,
                &[
                    "rate(1 minute)",
                    "rate(5 minutes)",
                    "cron(0 3 * * ? *)",
                    "at(2027-01-31T12:00:00)",
                ],
                &[
                    "",
                    "rate(0 minutes)",
                    "rate(5)",
                    "rate(5 weeks)",
                    "cron(0 3 * * *)",
                    "cron(0 3 * * * *)",
                    "cron(0 3 ? * ? *)",
                    "at(noon)",
                    "daily",
                ],
            ),
            (
                &TIMEZONE,
                &["Europe/Berlin", "UTC"],
                &["", "Europe/Atlantis", "CEST5"],
            ),
            (
                &S3_EVENT,
                &[
                    "s3:ObjectCreated:*",
                    "s3:ObjectCreated:Put",
                    "s3:ObjectRemoved:*",
                ],
                &[
                    "",
                    "s3:ObjectCreated",
                    "ObjectCreated:*",
                    "s3:Object:*",
                    "s3:ObjectCreated:Put:x",
                ],
            ),
        ]);
    }

    /// Forms whose pattern says all that there is to say: an editor that is content
    /// must not be contradicted.
    #[test]
    fn patterns_and_checks_agree() {
        use proptest::test_runner::TestRunner;
        for form in [
            &PROJECT_NAME,
            &STAGE_NAME,
            &FUNCTION_NAME,
            &BUCKET_NAME,
            &VARIABLE_NAME,
            &RUNTIME,
        ] {
            let inner = form.pattern.trim_start_matches('^').trim_end_matches('$');
            let texts = proptest::string::string_regex(inner).expect("the pattern is one");
            TestRunner::default()
                .run(&texts, |text| {
                    prop_assert!((form.fits)(&text), "{:?} for {:?}", text, form.pattern);
                    Ok(())
                })
                .unwrap();
        }
    }
}

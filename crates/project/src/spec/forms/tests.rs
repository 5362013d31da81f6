//! Which texts have a form and which have not, and that editors are told the same.

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
            &["python3.11", "r", "r4.2", "provided.al2023"],
            &[
                "python",
                "python3.8",
                "python2.7",
                "nodejs22.x",
                "R",
                "r4",
                "r3.6",
                "r4.10",
                "ruby3.3",
            ],
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

#[test]
fn packages_and_models_keep_to_their_forms() {
    judged(&[
        (
            &R_PACKAGE,
            &["jsonlite", "data.table", "jsonlite@1.8.4", "Matrix@1.5-3"],
            &["", "x", "1a", "a b", "a-b", "a.", "a@", "a@1.x", "-e"],
        ),
        (
            &MODEL,
            &[
                "models/a.rds",
                "models/2026/a.json",
                "s3://their.data/a.onnx",
            ],
            &[
                "",
                "a.rds",
                "models/",
                "models/a*.rds",
                "models/${a}",
                "/a/b",
                "s3://a",
                "s3://Their/a.rds",
                "https://a/b.rds",
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
        &R_PACKAGE,
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

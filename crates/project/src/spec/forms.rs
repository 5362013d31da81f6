//! Texts with a form: names, globs, ARNs, expressions. Each has a check, and a pattern
//! that editors understand and that lets through at least what the check does.

mod gateway;

pub use gateway::{
    ADDRESSES, CERTIFICATE, HEADER, HOST, IDENTITY_SOURCE, ISSUER, JWKS, LINE, METHOD, MOST_BYTES,
    REDIRECT, ROUTE_PATH, SCOPE, SITE, SIZE, TOKEN_SOURCE, size,
};

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
    is: "python3.9 to python3.14, r, r4.0 to r4.9, or provided.al2023",
    pattern: "^(python3\\.(9|1[0-4])|r|r4\\.[0-9]|provided\\.al2023)$",
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

/// Of R, alone or in one version.
pub static R_PACKAGE: Form = Form {
    is: "the name of a package of R, such as jsonlite, or jsonlite@1.8.4",
    pattern: "^[A-Za-z][A-Za-z0-9.]{0,98}[A-Za-z0-9](@[0-9]{1,9}([.-][0-9]{1,9}){0,5})?$",
    fits: is_r_package,
};

/// `models/admission.rds`, in a bucket of the project, or `s3://BUCKET/KEY`.
pub static MODEL: Form = Form {
    is: "an object in a bucket of the project, such as models/admission.rds, or s3://BUCKET/KEY",
    pattern: "^([a-z][a-z0-9-]{0,31}|s3://[a-z0-9.-]+)/[^*?\\u0000]+$",
    fits: |text| crate::objects::parse_one(text).is_some(),
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

fn is_r_package(text: &str) -> bool {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let is_version = |version: &str| {
        let parts: Vec<&str> = version.split(['.', '-']).collect();
        parts.len() <= 6
            && parts.iter().all(|part| {
                (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
            })
    };
    (2..=100).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        && version.is_none_or(is_version)
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
mod tests;

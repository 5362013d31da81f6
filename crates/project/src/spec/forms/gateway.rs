//! Texts of routes and of who may call them.

use std::net::IpAddr;

use super::{FOLDER, Form};

/// More is no body of one request, whoever sends it.
pub const MOST_BYTES: i64 = 5 << 30;

pub static REDIRECT: Form = Form {
    is: "an address such as https://example.com/new, or a path such as /new",
    pattern: "^(https?://[^/\\s]|/([^/\\s]|$))[^\\s]*$",
    fits: |text| {
        let rest = text.strip_prefix("https://");
        let rest = rest.or_else(|| text.strip_prefix("http://"));
        let is_path = text.starts_with('/') && !text.starts_with("//");
        // What browsers take for `//`.
        let is_path = is_path && !text.starts_with("/\\");
        let is_address = rest.is_some_and(|rest| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !host.is_empty() && !host.contains(['{', '@', '\\'])
        });
        text.len() <= 2_048 && is_printable(text) && (is_path || is_address)
    },
};

pub static SITE: Form = Form {
    is: "a bucket of the project, such as site or site/pages, or s3://BUCKET/PREFIX",
    pattern: "^([a-z][a-z0-9-]{0,31}|s3://[a-z0-9.-]+)(/[^*?\\u0000]*)?$",
    fits: |text| crate::objects::parse_site(text).is_some(),
};

/// A path, and not `$default`.
pub static ROUTE_PATH: Form = Form {
    is: "the path of another route, such as /items/{id}",
    pattern: "^/[^\\s?#]*$",
    fits: |text| text.starts_with('/') && super::is_route(text),
};

pub static SCOPE: Form = Form {
    is: "a scope without blanks, at most 64 characters",
    pattern: "^[^\\s\"\\\\]{1,64}$",
    fits: |text| {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    },
};

pub static ADDRESSES: Form = Form {
    is: "an address or a range of them, such as 10.0.0.0/8 or 2001:db8::/32",
    pattern: "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$",
    fits: |text| addresses(text).is_some(),
};

pub static METHOD: Form = Form {
    is: "a method such as GET, or *",
    pattern: "^(\\*|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$",
    fits: |text| {
        let known = [
            "*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
        ];
        known.contains(&text)
    },
};

pub static HEADER: Form = Form {
    is: "the name of a header, or *",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$",
    fits: |text| {
        (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&b))
    },
};

pub static SIZE: Form = Form {
    is: "a size such as 2MB, at most 5GB",
    pattern: "^[0-9]+ ?([kKmMgG]?[bB]|[kKmMgG])?$",
    fits: |text| size(text).is_some(),
};

pub static ISSUER: Form = Form {
    is: "the address of an issuer, such as https://login.example.com/",
    pattern: "^https?://[^\\s?#]+$",
    fits: |text| is_address(text) && !text.contains(['?', '#']),
};

/// A file of the project, or an address.
pub static JWKS: Form = Form {
    is: "a file of the project, such as keys.json, or an address that begins with https://",
    pattern: "^(https?://[^\\s]+|[^/\\u0000][^\\u0000]*)$",
    fits: |text| {
        if text.contains("://") {
            is_address(text)
        } else {
            (FOLDER.fits)(text)
        }
    },
};

pub static TOKEN_SOURCE: Form = Form {
    is: "$request.header.NAME or $request.querystring.NAME",
    pattern: "^\\$request\\.(header|querystring)\\.[^\\s,]+$",
    fits: is_token_source,
};

pub static IDENTITY_SOURCE: Form = Form {
    is: "$request.header.NAME, $request.querystring.NAME, $context.NAME or $stageVariables.NAME",
    pattern: "^\\$(request\\.(header|querystring)|context|stageVariables)\\.[^\\s,]+$",
    fits: |text| {
        let rest = text.strip_prefix("$context.");
        let rest = rest.or_else(|| text.strip_prefix("$stageVariables."));
        is_token_source(text) || rest.is_some_and(is_source_name)
    },
};

pub static HOST: Form = Form {
    is: "a host name such as api.example.com or *.example.com, in small letters and without a port",
    pattern: "^(\\*\\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    fits: is_host,
};

pub static CERTIFICATE: Form = Form {
    is: "arn:aws:acm:REGION:ACCOUNT:certificate/ID",
    pattern: "^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$",
    fits: |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        matches!(parts.as_slice(), ["arn", _, "acm", region, account, rest]
        if !region.is_empty()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && rest.strip_prefix("certificate/").is_some_and(|id| {
                !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }))
    },
};

/// A text of one line.
pub static LINE: Form = Form {
    is: "a line of 1 to 200 characters",
    pattern: "^[^\\n\\r\\u0000]{1,200}$",
    fits: |text| (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control),
};

/// Bytes, with a unit that is counted in 1,024s or without one.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let shift = match text[digits.len()..]
        .trim_start()
        .to_ascii_uppercase()
        .as_str()
    {
        "" | "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    let bytes = number.checked_mul(1 << shift)?;
    (bytes <= MOST_BYTES.unsigned_abs()).then_some(bytes)
}

/// Network and bits.
fn addresses(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some((address, bits))
}

fn is_printable(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    let rest = rest.or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next());
    text.len() <= 2_048 && is_printable(text) && host.is_some_and(|host| !host.is_empty())
}

fn is_token_source(text: &str) -> bool {
    let rest = text.strip_prefix("$request.header.");
    let rest = rest.or_else(|| text.strip_prefix("$request.querystring."));
    rest.is_some_and(is_source_name)
}

fn is_source_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let labels: Vec<&str> = name.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(is_label)
        && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &Form, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert!((form.fits)(text), "{text:?} is {}", form.is);
        }
        for text in wrong {
            assert!(!(form.fits)(text), "{text:?} is not {}", form.is);
        }
    }

    #[test]
    fn places_that_requests_are_sent_to() {
        check(
            &REDIRECT,
            &[
                "/",
                "/new/{id}",
                "https://example.com",
                "http://a:1/x?y={z}",
            ],
            &[
                "",
                "//evil.com",
                "/\\evil.com",
                "https://",
                "https://{host}/",
                "https://u@h/",
                "ftp://x",
                "/a b",
                "/\r\n",
                "javascript:x",
            ],
        );
        check(
            &SITE,
            &["site", "site/", "site/a/b", "s3://their.data/x"],
            &["", "Site", "site/*", "s3://", "s3://A/x"],
        );
        check(&ROUTE_PATH, &["/", "/a/{id}"], &["$default", "", "a"]);
    }

    #[test]
    fn who_may_call() {
        check(
            &ADDRESSES,
            &["10.0.0.0/8", "1.2.3.4", "::1", "2001:db8::/32", "0.0.0.0/0"],
            &[
                "",
                "10.0.0.0/33",
                "10.0.0",
                "::/129",
                "x/8",
                "1.2.3.4/",
                "1.2.3.4/-1",
            ],
        );
        check(
            &ISSUER,
            &["https://a.b/c", "http://127.0.0.1:1/"],
            &["a.b", "https://", "https://a?b", "https:// a"],
        );
        check(
            &JWKS,
            &["keys.json", "auth/keys.json", "https://a.b/k"],
            &["/keys.json", "../keys.json", "ftp://a/b", "https:///k"],
        );
        check(
            &TOKEN_SOURCE,
            &["$request.header.Authorization", "$request.querystring.t"],
            &["Authorization", "$request.header.", "$context.x"],
        );
        check(
            &IDENTITY_SOURCE,
            &[
                "$request.header.X",
                "$context.httpMethod",
                "$stageVariables.x",
            ],
            &["$request.body.x", "$context.", "$context.a,b"],
        );
        check(&SCOPE, &["read", "https://a/b"], &["", "a b", "a\"b"]);
        check(
            &HOST,
            &["api.example.com", "*.example.com", "a.localhost"],
            &[
                "localhost",
                "A.b",
                "a.b:80",
                "*",
                "a..b",
                "-a.b",
                "127.0.0.1",
                "*.*.a.b",
            ],
        );
        check(
            &CERTIFICATE,
            &["arn:aws:acm:us-east-1:000000000000:certificate/a-1"],
            &[
                "",
                "arn:aws:iam::1:x",
                "arn:aws:acm:us-east-1:1:certificate/a",
            ],
        );
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("2MB", Some(2 << 20)),
            ("2 mb", Some(2 << 20)),
            ("512k", Some(512 << 10)),
            ("5GB", Some(5 << 30)),
            ("6GB", None),
            ("1.5MB", None),
            ("MB", None),
            ("-1", None),
            ("+1", None),
            ("2XB", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}

//! Which page a path means, as the website endpoints of S3 see it.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::config::{Pages, Protocol, Redirect, RoutingRule, Website};

/// What may not stand in the path of a `Location` as it is.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A request for a page.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// Decoded, without the leading `/` and without the query.
    pub path: &'a str,
    /// Host, port and, where the site does not have a host of its own, the path
    /// before its pages: `localhost:8080/s3-website/BUCKET`. For redirects of
    /// the site to itself.
    pub base: &'a str,
    pub protocol: Protocol,
    /// For policies that ask where a request comes from.
    pub source_ip: &'a str,
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteAnswer<T> {
    /// An object, with 200 or, for an error document, the status of the error.
    Object {
        object: T,
        status: u16,
    },
    Redirect {
        location: String,
        status: u16,
    },
    /// There is no page to show for it.
    Error(SiteError),
}

/// In the words of S3's own error page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteError {
    /// 403 or 404.
    pub status: u16,
    /// `AccessDenied`, `NoSuchKey`, `NoSuchWebsiteConfiguration`.
    pub code: &'static str,
    pub message: &'static str,
    pub key: Option<String>,
    /// The code that came of reading the error document, where there should be one.
    pub error_document: Option<&'static str>,
}

/// What lies at a key, for anyone.
#[derive(Debug, Clone)]
pub(crate) enum Looked<T> {
    Object {
        object: T,
        /// `x-amz-website-redirect-location`
        redirect: Option<String>,
    },
    Missing,
    Forbidden,
}

pub(crate) async fn resolve<T, E, F>(
    website: &Website,
    request: &PageRequest<'_>,
    look: impl Fn(String) -> F,
) -> Result<SiteAnswer<T>, E>
where
    F: Future<Output = Result<Looked<T>, E>>,
{
    let pages = match website {
        Website::RedirectAll { host, protocol } => {
            let protocol = protocol.unwrap_or(request.protocol);
            return Ok(SiteAnswer::Redirect {
                location: url(protocol, host, request.path),
                status: 301,
            });
        }
        Website::Pages(pages) => pages,
    };
    if let Some(rule) = rule(pages, request.path, None) {
        return Ok(follow(rule, request));
    }
    let is_directory = request.path.is_empty() || request.path.ends_with('/');
    let key = if is_directory {
        format!("{}{}", request.path, pages.index)
    } else {
        request.path.to_owned()
    };
    let error = match look(key.clone()).await? {
        Looked::Object {
            redirect: Some(to), ..
        } => return Ok(moved(&to, request)),
        Looked::Object { object, .. } => {
            return Ok(SiteAnswer::Object {
                object,
                status: 200,
            });
        }
        Looked::Forbidden => SiteError::new(403, "AccessDenied", "Access Denied", None),
        Looked::Missing => {
            if !is_directory {
                let index = format!("{}/{}", request.path, pages.index);
                if let Looked::Object { .. } = look(index).await? {
                    let directory = format!("{}/", request.path);
                    return Ok(SiteAnswer::Redirect {
                        location: url(request.protocol, request.base, &directory),
                        status: 302,
                    });
                }
            }
            let message = "The specified key does not exist.";
            SiteError::new(404, "NoSuchKey", message, Some(key))
        }
    };
    if let Some(rule) = rule(pages, request.path, Some(error.status)) {
        return Ok(follow(rule, request));
    }
    error_page(pages, error, look).await
}

async fn error_page<T, E, F>(
    pages: &Pages,
    mut error: SiteError,
    look: impl Fn(String) -> F,
) -> Result<SiteAnswer<T>, E>
where
    F: Future<Output = Result<Looked<T>, E>>,
{
    if let Some(key) = &pages.error {
        error.error_document = match look(key.clone()).await? {
            Looked::Object { object, .. } => {
                return Ok(SiteAnswer::Object {
                    object,
                    status: error.status,
                });
            }
            Looked::Missing => Some("NoSuchKey"),
            Looked::Forbidden => Some("AccessDenied"),
        };
    }
    Ok(SiteAnswer::Error(error))
}

impl SiteError {
    fn new(status: u16, code: &'static str, message: &'static str, key: Option<String>) -> Self {
        Self {
            status,
            code,
            message,
            key,
            error_document: None,
        }
    }

    /// The bucket is not a website.
    pub(crate) fn not_configured() -> Self {
        let message = "The specified bucket does not have a website configuration";
        Self::new(404, "NoSuchWebsiteConfiguration", message, None)
    }
}

/// The first rule that fits: before the bucket is looked into those without an
/// error code, afterwards those with the one that came of it.
fn rule<'a>(pages: &'a Pages, path: &str, error: Option<u16>) -> Option<&'a RoutingRule> {
    pages.rules.iter().find(|rule| {
        rule.error_code_equals == error
            && rule
                .key_prefix_equals
                .as_ref()
                .is_none_or(|prefix| path.starts_with(prefix))
    })
}

fn follow<T>(rule: &RoutingRule, request: &PageRequest<'_>) -> SiteAnswer<T> {
    let Redirect {
        host,
        protocol,
        status,
        replace_key,
        replace_key_prefix,
    } = &rule.redirect;
    let path = match (replace_key, replace_key_prefix) {
        (Some(key), _) => key.clone(),
        (None, Some(replacement)) => {
            let prefix = rule.key_prefix_equals.as_deref().unwrap_or_default();
            let rest = request.path.strip_prefix(prefix).unwrap_or(request.path);
            format!("{replacement}{rest}")
        }
        (None, None) => request.path.to_owned(),
    };
    let protocol = protocol.unwrap_or(request.protocol);
    let base = host.as_deref().unwrap_or(request.base);
    SiteAnswer::Redirect {
        location: url(protocol, base, &path),
        status: status.unwrap_or(301),
    }
}

/// An object may stand for another place: one of the site, or any address.
fn moved<T>(to: &str, request: &PageRequest<'_>) -> SiteAnswer<T> {
    let location = match to.strip_prefix('/') {
        Some(path) => format!("{}://{}/{path}", request.protocol.name(), request.base),
        None => to.to_owned(),
    };
    SiteAnswer::Redirect {
        location,
        status: 301,
    }
}

fn url(protocol: Protocol, base: &str, path: &str) -> String {
    let path = utf8_percent_encode(path, PATH);
    format!("{}://{base}/{path}", protocol.name())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::ready;

    use super::*;

    /// A site by its keys; those with `!` are not for anyone, `->` is a redirect.
    async fn ask(website: &Website, objects: &[&str], path: &str) -> String {
        let request = PageRequest {
            path,
            base: "site:8080",
            protocol: Protocol::Http,
            source_ip: "127.0.0.1",
        };
        let look = |key: String| {
            let found = objects.iter().find_map(|object| {
                let (name, redirect) = match object.split_once("->") {
                    Some((name, to)) => (name, Some(to.to_owned())),
                    None => (*object, None),
                };
                let forbidden = name.strip_prefix('!') == Some(key.as_str());
                (forbidden || name == key).then_some((forbidden, redirect))
            });
            ready(Ok::<_, Infallible>(match found {
                Some((true, _)) => Looked::Forbidden,
                Some((false, redirect)) => Looked::Object {
                    object: key,
                    redirect,
                },
                None => Looked::Missing,
            }))
        };
        match resolve(website, &request, look).await.unwrap() {
            SiteAnswer::Object { object, status } => format!("{status} {object}"),
            SiteAnswer::Redirect { location, status } => format!("{status} {location}"),
            SiteAnswer::Error(error) => {
                format!("{} {} {:?}", error.status, error.code, error.error_document)
            }
        }
    }

    fn site(error: Option<&str>, rules: Vec<RoutingRule>) -> Website {
        let index = "index.html".to_owned();
        let error = error.map(str::to_owned);
        Website::pages(Pages {
            index,
            error,
            rules,
        })
        .unwrap()
    }

    #[tokio::test]
    async fn pages_directories_and_errors() {
        let objects = [
            "index.html",
            "a.html",
            "docs/index.html",
            "404.html",
            "!secret",
        ];
        let website = site(Some("404.html"), vec![]);
        for (path, answer) in [
            ("", "200 index.html"),
            ("a.html", "200 a.html"),
            ("docs/", "200 docs/index.html"),
            ("docs", "302 http://site:8080/docs/"),
            ("nothing", "404 404.html"),
            ("nothing/", "404 404.html"),
            ("secret", "403 404.html"),
        ] {
            assert_eq!(ask(&website, &objects, path).await, answer, "{path}");
        }
        let bare = site(None, vec![]);
        assert_eq!(ask(&bare, &[], "x").await, "404 NoSuchKey None");
        let lost = site(Some("gone.html"), vec![]);
        assert_eq!(
            ask(&lost, &[], "x").await,
            "404 NoSuchKey Some(\"NoSuchKey\")"
        );
    }

    #[tokio::test]
    async fn objects_and_sites_redirect() {
        let website = site(None, vec![]);
        let objects = ["old->/new.html?x=1", "out->https://example.org/"];
        assert_eq!(
            ask(&website, &objects, "old").await,
            "301 http://site:8080/new.html?x=1"
        );
        assert_eq!(
            ask(&website, &objects, "out").await,
            "301 https://example.org/"
        );
        let all = Website::redirect_all("example.org".to_owned(), Some(Protocol::Https)).unwrap();
        assert_eq!(ask(&all, &[], "a b").await, "301 https://example.org/a%20b");
    }

    #[tokio::test]
    async fn rules_route_before_and_after_the_look() {
        let rule = |prefix: Option<&str>, error, redirect| RoutingRule {
            key_prefix_equals: prefix.map(str::to_owned),
            error_code_equals: error,
            redirect,
        };
        let website = site(
            Some("404.html"),
            vec![
                rule(
                    Some("docs/"),
                    None,
                    Redirect {
                        replace_key_prefix: Some("documents/".to_owned()),
                        ..Redirect::default()
                    },
                ),
                rule(
                    Some("app/"),
                    Some(404),
                    Redirect {
                        replace_key: Some("app/index.html".to_owned()),
                        host: Some("example.org".to_owned()),
                        status: Some(302),
                        ..Redirect::default()
                    },
                ),
            ],
        );
        let objects = ["docs/a", "app/x", "404.html"];
        assert_eq!(
            ask(&website, &objects, "docs/a").await,
            "301 http://site:8080/documents/a"
        );
        assert_eq!(ask(&website, &objects, "app/x").await, "200 app/x");
        assert_eq!(
            ask(&website, &objects, "app/y").await,
            "302 http://example.org/app/index.html"
        );
        assert_eq!(ask(&website, &objects, "y").await, "404 404.html");
    }
}

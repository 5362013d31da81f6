//! Where routes answer besides their own address, and what callers must bring, for who has
//! just deployed them.

use std::collections::BTreeMap;

use deploy::site::Known;
use deploy::{Cloud, Target, keys};
use project::Project;
use project::model::{Auth, Authorizer, Route, variables};

/// Below the address of an API: its description, with a page to try it.
const DOCS: &str = "/_squall/docs";

/// Host names with their addresses.
pub fn hosts(cloud: &Cloud, known: &Known) -> BTreeMap<String, String> {
    let own = known.api.as_ref().map(|(_, url)| url.as_str());
    let (scheme, port) = own.map_or(("https", ""), scheme_and_port);
    let hosts = known.hosts.keys();
    hosts
        .map(|host| match cloud.target {
            Target::Engine => (host.clone(), format!("{scheme}://{host}{port}")),
            Target::Aws => (host.clone(), format!("https://{host}")),
        })
        .collect()
}

/// `http` and `:8080`.
fn scheme_and_port(url: &str) -> (&str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.find(':').map_or("", |at| &authority[at..]);
    (scheme, port)
}

/// Where the routes are described; AWS describes none.
pub fn docs(cloud: &Cloud, project: &Project, url: Option<&str>) -> Option<String> {
    let has_docs = cloud.target == Target::Engine && project.gateway.docs.is_some();
    let url = url.filter(|_| has_docs && !project.routes.is_empty())?;
    Some(format!("{}{DOCS}", url.trim_end_matches('/')))
}

/// A sentence for each way in that is not open, with a call that would do.
pub fn words(cloud: &Cloud, project: &Project, known: &Known, url: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut tell = |routes: Vec<&Route>, wants: &str, how: &dyn Fn(&str) -> String| {
        if let Some(first) = routes.first() {
            let more = match routes.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let path = example(first);
            words.push(format!("{}{more}: {wants}: {}", first.path, how(&path)));
        }
    };
    let of = |fits: &dyn Fn(&Route) -> bool| -> Vec<&Route> {
        project.routes.iter().filter(|route| fits(route)).collect()
    };
    let place = match cloud.target {
        Target::Engine => String::new(),
        Target::Aws => format!(" --to aws --stage {}", cloud.names.stage),
    };
    tell(of(&|route| route.who.key), "asks for an API key", &|path| {
        format!(
            "squall keys create --name NAME{place} makes one; curl -H 'x-api-key: KEY' {url}{path}"
        )
    });
    let region = &cloud.names.region;
    tell(
        of(&|route| route.who.auth == Auth::Iam),
        "asks for a signature",
        &|path| {
            format!("curl --aws-sigv4 aws:amz:{region}:execute-api --user ID:SECRET {url}{path}")
        },
    );
    for (name, authorizer) in project.auth.iter().filter(|(name, _)| *name != keys::AUTH) {
        let by = |route: &Route| matches!(&route.who.auth, Auth::By { name: by, .. } if by == name);
        match authorizer {
            Authorizer::Jwt { issuer, token, .. } => {
                let wants = format!("asks for a token of {issuer}");
                let header = token.strip_prefix("$request.header.");
                tell(of(&by), &wants, &|path| match header {
                    Some(header) => {
                        let header = header.to_lowercase();
                        format!("curl -H '{header}: Bearer TOKEN' {url}{path}")
                    }
                    None => format!("it stands in {token}"),
                });
            }
            Authorizer::Function {
                function, identity, ..
            } => {
                let wants = format!("function {function} is asked");
                let by_what = identity.join(" and ");
                tell(of(&by), &wants, &|_| format!("by {by_what}"));
            }
        }
    }
    if cloud.target == Target::Aws {
        words.extend(to_point(known));
    }
    words
}

/// What is left to do at whoever keeps the names.
fn to_point(known: &Known) -> impl Iterator<Item = String> {
    let hosts = known.hosts.iter();
    hosts.filter_map(|(host, target)| {
        let target = target.as_ref()?;
        Some(format!("{host} answers once it is a CNAME of {target}"))
    })
}

/// The path with something for each variable.
fn example(route: &Route) -> String {
    if route.path == "$default" {
        return "/".to_owned();
    }
    let mut path = route.path.clone();
    for name in variables(&route.path) {
        let value = name.to_uppercase();
        path = path.replace(&format!("{{{name}+}}"), &value);
        path = path.replace(&format!("{{{name}}}"), &value);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts_have_the_port_of_the_engine() {
        assert_eq!(
            scheme_and_port("http://x.execute-api.us-east-1.localhost:8080"),
            ("http", ":8080")
        );
        assert_eq!(scheme_and_port("https://a.b/c:d"), ("https", ""));
    }

    #[test]
    fn where_a_name_has_to_point_is_told_if_it_is_known() {
        let known = Known {
            hosts: [
                ("a.b".to_owned(), Some("d-1.example.com".to_owned())),
                ("c.d".to_owned(), None),
            ]
            .into(),
            ..Known::default()
        };
        let told: Vec<_> = to_point(&known).collect();
        assert_eq!(told, ["a.b answers once it is a CNAME of d-1.example.com"]);
    }
}

//! Routes on AWS, whose HTTP APIs have less than the engine's gateway: what they lead to in
//! the end, what is refused because nobody would enforce it, and what is only told, as a
//! request without it is answered all the same.

use project::Project;
use project::model::{Auth, Authorizer, Cors, Handling, Route, RouteTarget, Who, variables};

use crate::error::DeployError;
use crate::keys;

/// Changes the routes to what AWS can have. Sentences worth knowing are returned.
pub fn prepare(project: &mut Project) -> Result<Vec<String>, DeployError> {
    resolve(project)?;
    for (name, authorizer) in &project.auth {
        can_authorize(name, authorizer)?;
    }
    for route in &project.routes {
        can_guard(route)?;
    }
    keys::check(project)?;
    let gateway = &project.gateway;
    if let (Some(host), None) = (gateway.hosts.first(), &gateway.certificate) {
        let message = format!("AWS has the host {host} only with a certificate");
        return Err(DeployError::refused(message).hint(
            "certificate = \"arn:aws:acm:...\" under [project] names one of the same region",
        ));
    }
    common_cors(&project.routes)?;
    sites(&project.routes)?;
    Ok(notes(project))
}

/// In the place of a route that leads to another one is that one, under its path.
fn resolve(project: &mut Project) -> Result<(), DeployError> {
    let mut resolved = Vec::new();
    for route in &project.routes {
        let RouteTarget::Route { path } = &route.target else {
            resolved.push(route.clone());
            continue;
        };
        let there = project.routes_at(path);
        for target in &there {
            let Some(methods) = common_methods(route, target, &there) else {
                continue;
            };
            let named = variables(path).len() == variables(&target.path).len();
            if let (RouteTarget::Redirect { location, .. }, false) = (&target.target, named)
                && location.contains('{')
            {
                return Err(cannot(
                    route,
                    "lead to a redirect whose address has variables of a path",
                ));
            }
            resolved.push(Route {
                methods,
                target: target.target.clone(),
                who: both(route, target)?,
                handling: tighter(&route.handling, &target.handling),
                ..route.clone()
            });
        }
    }
    project.routes = resolved;
    Ok(())
}

/// The methods of a route that come to one of those it leads to.
fn common_methods(route: &Route, target: &Route, there: &[&Route]) -> Option<Vec<String>> {
    let others = |method: &String| {
        let mut others = there.iter();
        others.any(|other| other.methods.contains(method))
    };
    match (route.methods.as_slice(), target.methods.as_slice()) {
        ([], methods) => Some(methods.to_vec()),
        // The others take what they name.
        (methods, []) => {
            let left = methods.iter().filter(|method| !others(method));
            Some(left.cloned().collect()).filter(|left: &Vec<_>| !left.is_empty())
        }
        (methods, of_target) => {
            let common = methods.iter().filter(|method| of_target.contains(method));
            Some(common.cloned().collect()).filter(|common: &Vec<_>| !common.is_empty())
        }
    }
}

/// Who may call a route that leads to another may call both.
fn both(route: &Route, target: &Route) -> Result<Who, DeployError> {
    let (one, other) = (&route.who, &target.who);
    let differ = |what: &str| {
        let problem = format!("ask for both its own {what} and that of {}", target.path);
        cannot(route, &problem)
    };
    let auth = match (&one.auth, &other.auth) {
        (Auth::Open, auth) | (auth, Auth::Open) => auth.clone(),
        (one, other) if one == other => one.clone(),
        _ => return Err(differ("auth")),
    };
    let allow = match (one.allow.as_slice(), other.allow.as_slice()) {
        ([], allow) | (allow, []) => allow.to_vec(),
        (one, other) if one == other => one.to_vec(),
        _ => return Err(differ("allow")),
    };
    Ok(Who {
        key: one.key || other.key,
        auth,
        share: one.share || other.share,
        allow,
    })
}

fn tighter(one: &Handling, other: &Handling) -> Handling {
    fn least<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
    Handling {
        timeout_s: least(one.timeout_s, other.timeout_s),
        body_bytes: least(one.body_bytes, other.body_bytes),
        concurrency: least(one.concurrency, other.concurrency),
        rate: one.rate.or(other.rate),
        cache_s: one.cache_s.or(other.cache_s),
        compress: one.compress.or(other.compress),
        stream: one.stream || other.stream,
        summary: one.summary.clone(),
    }
}

fn cannot(route: &Route, problem: &str) -> DeployError {
    let message = format!("on AWS the route {} cannot {problem}", route.path);
    DeployError::refused(message)
}

fn can_authorize(name: &str, authorizer: &Authorizer) -> Result<(), DeployError> {
    let Authorizer::Jwt { issuer, jwks, .. } = authorizer else {
        return Ok(());
    };
    if jwks.is_some() {
        let message = format!(
            "AWS asks the issuer itself for its keys, so the jwks of auth {name} would do nothing there"
        );
        return Err(DeployError::refused(message).hint(
            "leave jwks away for the stage that goes to AWS: the issuer has to serve \
             .well-known/openid-configuration",
        ));
    }
    if !issuer.starts_with("https://") {
        let message =
            format!("AWS takes tokens only of issuers at https://, and {name} has {issuer}");
        return Err(DeployError::refused(message));
    }
    Ok(())
}

/// What bounds who may call, or what a call may be, is enforced or refused. A function of
/// ours enforces what it can; one of the project has nothing before it that would.
fn can_guard(route: &Route) -> Result<(), DeployError> {
    let is_theirs = matches!(route.target, RouteTarget::Function(_));
    let (who, handling) = (&route.who, &route.handling);
    let refused = [
        (
            who.key && who.auth != Auth::Open,
            "ask for an API key beside auth: a route of AWS has one authorizer",
            "say key = false or leave auth away for the stage that goes to AWS",
        ),
        (
            who.share,
            "be shared by signed links: HTTP APIs of AWS know none",
            "say share = false for the stage that goes to AWS; S3 has signed links of its own",
        ),
        (
            is_theirs && !who.allow.is_empty(),
            "look at addresses (allow): HTTP APIs of AWS do not",
            "let the function look at requestContext.http.sourceIp, or put AWS WAF before it",
        ),
        (
            is_theirs && handling.body_bytes.is_some(),
            "bound bodies (body_limit): HTTP APIs of AWS take up to 10 MB",
            "let the function look at the length of its body",
        ),
        (
            is_theirs && handling.concurrency.is_some(),
            "bound what is under way (concurrency): HTTP APIs of AWS do not",
            "say concurrency under [functions.NAME], or rate and burst here",
        ),
    ];
    let first = refused.into_iter().find(|(is_so, ..)| *is_so);
    first.map_or(Ok(()), |(_, problem, hint)| {
        Err(cannot(route, problem).hint(hint))
    })
}

/// An API has one set of rules. Where only some pages may come with credentials, one set
/// would let all of them.
fn common_cors(routes: &[Route]) -> Result<(), DeployError> {
    let mut all = routes.iter().filter_map(|route| route.cors.as_ref());
    let Some(first) = all.next() else {
        return Ok(());
    };
    let is_other = |cors: &&Cors| {
        cors.credentials != first.credentials
            || (first.credentials && cors.origins != first.origins)
    };
    if all.any(|cors| is_other(&cors)) {
        let message = "an API of AWS has one set of CORS rules for all routes, and these differ in whose pages may send credentials";
        return Err(DeployError::refused(message)
            .hint("say the same origins and the same credentials for all routes with cors"));
    }
    Ok(())
}

/// A path comes to a function decoded, also where a part of it was a coded slash: what one
/// route does not let see, another one of the same objects would show.
fn sites(routes: &[Route]) -> Result<(), DeployError> {
    let of = |route: &Route| match &route.target {
        RouteTarget::Site { objects, .. } => Some(objects.clone()),
        _ => None,
    };
    for (place, route) in routes.iter().enumerate() {
        let Some(objects) = of(route) else { continue };
        let is_shared = |other: &&Route| {
            of(other).is_some_and(|others| {
                others.bucket == objects.bucket
                    && (others.prefix.starts_with(&objects.prefix)
                        || objects.prefix.starts_with(&others.prefix))
                    && other.who != route.who
            })
        };
        if let Some(other) = routes[..place].iter().find(is_shared) {
            let problem = format!(
                "ask for something else than {}, which serves the same objects",
                other.path
            );
            return Err(cannot(route, &problem).hint(
                "put what not everybody may see into a bucket or below a prefix of its own",
            ));
        }
    }
    Ok(())
}

fn notes(project: &Project) -> Vec<String> {
    let routes = &project.routes;
    let mut notes = Vec::new();
    let mut told = |is_so: fn(&Route) -> bool, what: &str| {
        if let Some(route) = routes.iter().find(|route| is_so(route)) {
            notes.push(what.replace("PATH", &route.path));
        }
    };
    told(
        |route| route.handling.cache_s.is_some(),
        "answers of PATH are not kept: HTTP APIs of AWS have no cache",
    );
    told(
        |route| route.handling.compress == Some(true),
        "answers of PATH are not compressed: HTTP APIs of AWS do not",
    );
    told(
        |route| route.handling.stream,
        "answers of PATH go out when they are whole: HTTP APIs of AWS do not stream",
    );
    told(
        |route| matches!(route.target, RouteTarget::Site { .. }),
        "objects over 4 MB are not served at PATH: they go through a function, and Lambda \
         passes on 6 MB",
    );
    told(
        |route| route.path == "$default" && route.cors.is_some() && !route.who.is_open(),
        "pages of other origins cannot call PATH: HTTP APIs of AWS ask its preflights, too, who \
         may call",
    );
    let mut cors = routes.iter().map(|route| &route.cors);
    let first = cors.next();
    if cors.any(|cors| Some(cors) != first) {
        notes.push(
            "an API of AWS has one set of CORS rules: what one route allows, all do".to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use project::model::{BucketRef, Gateway, JwksSource, Objects};

    use super::*;
    use crate::coordinator::tests::{project, route};

    fn function(path: &str) -> Route {
        route(path, RouteTarget::Function("f".to_owned()))
    }

    fn said(route: Route) -> String {
        said_of(vec![route])
    }

    fn said_of(routes: Vec<Route>) -> String {
        let mut project = project(routes);
        match prepare(&mut project) {
            Ok(notes) => notes.join("; "),
            Err(error) => error.to_string(),
        }
    }

    fn alias(path: &str, to: &str) -> Route {
        let path_there = to.to_owned();
        route(path, RouteTarget::Route { path: path_there })
    }

    #[test]
    fn what_nobody_would_enforce_is_refused() {
        let who = |who: Who| Route {
            who,
            ..function("/")
        };
        let handled = |handling| Route {
            handling,
            ..function("/")
        };
        let open = Who::default;
        let usual = Handling::default;
        assert_eq!(said(function("/")), "");
        let keyed = Who {
            key: true,
            ..open()
        };
        assert_eq!(said(who(keyed)), "");
        for (route, word) in [
            (
                who(Who {
                    key: true,
                    auth: Auth::Iam,
                    ..open()
                }),
                "ask for an API key beside auth",
            ),
            (
                who(Who {
                    share: true,
                    ..open()
                }),
                "shared",
            ),
            (
                who(Who {
                    allow: vec!["10.0.0.0/8".to_owned()],
                    ..open()
                }),
                "addresses",
            ),
            (
                handled(Handling {
                    body_bytes: Some(1),
                    ..usual()
                }),
                "bound bodies",
            ),
            (
                handled(Handling {
                    concurrency: Some(1),
                    ..usual()
                }),
                "under way",
            ),
            (
                handled(Handling {
                    cache_s: Some(1),
                    ..usual()
                }),
                "not kept",
            ),
            (
                handled(Handling {
                    compress: Some(true),
                    ..usual()
                }),
                "not compressed",
            ),
            (
                handled(Handling {
                    stream: true,
                    ..usual()
                }),
                "do not stream",
            ),
        ] {
            let said = said(route);
            assert!(said.contains(word), "{word}: {said}");
        }
        // The coordinator looks at these itself.
        let redirect = RouteTarget::Redirect {
            location: "/x".to_owned(),
            status: 308,
        };
        let guarded = Route {
            who: Who {
                allow: vec!["10.0.0.0/8".to_owned()],
                ..open()
            },
            handling: Handling {
                body_bytes: Some(1),
                concurrency: Some(1),
                ..usual()
            },
            ..route("/", redirect)
        };
        assert_eq!(said(guarded), "");
    }

    #[test]
    fn keys_and_hosts_that_aws_has_otherwise_are_refused() {
        let jwt = |issuer: &str, jwks| Authorizer::Jwt {
            issuer: issuer.to_owned(),
            audience: vec!["a".to_owned()],
            jwks,
            token: "$request.header.Authorization".to_owned(),
        };
        let keys = Some(JwksSource::Keys("{}".to_owned()));
        for (authorizer, word) in [
            (jwt("https://a", None), ""),
            (jwt("https://a", keys), "asks the issuer itself"),
            (jwt("http://a", None), "only of issuers at https://"),
        ] {
            let mut project = project(vec![function("/")]);
            project.auth.insert("who".to_owned(), authorizer);
            let said =
                prepare(&mut project).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                said.contains(word) && said.is_empty() == word.is_empty(),
                "{said}"
            );
        }
        let mut project = project(vec![function("/")]);
        project.gateway = Gateway {
            hosts: vec!["a.b".to_owned()],
            ..Gateway::default()
        };
        let said = prepare(&mut project).unwrap_err().to_string();
        assert_eq!(said, "AWS has the host a.b only with a certificate");
        project.gateway.certificate = Some("arn".to_owned());
        assert!(prepare(&mut project).is_ok());
    }

    #[test]
    fn pages_of_one_place_are_for_the_same_people() {
        let site = |path: &str, prefix: &str, auth| {
            let objects = Objects {
                bucket: BucketRef::Project("b".to_owned()),
                prefix: prefix.to_owned(),
            };
            let target = RouteTarget::Site {
                objects,
                index: "index.html".to_owned(),
                error: None,
            };
            let mut route = route(path, target);
            route.who.auth = auth;
            route
        };
        let open = || site("/", "", Auth::Open);
        let said = said_of(vec![open(), site("/inner/{rest+}", "inner/", Auth::Iam)]);
        assert!(said.contains("serves the same objects"), "{said}");
        let apart = [site("/", "a/", Auth::Open), site("/b", "b/", Auth::Iam)];
        assert!(!said_of(apart.into()).contains("serves the same objects"));
    }

    #[test]
    fn credentials_are_of_all_pages_or_of_none() {
        let with = |origin: &str, credentials| Route {
            cors: Some(Cors {
                origins: vec![origin.to_owned()],
                methods: vec![],
                headers: vec![],
                expose: vec![],
                credentials,
                max_age_s: 1,
            }),
            ..function("/")
        };
        assert_eq!(
            said_of(vec![with("https://a", true), with("https://a", true)]),
            ""
        );
        let union = said_of(vec![with("https://a", false), with("https://b", false)]);
        assert!(union.contains("one set of CORS rules: what"), "{union}");
        for other in [with("https://a", false), with("https://b", true)] {
            let said = said_of(vec![with("https://a", true), other]);
            assert!(said.contains("differ in whose pages"), "{said}");
        }
    }

    #[test]
    fn a_route_that_leads_to_another_is_that_one_with_both_guards() {
        let guarded = Route {
            methods: vec!["GET".to_owned()],
            who: Who {
                auth: Auth::Iam,
                ..Who::default()
            },
            handling: Handling {
                timeout_s: Some(9),
                ..Handling::default()
            },
            ..function("/new/{id}")
        };
        let other = Route {
            methods: vec!["POST".to_owned()],
            ..route("/new/{id}", RouteTarget::Function("g".to_owned()))
        };
        let mut old = alias("/old/{id}", "/new/{id}");
        old.handling.timeout_s = Some(20);
        let mut resolved = project(vec![guarded.clone(), other.clone(), old]);
        prepare(&mut resolved).unwrap();
        let of: Vec<_> = resolved.routes[2..]
            .iter()
            .map(|it| {
                (
                    it.path.as_str(),
                    it.methods.join(" "),
                    it.who.auth.clone(),
                    it.handling.timeout_s,
                )
            })
            .collect();
        assert_eq!(
            of,
            [
                ("/old/{id}", "GET".to_owned(), Auth::Iam, Some(9)),
                ("/old/{id}", "POST".to_owned(), Auth::Open, Some(20)),
            ]
        );
        // Only what both take.
        let mut put = alias("/old/{id}", "/new/{id}");
        put.methods = vec!["POST".to_owned(), "PUT".to_owned()];
        let mut resolved = project(vec![guarded.clone(), other, put]);
        prepare(&mut resolved).unwrap();
        assert_eq!(resolved.routes.len(), 3);
        assert_eq!(resolved.routes[2].methods, ["POST"]);
        // Two guards that one route cannot have.
        let mut by = alias("/old/{id}", "/new/{id}");
        by.who.auth = Auth::By {
            name: "who".to_owned(),
            scopes: vec![],
        };
        let said = said_of(vec![guarded, by]);
        assert!(
            said.contains("ask for both its own auth and that of /new/{id}"),
            "{said}"
        );
    }
}

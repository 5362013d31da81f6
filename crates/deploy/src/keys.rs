//! API keys on AWS, whose HTTP APIs know none. A bucket of the project holds what is known of
//! each key, under its hash, and a function of ours, this same program, is asked about whoever
//! brings one: an authorizer like any other, before all routes that ask for a key.

use std::path::Path;

use project::Project;
use project::model::{Auth, Authorizer, Bucket, BucketRef, Function, Objects};
use project::text::BadText;

use crate::coordinator::{SMALL_MEMORY_MB, coordinator, free_key, place};
use crate::error::DeployError;
use crate::names::Names;

/// As the project would have named the bucket.
const BUCKET: &str = "api-keys";
/// As the project would have named the authorizer, but for the dot, which no name of its
/// own has.
pub const AUTH: &str = "squall.keys";
const FUNCTION: &str = "keys";
/// So long API Gateway believes an answer: a key that is revoked is good for as long.
pub const BELIEVED_S: u32 = 10;
/// A key may be for some routes alone: what was heard of it at one says nothing of another.
const IDENTITY: [&str; 2] = ["$context.routeKey", "$request.header.x-api-key"];

/// The bucket's name in the cloud.
pub fn bucket(names: &Names) -> String {
    names.bucket(BUCKET)
}

/// Refuses what of the project is in the way.
pub fn check(project: &Project) -> Result<(), DeployError> {
    if are_asked(project) && project.buckets.contains_key(BUCKET) {
        let message = format!("on AWS the bucket {BUCKET} is where API keys are kept");
        return Err(DeployError::refused(message).hint("give the project's own another name"));
    }
    Ok(())
}

/// Whether a route asks for any.
pub fn are_asked(project: &Project) -> bool {
    project.routes.iter().any(|route| route.who.key)
}

/// Puts the function that knows the keys before each route that asks for one.
pub fn guard(project: &mut Project, folder: &Path) -> Result<(), BadText> {
    if !are_asked(project) {
        return Ok(());
    }
    let kept = BucketRef::Project(BUCKET.to_owned());
    let address = format!("s3://{}", place(&kept));
    let function = Function {
        memory_mb: SMALL_MEMORY_MB,
        reads: vec![Objects {
            bucket: kept,
            prefix: String::new(),
        }],
        ..coordinator(&[("SQUALL_KEYS", address)], folder)?
    };
    let name = free_key(project, FUNCTION);
    project.functions.insert(name.clone(), function);
    project.buckets.insert(BUCKET.to_owned(), plain_bucket());
    let authorizer = Authorizer::Function {
        function: name,
        identity: IDENTITY.map(str::to_owned).to_vec(),
        ttl_s: BELIEVED_S,
        simple: true,
    };
    project.auth.insert(AUTH.to_owned(), authorizer);
    for route in project.routes.iter_mut().filter(|route| route.who.key) {
        route.who.auth = Auth::By {
            name: AUTH.to_owned(),
            scopes: vec![],
        };
    }
    Ok(())
}

fn plain_bucket() -> Bucket {
    Bucket {
        name: None,
        folder: None,
        prefix: String::new(),
        site: None,
        keep: false,
        cors: vec![],
    }
}

#[cfg(test)]
mod tests {
    use project::model::{Route, RouteTarget};

    use super::*;
    use crate::coordinator::tests::{project, route};

    fn asking(path: &str, key: bool) -> Route {
        let mut route = route(path, RouteTarget::Function("f".to_owned()));
        route.who.key = key;
        route
    }

    #[test]
    fn routes_that_ask_for_a_key_ask_our_function() {
        let mut project = project(vec![asking("/a", true), asking("/b", false)]);
        guard(&mut project, Path::new("/cache")).unwrap();
        let of: Vec<_> = project.routes.iter().map(|it| &it.who.auth).collect();
        assert!(matches!(of[0], Auth::By { name, .. } if name == AUTH));
        assert_eq!(of[1], &Auth::Open);
        let function = &project.functions["keys"];
        let address = function.environment["SQUALL_KEYS"].fill(|_| "b".to_owned());
        assert_eq!(address, "s3://b");
        assert_eq!(function.reads.len(), 1);
        assert!(function.writes.is_empty() && function.permissions.is_empty());
        assert!(project.buckets.contains_key(BUCKET));
    }

    #[test]
    fn where_no_key_is_asked_for_nothing_is_made() {
        let mut project = project(vec![asking("/b", false)]);
        guard(&mut project, Path::new("/cache")).unwrap();
        assert!(project.functions.is_empty() && project.buckets.is_empty());
        assert!(project.auth.is_empty());
    }

    #[test]
    fn names_that_the_project_has_stay_its_own() {
        let mut with_function = project(vec![asking("/a", true)]);
        guard(&mut with_function, Path::new("/cache")).unwrap();
        let own = with_function.functions["keys"].clone();
        let mut taken = project(vec![asking("/a", true)]);
        taken.functions.insert("keys".to_owned(), own);
        guard(&mut taken, Path::new("/cache")).unwrap();
        assert!(taken.functions.contains_key("keys-2"));
        let mut bucket = project(vec![asking("/a", true)]);
        bucket.buckets.insert(BUCKET.to_owned(), plain_bucket());
        assert!(check(&bucket).is_err());
        bucket.routes[0].who.key = false;
        assert!(check(&bucket).is_ok());
    }
}

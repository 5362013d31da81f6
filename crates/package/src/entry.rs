//! What AWS is told to call. A plain handler is deployed as it is; apps, secrets,
//! keep-warm and maps need our wrapper around it, which then comes with the code.

use std::collections::BTreeMap;

use project::Project;
use project::model::{Entry, Function, FunctionRuntime, RouteTarget};

/// The wrapper, as AWS's `Handler`.
const WRAPPER: &str = "squall.entry.handler";
/// R and other programs come with a `bootstrap` of their own.
const PROVIDED: &str = "provided.al2023";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) runtime: String,
    pub(crate) handler: String,
    pub(crate) environment: BTreeMap<String, String>,
    /// Our Python package comes with the code.
    pub(crate) is_wrapped: bool,
    /// The user's own, for the import test: what loads if all is there.
    pub(crate) own: String,
}

/// `force` where something beyond the project needs the wrapper.
pub(crate) fn of(project: &Project, name: &str, function: &Function, force: bool) -> Called {
    let minor = match &function.runtime {
        FunctionRuntime::Python { minor, .. } => *minor,
        FunctionRuntime::R { .. } => return program(handler(&function.entry)),
        FunctionRuntime::Provided { .. } => return program("bootstrap".to_owned()),
    };
    let own = handler(&function.entry);
    let is_app = matches!(function.entry, Entry::App(_));
    let is_wrapped = force
        || is_app
        || !function.secrets.is_empty()
        || function.keep_warm.is_some()
        || is_mapped(project, name);
    let runtime = format!("python3.{minor}");
    if !is_wrapped {
        return Called {
            runtime,
            handler: own.clone(),
            environment: BTreeMap::new(),
            is_wrapped,
            own,
        };
    }
    let variable = match &function.entry {
        Entry::Handler(text) => ("SQUALL_HANDLER", text),
        Entry::App(text) => ("SQUALL_APP", text),
    };
    Called {
        runtime,
        handler: WRAPPER.to_owned(),
        environment: BTreeMap::from([(variable.0.to_owned(), variable.1.clone())]),
        is_wrapped,
        own,
    }
}

/// A function in R on an engine, which runs it itself.
pub(crate) fn r_of_engine(function: &Function) -> Called {
    Called::in_r(function.runtime.to_string(), handler(&function.entry))
}

fn program(own: String) -> Called {
    Called {
        runtime: PROVIDED.to_owned(),
        handler: own.clone(),
        environment: BTreeMap::new(),
        is_wrapped: false,
        own,
    }
}

/// Tables are mapped over it: on AWS it serves their chunks itself.
fn is_mapped(project: &Project, name: &str) -> bool {
    project
        .routes
        .iter()
        .any(|route| matches!(&route.target, RouteTarget::Map { function, .. } if function == name))
}

/// As a handler is named, also of an app: `app:create_app()` is `app.create_app`.
fn handler(entry: &Entry) -> String {
    match entry {
        Entry::Handler(text) => text.clone(),
        Entry::App(text) => {
            let (module, object) = text.split_once(':').unwrap_or((text, "app"));
            let object = object.split(['.', '(']).next().unwrap_or(object);
            format!("{module}.{object}")
        }
    }
}

/// `handler` of `handler.lambda_handler`, `a/b` of `a.b.f` and of `a/b.f`.
pub(crate) fn module_path(own: &str) -> String {
    let module = own.rsplit_once('.').map_or(own, |(module, _)| module);
    module.replace('.', "/")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::testing;

    #[test]
    fn only_what_needs_it_is_wrapped() {
        let project = testing::project(Path::new("/p"));
        let function = testing::function(Path::new("/p"));
        let plain = of(&project, "f", &function, false);
        assert_eq!(
            (plain.runtime.as_str(), plain.handler.as_str()),
            ("python3.11", "handler.lambda_handler")
        );
        assert!(plain.environment.is_empty() && !plain.is_wrapped);

        let mut secret = function.clone();
        secret.secrets = vec!["KEY".to_owned()];
        let wrapped = of(&project, "f", &secret, false);
        assert_eq!(wrapped.handler, WRAPPER);
        assert_eq!(
            wrapped.environment["SQUALL_HANDLER"],
            "handler.lambda_handler"
        );
        assert_eq!(wrapped.own, "handler.lambda_handler");

        let mut app = function.clone();
        app.entry = Entry::App("web.main:create_app()".to_owned());
        let wrapped = of(&project, "f", &app, false);
        assert_eq!(wrapped.environment["SQUALL_APP"], "web.main:create_app()");
        assert_eq!(wrapped.own, "web.main.create_app");
        assert_eq!(module_path(&wrapped.own), "web/main");

        let mut r = function;
        r.runtime = FunctionRuntime::R { version: None };
        assert_eq!(of(&project, "f", &r, false).runtime, PROVIDED);
    }
}

//! May the source of an event invoke the function? AWS asks when it delivers,
//! not when a notification or a rule is made, since permissions change.

use policy::Context;
use store::Event;

use crate::engine::Engine;
use crate::iam::{Ask, Denied};

/// Why an event is not delivered.
#[derive(Debug)]
pub(super) enum Refused {
    /// No statement of the function's policy lets the service in.
    ByFunction { arn: String },
    /// The role as which the source invokes may not.
    ByRole(Denied),
}

pub(super) fn check(engine: &Engine, event: &Event) -> Result<(), Refused> {
    let details = &event.event;
    let Some(source) = &details.source else {
        return Ok(());
    };
    let (function, qualifier) = (&details.function, details.qualifier.as_ref());
    let catalog = engine.catalog();
    // What is not there is said to be missing, not to be forbidden.
    if catalog.get_function(function, qualifier).is_err() {
        return Ok(());
    }
    let arn = catalog.arn(function, qualifier);
    if let Some(role) = &source.role {
        let iam = engine.iam();
        let ask = Ask {
            principal_arn: &iam.session_arn(role, "scheduler"),
            action: "lambda:InvokeFunction",
            resource: &arn,
            resource_policy: None,
            context: &Context::new(),
        };
        return iam.authorize(&ask).map_err(Refused::ByRole);
    }
    let account = engine.scope().account.as_str();
    if catalog.permits(function, qualifier, &source.service, &source.arn, account) {
        Ok(())
    } else {
        Err(Refused::ByFunction { arn })
    }
}

impl Refused {
    /// Says so to the owner, who is the only one who can mend it.
    pub(super) fn report(&self, event: &Event) {
        let details = &event.event;
        let source = details.source.as_ref();
        let (service, on_behalf) = source.map_or(("", ""), |s| (&s.service, &s.arn));
        let (request, function) = (details.request_id, &details.function);
        match self {
            Self::ByFunction { arn } => tracing::warn!(
                %request, %function, service, source = on_behalf,
                "an event is not delivered: no permission of {arn} lets {service} in for {on_behalf}; AddPermission gives it"
            ),
            Self::ByRole(denied) => tracing::warn!(
                %request, %function, service, source = on_behalf,
                "an event is not delivered: {denied}"
            ),
        }
    }
}

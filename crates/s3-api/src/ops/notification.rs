//! Which functions a bucket tells of what happens in it, to be read and set.

use buckets::{FunctionNotification, Notifications};
use s3s::dto::{
    Event, EventBridgeConfiguration, FilterRule, FilterRuleName,
    GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    LambdaFunctionConfiguration, NotificationConfigurationFilter,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput, S3KeyFilter,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};
use types::{FunctionRef, Scope};

use crate::error::{bad_argument, detailed, fault, fault_with, refused};
use crate::ops::done;
use crate::ops::settings::change;
use crate::service::Service;

/// Who invokes a function when something happens in a bucket.
const PRINCIPAL: &str = "s3.amazonaws.com";
const NO_FUNCTION: &str = "The destination Lambda function does not exist";

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let notifications = &bucket.settings.notifications;
    let functions: Vec<_> = notifications.functions().iter().map(to_wire).collect();
    done(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: notifications
            .event_bridge()
            .then(EventBridgeConfiguration::default),
        lambda_function_configurations: (!functions.is_empty()).then_some(functions),
        ..GetBucketNotificationConfigurationOutput::default()
    })
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
    let input = request.input;
    service.bucket(&input.bucket)?;
    let configuration = input.notification_configuration;
    let queues = configuration.queue_configurations.unwrap_or_default();
    let topics = configuration.topic_configurations.unwrap_or_default();
    if !queues.is_empty() || !topics.is_empty() {
        return Err(fault_with(
            "NotImplemented",
            "Squall does not provide notifications to queues and topics: use a function or EventBridge.",
        ));
    }
    let functions = configuration.lambda_function_configurations;
    let functions: S3Result<Vec<_>> = functions
        .unwrap_or_default()
        .into_iter()
        .map(|told| from_wire(told, &service.scope))
        .collect();
    let event_bridge = configuration.event_bridge_configuration.is_some();
    let notifications = Notifications::new(functions?, event_bridge).map_err(refused)?;
    if input.skip_destination_validation != Some(true) {
        validate(service, &input.bucket, &notifications)?;
    }
    change(service, &input.bucket, move |settings| {
        settings.notifications = notifications;
        Ok(())
    })
    .await?;
    done(PutBucketNotificationConfigurationOutput::default())
}

/// Each function must be there and let this bucket invoke it.
fn validate(service: &Service, bucket: &str, notifications: &Notifications) -> S3Result {
    let catalog = service.engine.catalog();
    let account = service.scope.account.as_str();
    let source = format!("arn:aws:s3:::{bucket}");
    for told in notifications.functions() {
        let exists = catalog
            .resolve(&told.function, told.qualifier.as_ref())
            .is_some();
        let problem = if !exists {
            NO_FUNCTION
        } else if !catalog.permits(
            &told.function,
            told.qualifier.as_ref(),
            PRINCIPAL,
            &source,
            account,
        ) {
            "Not authorized to invoke function"
        } else {
            continue;
        };
        return Err(invalid_destination(&told.function_arn, problem));
    }
    Ok(())
}

fn invalid_destination(arn: &str, problem: &str) -> S3Error {
    let error = fault_with(
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    );
    let value = format!("{problem} [{arn}]");
    let details = [("ArgumentName", arn), ("ArgumentValue", &*value)];
    detailed(error, &details)
}

fn from_wire(told: LambdaFunctionConfiguration, scope: &Scope) -> S3Result<FunctionNotification> {
    let arn = told.lambda_function_arn;
    let named: FunctionRef = arn
        .parse()
        .ok()
        .filter(|_| arn.starts_with("arn:"))
        .ok_or_else(|| bad_argument("LambdaFunctionArn", &arn, "The ARN could not be parsed"))?;
    // Even where validation is to be skipped: ours of the same name would be run.
    if named.account.as_ref() != Some(&scope.account)
        || named.region.as_ref() != Some(&scope.region)
    {
        return Err(invalid_destination(&arn, NO_FUNCTION));
    }
    let (prefix, suffix) = filter_from_wire(told.filter)?;
    let events = told.events.iter().map(|event| event.as_ref().to_owned());
    let id = told.id.filter(|id| !id.is_empty());
    Ok(FunctionNotification {
        id: id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        function_arn: arn,
        function: named.name,
        qualifier: named.qualifier,
        events: events.collect(),
        prefix,
        suffix,
    })
}

fn filter_from_wire(
    filter: Option<NotificationConfigurationFilter>,
) -> S3Result<(Option<String>, Option<String>)> {
    let rules = filter
        .and_then(|filter| filter.key)
        .and_then(|key| key.filter_rules)
        .unwrap_or_default();
    let (mut prefix, mut suffix) = (None, None);
    for rule in rules {
        let name = rule.name.ok_or_else(|| fault("MalformedXML"))?;
        let place = match name.as_str().to_ascii_lowercase().as_str() {
            "prefix" => &mut prefix,
            "suffix" => &mut suffix,
            _ => {
                return Err(bad_argument(
                    "FilterRule.Name",
                    name.as_str(),
                    "filter rule name must be either prefix or suffix",
                ));
            }
        };
        if place.replace(rule.value.unwrap_or_default()).is_some() {
            return Err(bad_argument(
                "FilterRule.Name",
                name.as_str(),
                "Cannot specify more than one prefix rule and one suffix rule in a filter.",
            ));
        }
    }
    Ok((prefix, suffix))
}

fn to_wire(told: &FunctionNotification) -> LambdaFunctionConfiguration {
    let rule = |name: &'static str, value: &Option<String>| {
        value.as_ref().map(|value| FilterRule {
            name: Some(FilterRuleName::from_static(name)),
            value: Some(value.clone()),
        })
    };
    let prefix = rule("Prefix", &told.prefix);
    let rules: Vec<_> = prefix
        .into_iter()
        .chain(rule("Suffix", &told.suffix))
        .collect();
    LambdaFunctionConfiguration {
        events: told.events.iter().map(|e| Event::from(e.clone())).collect(),
        filter: (!rules.is_empty()).then_some(NotificationConfigurationFilter {
            key: Some(S3KeyFilter {
                filter_rules: Some(rules),
            }),
        }),
        id: Some(told.id.clone()),
        lambda_function_arn: told.function_arn.clone(),
    }
}

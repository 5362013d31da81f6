//! The website configuration of a bucket, to be read and set. Pages are served
//! elsewhere.

use buckets::{Pages, Protocol, Website};
use s3s::dto::{
    Condition, DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput, ErrorDocument,
    GetBucketWebsiteInput, GetBucketWebsiteOutput, IndexDocument, Protocol as WireProtocol,
    PutBucketWebsiteInput, PutBucketWebsiteOutput, Redirect, RedirectAllRequestsTo, RoutingRule,
};
use s3s::{S3Request, S3Response, S3Result};

use crate::error::{fault, fault_with, refused};
use crate::ops::done;
use crate::ops::settings::change;
use crate::service::Service;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketWebsiteInput>,
) -> S3Result<S3Response<GetBucketWebsiteOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let Some(website) = &bucket.settings.website else {
        return Err(fault_with(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ));
    };
    done(match website {
        Website::RedirectAll { host, protocol } => GetBucketWebsiteOutput {
            redirect_all_requests_to: Some(RedirectAllRequestsTo {
                host_name: host.clone(),
                protocol: protocol.map(protocol_to_wire),
            }),
            ..GetBucketWebsiteOutput::default()
        },
        Website::Pages(pages) => GetBucketWebsiteOutput {
            error_document: pages.error.clone().map(|key| ErrorDocument { key }),
            index_document: Some(IndexDocument {
                suffix: pages.index.clone(),
            }),
            redirect_all_requests_to: None,
            routing_rules: (!pages.rules.is_empty())
                .then(|| pages.rules.iter().map(rule_to_wire).collect()),
        },
    })
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketWebsiteInput>,
) -> S3Result<S3Response<PutBucketWebsiteOutput>> {
    let configuration = request.input.website_configuration;
    let website = match (
        configuration.redirect_all_requests_to,
        configuration.index_document,
    ) {
        (Some(all), None) if configuration.error_document.is_none() => {
            let protocol = all.protocol.map(|p| protocol_from_wire(&p)).transpose()?;
            Website::redirect_all(all.host_name, protocol).map_err(refused)?
        }
        (None, Some(index)) => {
            let rules = configuration.routing_rules.unwrap_or_default();
            let rules: S3Result<Vec<_>> = rules.into_iter().map(rule_from_wire).collect();
            let pages = Pages {
                index: index.suffix,
                error: configuration.error_document.map(|document| document.key),
                rules: rules?,
            };
            Website::pages(pages).map_err(refused)?
        }
        (Some(_), _) => {
            return Err(fault_with(
                "InvalidArgument",
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
            ));
        }
        (None, None) => {
            return Err(fault_with(
                "InvalidArgument",
                "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            ));
        }
    };
    change(service, &request.input.bucket, move |settings| {
        settings.website = Some(website);
        Ok(())
    })
    .await?;
    done(PutBucketWebsiteOutput::default())
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketWebsiteInput>,
) -> S3Result<S3Response<DeleteBucketWebsiteOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.website = None;
        Ok(())
    })
    .await?;
    done(DeleteBucketWebsiteOutput::default())
}

fn protocol_to_wire(protocol: Protocol) -> WireProtocol {
    WireProtocol::from_static(match protocol {
        Protocol::Http => WireProtocol::HTTP,
        Protocol::Https => WireProtocol::HTTPS,
    })
}

fn protocol_from_wire(protocol: &WireProtocol) -> S3Result<Protocol> {
    match protocol.as_str() {
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        _ => Err(fault_with(
            "InvalidRequest",
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.",
        )),
    }
}

fn rule_to_wire(rule: &buckets::RoutingRule) -> RoutingRule {
    let conditional = rule.key_prefix_equals.is_some() || rule.error_code_equals.is_some();
    let redirect = &rule.redirect;
    RoutingRule {
        condition: conditional.then(|| Condition {
            http_error_code_returned_equals: rule.error_code_equals.map(|code| code.to_string()),
            key_prefix_equals: rule.key_prefix_equals.clone(),
        }),
        redirect: Redirect {
            host_name: redirect.host.clone(),
            http_redirect_code: redirect.status.map(|status| status.to_string()),
            protocol: redirect.protocol.map(protocol_to_wire),
            replace_key_prefix_with: redirect.replace_key_prefix.clone(),
            replace_key_with: redirect.replace_key.clone(),
        },
    }
}

fn rule_from_wire(rule: RoutingRule) -> S3Result<buckets::RoutingRule> {
    let condition = rule.condition.unwrap_or_default();
    let status = |text: Option<String>| text.map(|text| text.parse::<u16>()).transpose();
    let malformed = |_| fault("MalformedXML");
    let protocol = rule.redirect.protocol;
    Ok(buckets::RoutingRule {
        key_prefix_equals: condition.key_prefix_equals,
        error_code_equals: status(condition.http_error_code_returned_equals).map_err(malformed)?,
        redirect: buckets::Redirect {
            host: rule.redirect.host_name,
            protocol: protocol.map(|p| protocol_from_wire(&p)).transpose()?,
            status: status(rule.redirect.http_redirect_code).map_err(malformed)?,
            replace_key: rule.redirect.replace_key_with,
            replace_key_prefix: rule.redirect.replace_key_prefix_with,
        },
    })
}

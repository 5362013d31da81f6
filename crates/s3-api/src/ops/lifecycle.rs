//! The lifecycle rules of a bucket, to be read and set.

use buckets::{
    Expiration, FilterForm, Lifecycle, LifecycleFilter, NoncurrentExpiration, NoncurrentTransition,
};
use s3s::dto::{
    AbortIncompleteMultipartUpload, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    ExpirationStatus, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter,
    NoncurrentVersionExpiration, NoncurrentVersionTransition, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput, Timestamp, Transition,
    TransitionDefaultMinimumObjectSize, TransitionStorageClass,
};
use s3s::{S3Request, S3Response, S3Result};
use std::collections::BTreeMap;

use crate::error::{fault, fault_with, refused, wire_time};
use crate::ops::done;
use crate::ops::settings::change;
use crate::ops::tags::{MOST, from_wire as tags_from_wire, to_wire as tags_to_wire};
use crate::service::Service;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let bucket = service.bucket(&request.input.bucket)?;
    let Some(lifecycle) = &bucket.settings.lifecycle else {
        return Err(fault_with(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        ));
    };
    done(GetBucketLifecycleConfigurationOutput {
        rules: Some(lifecycle.rules().iter().map(to_wire).collect()),
        transition_default_minimum_object_size: Some(default_size()),
    })
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let input = request.input;
    let configuration = input.lifecycle_configuration;
    let rules = configuration.ok_or_else(|| fault("MalformedXML"))?.rules;
    let rules: S3Result<Vec<_>> = rules.into_iter().map(from_wire).collect();
    let lifecycle = Lifecycle::new(rules?).map_err(refused)?;
    change(service, &input.bucket, move |settings| {
        settings.lifecycle = Some(lifecycle);
        Ok(())
    })
    .await?;
    done(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(default_size()),
    })
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
    change(service, &request.input.bucket, |settings| {
        settings.lifecycle = None;
        Ok(())
    })
    .await?;
    done(DeleteBucketLifecycleOutput::default())
}

fn default_size() -> TransitionDefaultMinimumObjectSize {
    TransitionDefaultMinimumObjectSize::from_static(
        TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
    )
}

fn from_wire(rule: LifecycleRule) -> S3Result<buckets::LifecycleRule> {
    let enabled = match rule.status.as_str() {
        "Enabled" => true,
        "Disabled" => false,
        _ => return Err(fault("MalformedXML")),
    };
    let noncurrent = rule.noncurrent_version_expiration;
    let abort = rule.abort_incomplete_multipart_upload;
    let abort = abort.and_then(|abort| abort.days_after_initiation);
    let transitions = rule.transitions.unwrap_or_default();
    let noncurrent_transitions = rule.noncurrent_version_transitions.unwrap_or_default();
    Ok(buckets::LifecycleRule {
        id: rule.id.unwrap_or_default(),
        enabled,
        filter: filter_from_wire(rule.filter, rule.prefix)?,
        expiration: rule.expiration.map(expiration_from_wire).transpose()?,
        noncurrent_expiration: noncurrent
            .map(|noncurrent| {
                Ok::<_, s3s::S3Error>(NoncurrentExpiration {
                    days: days(noncurrent.noncurrent_days)?,
                    keep_newest: noncurrent
                        .newer_noncurrent_versions
                        .map(number)
                        .transpose()?,
                })
            })
            .transpose()?,
        abort_uploads_after_days: abort.map(number).transpose()?,
        transitions: transitions
            .into_iter()
            .map(transition_from_wire)
            .collect::<S3Result<_>>()?,
        noncurrent_transitions: noncurrent_transitions
            .into_iter()
            .map(|transition| {
                Ok(NoncurrentTransition {
                    days: days(transition.noncurrent_days)?,
                    keep_newest: transition
                        .newer_noncurrent_versions
                        .map(number)
                        .transpose()?,
                    storage_class: class(transition.storage_class)?,
                })
            })
            .collect::<S3Result<_>>()?,
    })
}

fn filter_from_wire(
    filter: Option<LifecycleRuleFilter>,
    prefix: Option<String>,
) -> S3Result<LifecycleFilter> {
    let Some(filter) = filter else {
        return Ok(LifecycleFilter {
            prefix: Some(prefix.ok_or_else(|| fault("MalformedXML"))?),
            form: FilterForm::Prefix,
            ..LifecycleFilter::default()
        });
    };
    let size = |size: Option<i64>| size.map(u64::try_from).transpose();
    if let Some(and) = filter.and {
        return Ok(LifecycleFilter {
            prefix: and.prefix,
            tags: tags_from_wire(and.tags.unwrap_or_default(), MOST)?,
            larger_than: size(and.object_size_greater_than).map_err(|_| fault("MalformedXML"))?,
            smaller_than: size(and.object_size_less_than).map_err(|_| fault("MalformedXML"))?,
            form: FilterForm::And,
        });
    }
    let tags = filter.tag.into_iter().collect();
    Ok(LifecycleFilter {
        prefix: filter.prefix,
        tags: tags_from_wire(tags, MOST)?,
        larger_than: size(filter.object_size_greater_than).map_err(|_| fault("MalformedXML"))?,
        smaller_than: size(filter.object_size_less_than).map_err(|_| fault("MalformedXML"))?,
        form: FilterForm::Filter,
    })
}

fn expiration_from_wire(expiration: LifecycleExpiration) -> S3Result<Expiration> {
    let LifecycleExpiration {
        date,
        days,
        expired_object_delete_marker: marker,
    } = expiration;
    match (days, date, marker) {
        (Some(days), None, None) => Ok(Expiration::Days(number(days)?)),
        (None, Some(date), None) => Ok(Expiration::Date(from_wire_time(&date))),
        (None, None, Some(marker)) => Ok(Expiration::LoneDeleteMarkers(marker)),
        _ => Err(fault("MalformedXML")),
    }
}

fn transition_from_wire(transition: Transition) -> S3Result<buckets::Transition> {
    Ok(buckets::Transition {
        days: transition.days.map(number).transpose()?,
        date: transition.date.as_ref().map(from_wire_time),
        storage_class: class(transition.storage_class)?,
    })
}

fn class(class: Option<TransitionStorageClass>) -> S3Result<String> {
    let class = class.ok_or_else(|| fault("MalformedXML"))?;
    Ok(class.as_str().to_owned())
}

fn days(days: Option<i32>) -> S3Result<u32> {
    number(days.ok_or_else(|| fault("MalformedXML"))?)
}

/// A negative number is as wrong as none.
fn number(number: i32) -> S3Result<u32> {
    u32::try_from(number).map_err(|_| {
        fault_with(
            "InvalidArgument",
            "'Days' for Expiration action must be a positive integer",
        )
    })
}

fn from_wire_time(at: &Timestamp) -> types::Timestamp {
    let mut text = Vec::new();
    let written = at.format(s3s::dto::TimestampFormat::DateTime, &mut text);
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    let parsed = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    types::Timestamp(parsed.unwrap_or_default().as_millisecond())
}

fn to_wire(rule: &buckets::LifecycleRule) -> LifecycleRule {
    let noncurrent = rule.noncurrent_expiration.as_ref();
    let transitions = rule.transitions.iter().map(|transition| Transition {
        date: transition.date.map(wire_time),
        days: transition.days.map(signed),
        storage_class: Some(transition.storage_class.clone().into()),
    });
    let noncurrent_transitions =
        rule.noncurrent_transitions
            .iter()
            .map(|transition| NoncurrentVersionTransition {
                newer_noncurrent_versions: transition.keep_newest.map(signed),
                noncurrent_days: Some(signed(transition.days)),
                storage_class: Some(transition.storage_class.clone().into()),
            });
    let status = if rule.enabled {
        ExpirationStatus::ENABLED
    } else {
        ExpirationStatus::DISABLED
    };
    let (filter, prefix) = filter_to_wire(&rule.filter);
    LifecycleRule {
        abort_incomplete_multipart_upload: rule.abort_uploads_after_days.map(|days| {
            AbortIncompleteMultipartUpload {
                days_after_initiation: Some(signed(days)),
            }
        }),
        expiration: rule.expiration.as_ref().map(expiration_to_wire),
        filter,
        id: Some(rule.id.clone()),
        noncurrent_version_expiration: noncurrent.map(|noncurrent| NoncurrentVersionExpiration {
            newer_noncurrent_versions: noncurrent.keep_newest.map(signed),
            noncurrent_days: Some(signed(noncurrent.days)),
        }),
        noncurrent_version_transitions: some(noncurrent_transitions.collect()),
        prefix,
        status: ExpirationStatus::from_static(status),
        transitions: some(transitions.collect()),
    }
}

fn filter_to_wire(filter: &LifecycleFilter) -> (Option<LifecycleRuleFilter>, Option<String>) {
    let size = |size: Option<u64>| size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let tags = |tags: &BTreeMap<String, String>| tags_to_wire(tags);
    match filter.form {
        FilterForm::Prefix => (None, Some(filter.prefix.clone().unwrap_or_default())),
        FilterForm::And => {
            let and = LifecycleRuleAndOperator {
                object_size_greater_than: size(filter.larger_than),
                object_size_less_than: size(filter.smaller_than),
                prefix: filter.prefix.clone(),
                tags: some(tags(&filter.tags)),
            };
            let filter = LifecycleRuleFilter {
                and: Some(and),
                ..LifecycleRuleFilter::default()
            };
            (Some(filter), None)
        }
        FilterForm::Filter => {
            let filter = LifecycleRuleFilter {
                and: None,
                object_size_greater_than: size(filter.larger_than),
                object_size_less_than: size(filter.smaller_than),
                prefix: filter.prefix.clone(),
                tag: tags(&filter.tags).into_iter().next(),
            };
            (Some(filter), None)
        }
    }
}

fn expiration_to_wire(expiration: &Expiration) -> LifecycleExpiration {
    let none = LifecycleExpiration::default();
    match *expiration {
        Expiration::Days(days) => LifecycleExpiration {
            days: Some(signed(days)),
            ..none
        },
        Expiration::Date(date) => LifecycleExpiration {
            date: Some(wire_time(date)),
            ..none
        },
        Expiration::LoneDeleteMarkers(marker) => LifecycleExpiration {
            expired_object_delete_marker: Some(marker),
            ..none
        },
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

//! The way to keys, in the order of the aws CLI: environment, role, web identity,
//! sign-on, the file of credentials, program, container, machine.

use std::path::PathBuf;

use aws_wire::sigv4::Credentials;
use sha1::{Digest as _, Sha1};

use super::metadata::{Container, Instance};
use super::process::Process;
use super::sso::SignOn;
use super::sts::{Role, WebIdentity, session_name};
use super::{Keys, Way};
use crate::error::ClientError;
use crate::find::Search;
use crate::profile::Profile;

/// Roles that lead to roles: a longer chain is a mistake.
const MOST_ROLES: usize = 8;

impl Keys {
    /// Origin requests these are; `url` is where they go, for the message.
    pub fn find(search: &Search<'_>, url: &str) -> Result<Self, ClientError> {
        let variable = search.variable;
        if !search.explicit
            && let Some(keys) = of_environment(search)?
        {
            return Ok(Self::fixed(keys));
        }
        if let Some(keys) = of_profile(search, &search.profile, &mut vec![])? {
            return Ok(keys);
        }
        if let (Some(file), Some(role)) = (
            variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
            variable("AWS_ROLE_ARN"),
        ) {
            let session = variable("AWS_ROLE_SESSION_NAME");
            return web_identity(search, file, role, session);
        }
        if let Some(container) = Container::find(variable)? {
            return Ok(Self::by(Way::Container(container)));
        }
        match Instance::find(variable, &search.profile.name, url)? {
            Some(instance) => Ok(Self::by(Way::Instance(instance))),
            None => Err(none(&search.profile.name, url)),
        }
    }
}

/// There are no keys at all.
pub(super) fn none(profile: &str, url: &str) -> ClientError {
    ClientError::config(format!(
        "there are no keys for {url}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and the profile {profile:?} has none"
    ))
    .with_hint(
        "eval \"$(squall env)\" sets endpoint and keys of a running engine; aws configure or aws sso login keeps those of AWS",
    )
}

fn of_environment(search: &Search<'_>) -> Result<Option<Credentials>, ClientError> {
    let variable = search.variable;
    let Some(access_key) = variable("AWS_ACCESS_KEY_ID") else {
        return Ok(None);
    };
    let secret = variable("AWS_SECRET_ACCESS_KEY").ok_or_else(|| {
        ClientError::config("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
    })?;
    Ok(Some(Credentials {
        access_key,
        secret,
        session_token: variable("AWS_SESSION_TOKEN"),
    }))
}

/// `seen` are the profiles whose roles lead here.
fn of_profile(
    search: &Search<'_>,
    profile: &Profile,
    seen: &mut Vec<String>,
) -> Result<Option<Keys>, ClientError> {
    let returned = seen.contains(&profile.name);
    // A profile may be its own source: then its keys are meant.
    if let Some(role) = profile.get("role_arn").filter(|_| !returned) {
        return role_of(search, profile, role, seen).map(Some);
    }
    if profile.get("sso_session").is_some() || profile.get("sso_start_url").is_some() {
        return sign_on(search, profile).map(Some);
    }
    if let Some(keys) = static_keys(profile)? {
        return Ok(Some(Keys::fixed(keys)));
    }
    if let Some(command) = profile.get("credential_process") {
        let process = Process::new(command, &profile.name)?;
        return Ok(Some(Keys::by(Way::Process(process))));
    }
    if returned {
        return Err(ClientError::config(format!(
            "the profile {:?} is the source of its own role, and has no keys",
            profile.name
        )));
    }
    Ok(None)
}

fn static_keys(profile: &Profile) -> Result<Option<Credentials>, ClientError> {
    let Some(access_key) = profile.get("aws_access_key_id") else {
        return Ok(None);
    };
    let secret = profile.need("aws_secret_access_key", "aws_access_key_id")?;
    Ok(Some(Credentials {
        access_key: access_key.to_owned(),
        secret: secret.to_owned(),
        session_token: profile.get("aws_session_token").map(str::to_owned),
    }))
}

fn role_of(
    search: &Search<'_>,
    profile: &Profile,
    role: &str,
    seen: &mut Vec<String>,
) -> Result<Keys, ClientError> {
    let name = &profile.name;
    if let Some(file) = profile.get("web_identity_token_file") {
        let session = profile.get("role_session_name").map(str::to_owned);
        return web_identity(search, file.to_owned(), role.to_owned(), session);
    }
    if profile.get("mfa_serial").is_some() {
        return Err(ClientError::config(format!(
            "the role of the profile {name:?} wants a code of a device (mfa_serial)"
        ))
        .with_hint(format!(
            "eval \"$(aws configure export-credentials --profile {name} --format env)\" asks for the code, and puts the keys into the environment"
        )));
    }
    seen.push(name.clone());
    if seen.len() > MOST_ROLES {
        return Err(ClientError::config(format!(
            "the profiles {} lead from role to role without end",
            seen.join(", ")
        )));
    }
    let source = source_of(search, profile, seen)?;
    let seconds = profile.get("duration_seconds");
    let seconds = seconds.map(|text| {
        text.parse::<u32>().map_err(|_| {
            ClientError::config(format!(
                "duration_seconds of the profile {name:?} is {text:?}, and no number"
            ))
        })
    });
    let given = profile.get("role_session_name").map(str::to_owned);
    Ok(Keys::by(Way::Role(Role {
        client: search.client_with(source, profile.get("region"))?,
        arn: role.to_owned(),
        session: given.unwrap_or_else(session_name),
        external_id: profile.get("external_id").map(str::to_owned),
        seconds: seconds.transpose()?,
    })))
}

/// The keys by which a profile's role is taken.
fn source_of(
    search: &Search<'_>,
    profile: &Profile,
    seen: &mut Vec<String>,
) -> Result<Keys, ClientError> {
    let name = &profile.name;
    let variable = search.variable;
    if let Some(source) = profile.get("source_profile") {
        let found = search.files.profile(source).ok_or_else(|| {
            ClientError::config(format!(
                "the profile {name:?} takes its role by the profile {source:?}, which is not there"
            ))
        })?;
        let keys = of_profile(search, &found, seen)?;
        return keys.ok_or_else(|| {
            ClientError::config(format!(
                "the profile {name:?} takes its role by the profile {source:?}, which has no keys"
            ))
        });
    }
    let missing = |what: &str| {
        ClientError::config(format!(
            "the profile {name:?} takes its role by the keys of {what}, where there are none"
        ))
    };
    match profile.get("credential_source") {
        Some("Environment") => of_environment(search)?
            .map(Keys::fixed)
            .ok_or_else(|| missing("the environment")),
        Some("EcsContainer") => Container::find(variable)?
            .map(|container| Keys::by(Way::Container(container)))
            .ok_or_else(|| missing("its container")),
        Some("Ec2InstanceMetadata") => Instance::find(variable, name, "AWS")?
            .map(|instance| Keys::by(Way::Instance(instance)))
            .ok_or_else(|| missing("its machine")),
        Some(other) => Err(ClientError::config(format!(
            "credential_source of the profile {name:?} is {other:?}, and not Environment, Ec2InstanceMetadata or EcsContainer"
        ))),
        None => Err(ClientError::config(format!(
            "the profile {name:?} has role_arn, but neither source_profile nor credential_source"
        ))),
    }
}

fn web_identity(
    search: &Search<'_>,
    file: String,
    role: String,
    session: Option<String>,
) -> Result<Keys, ClientError> {
    Ok(Keys::by(Way::WebIdentity(WebIdentity {
        client: search.client_with(Keys::Nobody, None)?,
        file: PathBuf::from(file),
        role,
        session: session.unwrap_or_else(session_name),
    })))
}

fn sign_on(search: &Search<'_>, profile: &Profile) -> Result<Keys, ClientError> {
    let name = &profile.name;
    let account = profile.need("sso_account_id", "a sign-on")?.to_owned();
    let role = profile.need("sso_role_name", "a sign-on")?.to_owned();
    let (region, token_of) = match profile.get("sso_session") {
        Some(session) => {
            let section = search.files.section("sso-session", session);
            let section = section.ok_or_else(|| {
                ClientError::config(format!(
                    "the profile {name:?} names the sso-session {session:?}, which ~/.aws/config does not have"
                ))
            })?;
            let region = section.get("sso_region").map(String::as_str);
            (region.or_else(|| profile.get("sso_region")), session)
        }
        None => (
            profile.get("sso_region"),
            profile.need("sso_start_url", "a sign-on")?,
        ),
    };
    let region = region.ok_or_else(|| {
        ClientError::config(format!(
            "the sign-on of the profile {name:?} has no sso_region"
        ))
    })?;
    let folder = search.files.folder.as_ref().ok_or_else(|| {
        ClientError::config("HOME is not set, so the sign-ons of the aws CLI cannot be found")
    })?;
    let token = format!("{}.json", hex::encode(Sha1::digest(token_of)));
    Ok(Keys::by(Way::SignOn(SignOn {
        client: search.client_with(Keys::Nobody, Some(region))?,
        token: folder.join("sso").join("cache").join(token),
        account,
        role,
        profile: name.clone(),
    })))
}

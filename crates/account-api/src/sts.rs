//! STS: who am I, and temporary keys.

use aws_wire::form::Form;
use aws_wire::sigv4::Principal;
use aws_wire::xml::Xml;
use engine::iam::{IamError, Session};

use crate::answer::{Answer, date};
use crate::api::{AccountApi, number, required};
use crate::error::ApiError;

const ROLE_SECONDS: u32 = 3600;
const ACCOUNT_SECONDS: u32 = 43_200;

impl AccountApi {
    pub(crate) fn get_caller_identity(caller: &Principal) -> Answer {
        Answer::result(|xml| {
            xml.text("Arn", &caller.arn);
            xml.text("UserId", &caller.user_id);
            xml.text("Account", caller.account.as_str());
        })
    }

    pub(crate) fn assume_role(&self, form: &Form, caller: &Principal) -> Result<Answer, ApiError> {
        let arn = required(form, "RoleArn")?;
        let name = required(form, "RoleSessionName")?;
        let seconds = number(form, "DurationSeconds")?.unwrap_or(ROLE_SECONDS);
        let session = self.iam.assume_role(&caller.arn, arn, name, seconds)?;
        Ok(Answer::result(|xml| {
            xml.element("AssumedRoleUser", |xml| {
                xml.text("AssumedRoleId", &session.user_id);
                xml.text("Arn", &session.arn);
            });
            write_credentials(xml, &session);
        }))
    }

    pub(crate) fn get_session_token(
        &self,
        form: &Form,
        caller: &Principal,
    ) -> Result<Answer, ApiError> {
        // The keys of a role must not become those of the account.
        if !self.iam.is_root(&caller.arn) {
            return Err(ApiError::Iam(IamError::Denied(
                "Cannot call GetSessionToken with session credentials".to_owned(),
            )));
        }
        let seconds = number(form, "DurationSeconds")?.unwrap_or(ACCOUNT_SECONDS);
        let session = self.iam.session_token(seconds)?;
        Ok(Answer::result(|xml| write_credentials(xml, &session)))
    }
}

fn write_credentials(xml: &mut Xml, session: &Session) {
    xml.element("Credentials", |xml| {
        xml.text("AccessKeyId", &session.access_key);
        xml.text("SecretAccessKey", &session.secret);
        xml.text("SessionToken", &session.token);
        if let Some(expires) = session.expires {
            xml.text("Expiration", &date(expires));
        }
    });
}

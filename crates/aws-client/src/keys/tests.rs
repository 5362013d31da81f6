//! All ways to keys, against endpoints that hand them out, in the order of the aws CLI.

use std::path::Path;

use http::Method;
use sha1::{Digest as _, Sha1};

use super::*;
use crate::tests::{Does, Endpoint, found};
use crate::{Asked, Client};

const STS: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>\
    <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
const IDENTITY: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
    <AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
const MACHINE: &str = r#"{"AccessKeyId":"ASIAMACHINE","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}"#;
const MACHINE_STEPS: &[Does] = &[
    Does::Answers(200, "token"),
    Does::Answers(200, "my-role\n"),
    Does::Answers(200, MACHINE),
];
const SIGN_ON: &str = r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s","sessionToken":"t","expiration":4102444800000}}"#;

/// A folder that is someone's home, with these profiles.
struct Home {
    folder: tempfile::TempDir,
    config: String,
}

impl Home {
    fn new(config: &str, credentials: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".aws/sso/cache")).unwrap();
        std::fs::write(folder.path().join(".aws/config"), config).unwrap();
        std::fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        let config = folder.path().to_str().unwrap().to_owned();
        Self { folder, config }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn find(&self, more: &[(&str, &str)], asked: Asked<'_>) -> Result<Client, ClientError> {
        let mut variables = vec![("HOME", self.config.as_str()), ("AWS_REGION", "eu-west-1")];
        variables.extend(more);
        found(&variables, asked)
    }

    async fn key(
        &self,
        more: &[(&str, &str)],
        profile: Option<&str>,
    ) -> Result<String, ClientError> {
        let asked = Asked {
            profile,
            ..Asked::default()
        };
        let keys = self.find(more, asked)?.credentials().await?;
        Ok(keys.unwrap().access_key.clone())
    }

    async fn refused(&self, more: &[(&str, &str)], profile: &str) -> ClientError {
        self.key(more, Some(profile)).await.unwrap_err()
    }
}

const NO_MACHINE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
const ENVIRONMENT: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAENV"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
];

#[tokio::test]
async fn keys_come_from_the_environment_or_a_profile() {
    let home = Home::new(
        "[profile lab]\nregion = us-west-2\n[profile half]\naws_access_key_id = A\n",
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
         [lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = s\naws_session_token = t\n",
    );
    let key = async |more: &[(&str, &str)], profile| home.key(more, profile).await.unwrap();
    assert_eq!(key(&[], None).await, "AKIADEFAULT");
    assert_eq!(key(&ENVIRONMENT, None).await, "AKIAENV");
    assert_eq!(key(&[("AWS_PROFILE", "lab")], None).await, "AKIALAB");
    let mut both = ENVIRONMENT.to_vec();
    both.push(("AWS_PROFILE", "lab"));
    assert_eq!(
        key(&both, None).await,
        "AKIAENV",
        "the environment goes first"
    );
    // A profile on the command line is what its user means.
    assert_eq!(key(&ENVIRONMENT, Some("lab")).await, "AKIALAB");
    for (more, profile, words) in [
        (
            &[("AWS_ACCESS_KEY_ID", "A")][..],
            "",
            "AWS_SECRET_ACCESS_KEY is not",
        ),
        (
            &[("AWS_PROFILE", "no")],
            "",
            "AWS_PROFILE names the profile \"no\"",
        ),
        (&[], "no", "--profile names the profile \"no\""),
        (&[], "half", "but no aws_secret_access_key"),
    ] {
        let profile = Some(profile).filter(|profile| !profile.is_empty());
        let said = home.key(more, profile).await.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    let nobody = Home::new("", "");
    let error = nobody.key(&[NO_MACHINE], None).await.unwrap_err();
    assert!(
        error.to_string().starts_with("there are no keys for AWS"),
        "{error}"
    );
}

#[tokio::test]
async fn a_role_is_taken_by_other_keys_and_their_roles() {
    let endpoint = Endpoint::start(&[Does::Answers(200, STS)]).await;
    let home = Home::new(
        "[profile deploy]\nrole_arn = arn:aws:iam::1:role/deploy\nsource_profile = middle\n\
         external_id = 4711\nrole_session_name = me\nduration_seconds = 900\n\
         [profile middle]\nrole_arn = arn:aws:iam::1:role/middle\nsource_profile = base\n\
         [profile env]\nrole_arn = arn:aws:iam::1:role/env\ncredential_source = Environment\n\
         [profile own]\nrole_arn = arn:aws:iam::1:role/own\nsource_profile = own\n\
         aws_access_key_id = AKIAOWN\naws_secret_access_key = s\n",
        "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n",
    );
    let sts = ("AWS_ENDPOINT_URL_STS", endpoint.url.as_str());
    let key = home.key(&[sts], Some("deploy")).await.unwrap();
    assert_eq!(key, "ASIAROLE");
    let asked = endpoint.asked();
    assert!(asked[0].contains("Credential=AKIABASE/") && asked[0].contains("role%2Fmiddle"));
    for word in [
        "Credential=ASIAROLE/",
        "x-amz-security-token: t",
        "role%2Fdeploy",
        "ExternalId=4711",
        "RoleSessionName=me",
        "DurationSeconds=900",
    ] {
        assert!(asked[1].contains(word), "{word} is not in {}", asked[1]);
    }
    home.key(&[sts], Some("own")).await.unwrap();
    assert!(endpoint.asked()[2].contains("Credential=AKIAOWN/"));
    let more = [sts, ENVIRONMENT[0], ENVIRONMENT[1]];
    home.key(&more, Some("env")).await.unwrap();
    assert!(endpoint.asked()[3].contains("Credential=AKIAENV/"));
}

#[tokio::test]
async fn roles_that_cannot_be_taken_say_why() {
    let home = Home::new(
        "[profile device]\nrole_arn = a\nsource_profile = base\nmfa_serial = arn:mfa\n\
         [profile one]\nrole_arn = a\nsource_profile = two\n\
         [profile two]\nrole_arn = b\nsource_profile = one\n\
         [profile gone]\nrole_arn = a\nsource_profile = nobody\n\
         [profile bare]\nrole_arn = a\nsource_profile = empty\n[profile empty]\nregion = x\n\
         [profile nothing]\nrole_arn = a\n\
         [profile odd]\nrole_arn = a\ncredential_source = Moon\n\
         [profile long]\nrole_arn = a\nsource_profile = base\nduration_seconds = hour\n",
        "[base]\naws_access_key_id = A\naws_secret_access_key = s\n",
    );
    for (profile, words) in [
        ("device", "wants a code of a device (mfa_serial)"),
        ("one", "is the source of its own role"),
        ("gone", "the profile \"nobody\", which is not there"),
        ("bare", "the profile \"empty\", which has no keys"),
        ("nothing", "neither source_profile nor credential_source"),
        ("odd", "is \"Moon\", and not Environment"),
        ("long", "is \"hour\", and no number"),
    ] {
        let error = home.refused(&[NO_MACHINE], profile).await;
        assert!(error.to_string().contains(words), "{error}");
    }
    let device = home.refused(&[], "device").await;
    assert!(
        device
            .hint()
            .unwrap()
            .contains("export-credentials --profile device")
    );
}

#[tokio::test]
async fn a_bearer_of_a_token_takes_a_role_without_keys() {
    let endpoint = Endpoint::start(&[Does::Answers(200, IDENTITY)]).await;
    let home = Home::new("", "");
    let token = home.path().join("token");
    std::fs::write(&token, "to.ken\n").unwrap();
    let more = [
        ("AWS_ENDPOINT_URL_STS", endpoint.url.as_str()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/web"),
    ];
    assert_eq!(home.key(&more, None).await.unwrap(), "ASIAWEB");
    let asked = &endpoint.asked()[0];
    assert!(asked.contains("WebIdentityToken=to.ken") && !asked.contains("authorization"));
    std::fs::remove_file(&token).unwrap();
    let error = home.key(&more, None).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot read the web identity token"),
        "{error}"
    );
}

#[tokio::test]
async fn a_sign_on_of_the_aws_cli_is_followed_until_it_ends() {
    let endpoint = Endpoint::start(&[Does::Answers(200, SIGN_ON)]).await;
    let home = Home::new(
        "[profile new]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = Admin Role\n\
         [sso-session work]\nsso_region = eu-north-1\nsso_start_url = https://x/start\n\
         [profile old]\nsso_start_url = https://x/start\nsso_region = eu-north-1\nsso_account_id = 1\n\
         sso_role_name = r\n\
         [profile half]\nsso_session = work\n[profile lost]\nsso_session = no\nsso_account_id = 1\nsso_role_name = r\n",
        "",
    );
    let token = |of: &str, end: &str| {
        let name = format!("{}.json", hex::encode(Sha1::digest(of)));
        let text = format!(r#"{{"accessToken":"bearer-{of}","expiresAt":"{end}"}}"#);
        std::fs::write(home.path().join(".aws/sso/cache").join(name), text).unwrap();
    };
    let sso = [("AWS_ENDPOINT_URL_SSO", endpoint.url.as_str())];
    let error = home.refused(&sso, "new").await;
    assert!(error.to_string().contains("was never made"), "{error}");
    assert_eq!(error.hint().unwrap(), "aws sso login --profile new");
    token("work", "2100-01-01T00:00:00Z");
    assert_eq!(home.key(&sso, Some("new")).await.unwrap(), "ASIASSO");
    let asked = &endpoint.asked()[0];
    assert!(asked.starts_with(
        "GET /federation/credentials?role_name=Admin%20Role&account_id=123456789012 "
    ));
    assert!(asked.contains("x-amz-sso_bearer_token: bearer-work") && !asked.contains("AWS4-HMAC"));
    token("https://x/start", "2020-01-01T00:00:00UTC");
    let error = home.refused(&sso, "old").await;
    assert!(error.to_string().contains("has expired"), "{error}");
    for (profile, words) in [
        ("half", "no sso_account_id"),
        ("lost", "the sso-session \"no\""),
    ] {
        let error = home.refused(&sso, profile).await;
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_for_the_aws_cli_too() {
    const ANEW: &str = r#"{"accessToken":"second","expiresIn":3600,"refreshToken":"r2"}"#;
    const STEPS: &[Does] = &[
        Does::Answers(200, ANEW),
        Does::Answers(200, SIGN_ON),
        Does::Answers(200, SIGN_ON),
        Does::Answers(400, r#"{"error":"invalid_grant"}"#),
    ];
    let endpoint = Endpoint::start(STEPS).await;
    let home = Home::new(
        "[profile p]\nsso_session = work\nsso_account_id = 1\nsso_role_name = r\n\
         [sso-session work]\nsso_region = eu-north-1\n",
        "",
    );
    let name = format!("{}.json", hex::encode(Sha1::digest("work")));
    let path = home.path().join(".aws/sso/cache").join(name);
    let old = r#"{"accessToken":"first","expiresAt":"2020-01-01T00:00:00Z","refreshToken":"r1","clientId":"c","clientSecret":"s","region":"eu-north-1"}"#;
    std::fs::write(&path, old).unwrap();
    let sso = [
        ("AWS_ENDPOINT_URL_SSO", endpoint.url.as_str()),
        ("AWS_ENDPOINT_URL_SSO_OIDC", endpoint.url.as_str()),
    ];
    assert_eq!(home.key(&sso, Some("p")).await.unwrap(), "ASIASSO");
    let kept = std::fs::read_to_string(&path).unwrap();
    for word in ["second", "\"r2\"", "eu-north-1", "\"c\""] {
        assert!(kept.contains(word), "{word} is not in {kept}");
    }
    home.key(&sso, Some("p")).await.unwrap();
    let asked = endpoint.asked();
    assert!(asked[0].starts_with("POST /token ") && asked[0].contains("\"refreshToken\":\"r1\""));
    for request in &asked[1..] {
        assert!(
            request.contains("x-amz-sso_bearer_token: second"),
            "{request}"
        );
    }
    std::fs::write(&path, old).unwrap();
    let error = home.refused(&sso, "p").await;
    assert!(error.to_string().contains("has expired"), "{error}");
}

#[tokio::test]
async fn containers_and_machines_hand_out_keys() {
    let home = Home::new("", "");
    let container = Endpoint::start(&[Does::Answers(200, MACHINE)]).await;
    let url = format!("{}/keys?id=1", container.url);
    let more = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "proof"),
    ];
    assert_eq!(home.key(&more, None).await.unwrap(), "ASIAMACHINE");
    let asked = &container.asked()[0];
    assert!(asked.starts_with("GET /keys?id=1 ") && asked.contains("authorization: proof"));
    let far = [(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "http://example.com/keys",
    )];
    let error = home.key(&far, None).await.unwrap_err();
    assert!(
        error.to_string().contains("only this machine is trusted"),
        "{error}"
    );

    let machine = Endpoint::start(MACHINE_STEPS).await;
    let more = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url.as_str())];
    assert_eq!(home.key(&more, None).await.unwrap(), "ASIAMACHINE");
    let asked = machine.asked();
    assert!(asked[0].starts_with("PUT /latest/api/token "));
    assert!(asked[1].contains("x-aws-ec2-metadata-token: token"));
    assert!(asked[2].starts_with("GET /latest/meta-data/iam/security-credentials/my-role "));
    let none = Endpoint::start(&[Does::Answers(404, "")]).await;
    let more = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", none.url.as_str())];
    let error = home.key(&more, None).await.unwrap_err();
    assert!(
        error.to_string().starts_with("there are no keys for AWS"),
        "{error}"
    );
}

#[tokio::test]
async fn keys_are_got_anew_before_they_end_and_the_old_ones_do_until_then() {
    let home = Home::new("[profile p]\ncredential_process = cat keys.json\n", "");
    let path = home.path().join("keys.json");
    let config = format!(
        "[profile p]\ncredential_process = cat '{}'\n",
        path.display()
    );
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let say = |key: &str, end: &str| {
        let text = format!(
            r#"{{"Version":1,"AccessKeyId":"{key}","SecretAccessKey":"s","Expiration":"{end}"}}"#
        );
        std::fs::write(&path, text).unwrap();
    };
    say("FIRST", "2026-01-01T01:00:00Z");
    let asked = Asked {
        profile: Some("p"),
        ..Asked::default()
    };
    let client = home.find(&[], asked).unwrap();
    let Keys::Renewed(renewed) = client.keys() else {
        panic!("these change");
    };
    let at = |text: &str| end(text).unwrap().unwrap();
    let key = async |time: &str| {
        let got = renewed.get(at(time)).await;
        got.map(|keys| keys.access_key.clone())
    };
    assert_eq!(key("2026-01-01T00:00:00Z").await.unwrap(), "FIRST");
    say("SECOND", "2026-01-01T02:00:00Z");
    assert_eq!(key("2026-01-01T00:54:59Z").await.unwrap(), "FIRST");
    assert_eq!(key("2026-01-01T00:55:00Z").await.unwrap(), "SECOND");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(key("2026-01-01T01:59:00Z").await.unwrap(), "SECOND");
    assert!(key("2026-01-01T02:00:00Z").await.is_err());
}

#[tokio::test]
async fn a_service_that_says_expired_gets_new_keys_once() {
    const EXPIRED: &str = r#"{"__type":"ExpiredTokenException","message":"old"}"#;
    const SCRIPT: &[Does] = &[Does::Answers(400, EXPIRED), Does::Answers(200, "{}")];
    let endpoint = Endpoint::start(SCRIPT).await;
    let home = Home::new(
        "[profile p]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}'\n",
        "",
    );
    let client = |url| {
        let asked = Asked {
            profile: Some("p"),
            endpoint: Some(url),
            region: None,
        };
        home.find(&[], asked).unwrap()
    };
    let call = client(&endpoint.url);
    call.rest_json("lambda", Method::GET, "/f", None)
        .await
        .unwrap();
    assert_eq!(endpoint.asked().len(), 2);
    let endpoint = Endpoint::start(&[Does::Answers(400, EXPIRED)]).await;
    let call = client(&endpoint.url);
    let error = call.rest_json("lambda", Method::GET, "/f", None).await;
    assert_eq!(error.unwrap_err().code(), "ExpiredTokenException");
    assert_eq!(endpoint.asked().len(), 2);
}

#[test]
fn endpoints_and_regions_are_found_in_the_order_of_the_aws_cli() {
    let home = Home::new(
        "[default]\nregion = eu-west-3\nendpoint_url = http://all.file\nservices = own\n\
         aws_access_key_id = A\naws_secret_access_key = s\n\
         [services own]\ns3 =\n  endpoint_url = http://s3.file\n\
         [profile cloud]\nregion = mars\naws_access_key_id = A\naws_secret_access_key = s\n\
         [profile none]\naws_access_key_id = A\naws_secret_access_key = s\n",
        "",
    );
    let client = |more: &[(&str, &str)], asked| {
        let mut variables = vec![("HOME", home.config.as_str())];
        variables.extend(more);
        found(&variables, asked)
    };
    let urls = |more: &[(&str, &str)], asked| {
        let client = client(more, asked).unwrap();
        ["s3", "lambda", "logs"].map(|service| client.endpoint(service).host)
    };
    let usual = Asked::default();
    assert_eq!(urls(&[], usual), ["s3.file", "all.file", "all.file"]);
    let all = ("AWS_ENDPOINT_URL", "http://all.env");
    let logs = ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://logs.env");
    assert_eq!(
        urls(&[all, logs], usual),
        ["all.env", "all.env", "logs.env"]
    );
    let named = Asked {
        endpoint: Some("http://named"),
        ..usual
    };
    assert_eq!(urls(&[all, logs], named), ["named", "named", "named"]);
    let ignored = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let aws = ["s3", "lambda", "logs"].map(|service| format!("{service}.eu-west-3.amazonaws.com"));
    assert_eq!(urls(&[all, logs, ignored], usual), aws);

    let region =
        |more: &[(&str, &str)], asked| client(more, asked).map(|it| it.region().to_owned());
    assert_eq!(region(&[], usual).unwrap(), "eu-west-3");
    let default = ("AWS_DEFAULT_REGION", "eu-west-2");
    assert_eq!(region(&[default], usual).unwrap(), "eu-west-2");
    let env = ("AWS_REGION", "eu-west-1");
    assert_eq!(region(&[default, env], usual).unwrap(), "eu-west-1");
    let there = Asked {
        region: Some("us-west-2"),
        ..usual
    };
    assert_eq!(region(&[default, env], there).unwrap(), "us-west-2");
    for (profile, words) in [("cloud", "\"mars\""), ("none", "there is no region of AWS")] {
        let asked = Asked {
            profile: Some(profile),
            ..usual
        };
        let said = region(&[], asked).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        // Elsewhere, regions are but names.
        assert!(region(&[all], asked).is_ok());
    }
}

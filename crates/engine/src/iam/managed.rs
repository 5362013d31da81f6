//! The policies of AWS that functions commonly attach. They are only names to
//! most clients; the documents say in our own words what each is for.

use serde_json::json;

/// A policy of AWS: `arn:aws:iam::aws:policy/PATH/NAME`.
#[derive(Debug)]
pub struct ManagedPolicy {
    pub path: &'static str,
    pub name: &'static str,
    actions: &'static [&'static str],
    /// The service to which its holder may pass roles.
    passes_to: Option<&'static str>,
}

impl ManagedPolicy {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    pub fn document(&self) -> String {
        let mut statements =
            vec![json!({ "Effect": "Allow", "Action": self.actions, "Resource": "*" })];
        if let Some(service) = self.passes_to {
            statements.push(json!({
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": { "StringLike": { "iam:PassedToService": service } },
            }));
        }
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    /// AWS's ids look so, and stay the same.
    pub fn id(&self) -> String {
        let sum = self
            .name
            .bytes()
            .fold(0_u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
        format!("ANPA{:017}", sum % 10_u64.pow(17))
    }
}

pub(super) fn find(arn: &str) -> Option<&'static ManagedPolicy> {
    let rest = arn.strip_prefix("arn:aws:iam::aws:policy")?;
    all().find(|policy| {
        rest.strip_prefix(policy.path)
            .is_some_and(|name| name == policy.name)
    })
}

pub(super) fn all() -> impl Iterator<Item = &'static ManagedPolicy> {
    POLICIES.iter()
}

const fn service(name: &'static str, actions: &'static [&'static str]) -> ManagedPolicy {
    ManagedPolicy {
        path: "/service-role/",
        name,
        actions,
        passes_to: None,
    }
}

const fn plain(name: &'static str, actions: &'static [&'static str]) -> ManagedPolicy {
    ManagedPolicy {
        path: "/",
        name,
        actions,
        passes_to: None,
    }
}

const fn passing(
    name: &'static str,
    actions: &'static [&'static str],
    service: &'static str,
) -> ManagedPolicy {
    ManagedPolicy {
        passes_to: Some(service),
        ..plain(name, actions)
    }
}

const WRITE_LOGS: &[&str] = &[
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];
const READ_ANY: &[&str] = &[
    "dynamodb:BatchGet*",
    "dynamodb:Describe*",
    "dynamodb:Get*",
    "dynamodb:List*",
    "dynamodb:Query",
    "dynamodb:Scan",
    "events:Describe*",
    "events:List*",
    "events:TestEventPattern",
    "iam:Get*",
    "iam:List*",
    "lambda:Get*",
    "lambda:List*",
    "logs:Describe*",
    "logs:FilterLogEvents",
    "logs:Get*",
    "logs:List*",
    "s3:Get*",
    "s3:List*",
    "scheduler:Get*",
    "scheduler:List*",
    "sts:Get*",
];

/// AWS says it by `NotAction`; these are the services that policies here name.
const ALL_BUT_IAM: &[&str] = &[
    "cloudwatch:*",
    "dynamodb:*",
    "ec2:*",
    "ecr:*",
    "events:*",
    "iam:CreateServiceLinkedRole",
    "iam:ListRoles",
    "kafka:*",
    "kinesis:*",
    "lambda:*",
    "logs:*",
    "s3:*",
    "scheduler:*",
    "secretsmanager:*",
    "ses:*",
    "sns:*",
    "sqs:*",
    "ssm:*",
    "sts:*",
    "xray:*",
];

static POLICIES: &[ManagedPolicy] = &[
    plain(
        "AWSLambdaExecute",
        &["logs:*", "s3:GetObject", "s3:PutObject"],
    ),
    plain(
        "AWSLambdaInvocation-DynamoDB",
        &["lambda:InvokeFunction", "dynamodb:*Stream*"],
    ),
    passing(
        "AWSLambda_FullAccess",
        &["lambda:*", "logs:Describe*"],
        "lambda.amazonaws.com",
    ),
    plain(
        "AWSLambda_ReadOnlyAccess",
        &["lambda:Get*", "lambda:List*", "logs:Describe*"],
    ),
    plain(
        "AWSXRayDaemonWriteAccess",
        &["xray:Put*", "xray:GetSampling*"],
    ),
    plain(
        "AWSXrayWriteOnlyAccess",
        &["xray:Put*", "xray:GetSampling*"],
    ),
    plain("AdministratorAccess", &["*"]),
    plain("AmazonDynamoDBFullAccess", &["dynamodb:*"]),
    plain(
        "AmazonDynamoDBReadOnlyAccess",
        &["dynamodb:Get*", "dynamodb:Query", "dynamodb:Scan"],
    ),
    plain(
        "AmazonEC2ContainerRegistryReadOnly",
        &["ecr:Get*", "ecr:BatchGet*"],
    ),
    passing(
        "AmazonEventBridgeFullAccess",
        &["events:*", "scheduler:*"],
        "scheduler.amazonaws.com",
    ),
    plain(
        "AmazonEventBridgeReadOnlyAccess",
        &[
            "events:Describe*",
            "events:List*",
            "scheduler:Get*",
            "scheduler:List*",
        ],
    ),
    passing(
        "AmazonEventBridgeSchedulerFullAccess",
        &["scheduler:*"],
        "scheduler.amazonaws.com",
    ),
    plain(
        "AmazonEventBridgeSchedulerReadOnlyAccess",
        &["scheduler:Get*", "scheduler:List*"],
    ),
    plain("AmazonKinesisFullAccess", &["kinesis:*"]),
    plain("AmazonS3FullAccess", &["s3:*", "s3-object-lambda:*"]),
    plain(
        "AmazonS3ReadOnlyAccess",
        &["s3:Get*", "s3:List*", "s3:Describe*"],
    ),
    plain("AmazonSESFullAccess", &["ses:*"]),
    plain("AmazonSNSFullAccess", &["sns:*"]),
    plain("AmazonSQSFullAccess", &["sqs:*"]),
    plain(
        "AmazonSSMReadOnlyAccess",
        &["ssm:Describe*", "ssm:Get*", "ssm:List*"],
    ),
    plain(
        "AmazonVPCFullAccess",
        &["ec2:*Vpc*", "ec2:*Subnet*", "ec2:*SecurityGroup*"],
    ),
    plain("CloudWatchFullAccess", &["cloudwatch:*", "logs:*"]),
    plain("CloudWatchFullAccessV2", &["cloudwatch:*", "logs:*"]),
    plain(
        "CloudWatchLambdaApplicationSignalsExecutionRolePolicy",
        &["xray:Put*", "logs:Put*"],
    ),
    plain("CloudWatchLambdaInsightsExecutionRolePolicy", WRITE_LOGS),
    plain("CloudWatchLogsFullAccess", &["logs:*"]),
    plain(
        "CloudWatchLogsReadOnlyAccess",
        &["logs:Describe*", "logs:Get*", "logs:Filter*"],
    ),
    plain("IAMReadOnlyAccess", &["iam:Get*", "iam:List*"]),
    plain("PowerUserAccess", ALL_BUT_IAM),
    plain("ReadOnlyAccess", READ_ANY),
    plain("SecretsManagerReadWrite", &["secretsmanager:*"]),
    service("AWSLambdaBasicExecutionRole", WRITE_LOGS),
    service(
        "AWSLambdaDynamoDBExecutionRole",
        &["dynamodb:*Stream*", "logs:Create*", "logs:Put*"],
    ),
    service("AWSLambdaENIManagementAccess", &["ec2:*NetworkInterface*"]),
    service(
        "AWSLambdaKinesisExecutionRole",
        &["kinesis:*", "logs:Create*", "logs:Put*"],
    ),
    service(
        "AWSLambdaMSKExecutionRole",
        &["kafka:*", "ec2:Describe*", "logs:Create*", "logs:Put*"],
    ),
    service("AWSLambdaRole", &["lambda:InvokeFunction"]),
    service(
        "AWSLambdaSQSQueueExecutionRole",
        &["sqs:*Message*", "sqs:Get*", "logs:Create*", "logs:Put*"],
    ),
    service(
        "AWSLambdaVPCAccessExecutionRole",
        &["ec2:*NetworkInterface*", "logs:Create*", "logs:Put*"],
    ),
    service("AmazonAPIGatewayPushToCloudWatchLogs", &["logs:*"]),
    service(
        "AmazonS3ObjectLambdaExecutionRolePolicy",
        &["s3-object-lambda:*", "logs:Create*", "logs:Put*"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_can_be_read() {
        for policy in all() {
            let read = policy::Document::parse(&policy.document());
            assert!(read.is_ok(), "{}: {read:?}", policy.name);
        }
    }

    /// Since IAM is held to policies, it would be all of `AdministratorAccess`.
    #[test]
    fn a_power_user_cannot_give_itself_more() {
        let document = find("arn:aws:iam::aws:policy/PowerUserAccess").unwrap();
        let document = document.document();
        assert!(!document.contains("iam:*") && !document.contains("\"*\"]"));
    }

    #[test]
    fn the_policies_of_aws_are_found_by_arn_only() {
        for policy in all() {
            assert_eq!(find(&policy.arn()).unwrap().name, policy.name);
        }
        let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        assert!(find(basic).is_some());
        for bad in [
            "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole",
            "arn:aws:iam::123456789012:policy/AdministratorAccess",
            "AdministratorAccess",
            "",
        ] {
            assert!(find(bad).is_none(), "{bad}");
        }
    }
}

//! The policies of AWS that functions commonly attach. They are only names to
//! most clients; the documents say in our own words what each is for.

use serde_json::json;

/// A policy of AWS: `arn:aws:iam::aws:policy/PATH/NAME`.
#[derive(Debug)]
pub struct ManagedPolicy {
    pub path: &'static str,
    pub name: &'static str,
    actions: &'static [&'static str],
}

impl ManagedPolicy {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    pub fn document(&self) -> String {
        json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": self.actions, "Resource": "*" }],
        })
        .to_string()
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
    }
}

const fn plain(name: &'static str, actions: &'static [&'static str]) -> ManagedPolicy {
    ManagedPolicy {
        path: "/",
        name,
        actions,
    }
}

const WRITE_LOGS: &[&str] = &[
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];
const READ_ANY: &[&str] = &["*:Describe*", "*:Get*", "*:List*"];

static POLICIES: &[ManagedPolicy] = &[
    plain(
        "AWSLambdaExecute",
        &["logs:*", "s3:GetObject", "s3:PutObject"],
    ),
    plain(
        "AWSLambdaInvocation-DynamoDB",
        &["lambda:InvokeFunction", "dynamodb:*Stream*"],
    ),
    plain(
        "AWSLambda_FullAccess",
        &["lambda:*", "logs:Describe*", "iam:PassRole"],
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
    plain("AmazonEventBridgeFullAccess", &["events:*", "scheduler:*"]),
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
    plain("PowerUserAccess", &["*"]),
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

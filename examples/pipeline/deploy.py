"""Makes the pipeline: bucket, roles, functions, notifications and the nightly run.

    python deploy.py BUCKET [LAYER_ARN ...]

Layers bring what a function imports and its Python does not have. Without any, one
with numpy is made by pip. Everything is asked for by boto3, so it goes where
AWS_ENDPOINT_URL points.
"""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import boto3

HERE = Path(__file__).resolve().parent
PYTHON = "3.11"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    made = Pipeline(sys.argv[1], sys.argv[2:] or [numpy_layer()]).make()
    print("\n".join(made))


def numpy_layer() -> str:
    """numpy as the functions' Python wants it, whatever this one is."""
    with tempfile.TemporaryDirectory() as folder:
        target = ["--target", f"{folder}/python", "--python-version", PYTHON, "--only-binary", ":all:"]
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *target, "numpy"], check=True)
        files = {path.relative_to(folder): path for path in Path(folder).rglob("*") if path.is_file()}
        content = {"ZipFile": zipped(files)}
        return boto3.client("lambda").publish_layer_version(LayerName="numpy", Content=content)["LayerVersionArn"]


class Pipeline:
    def __init__(self, bucket, layers=(), client=boto3.client):
        self.bucket, self.layers = bucket, list(layers)
        self.s3, self.iam, self.lambdas = client("s3"), client("iam"), client("lambda")
        self.scheduler = client("scheduler")

    def make(self) -> list:
        """Returns the names of the functions."""
        self.s3.create_bucket(Bucket=self.bucket)
        clean = self.function("clean", reads=["raw/*"], writes=["clean/*"])
        refit = self.function("refit", reads=["clean/*"], writes=["model.json"], lists=True)
        self.function("predict", reads=["model.json"], lists=True)
        self.notify(clean, refit)
        self.nightly(refit)
        return ["pipeline-clean", "pipeline-refit", "pipeline-predict"]

    def function(self, name, reads, writes=(), lists=False) -> str:
        """A function, and a role that may what it needs and nothing else."""
        arn = f"arn:aws:s3:::{self.bucket}"
        statements = [allow("s3:GetObject", *(f"{arn}/{key}" for key in reads))]
        if writes:
            statements.append(allow("s3:PutObject", *(f"{arn}/{key}" for key in writes)))
        if lists:  # also what tells "not there" from "not for you"
            statements.append(allow("s3:ListBucket", arn))
        answer = self.lambdas.create_function(
            FunctionName=f"pipeline-{name}",
            Runtime=f"python{PYTHON}",
            Handler=f"{name}.handler",
            Role=self.role(name, statements),
            Code={"ZipFile": zipped({f"{name}.py": HERE / f"{name}.py"})},
            Layers=self.layers,
            Environment={"Variables": {"BUCKET": self.bucket}},
            MemorySize=512,
            Timeout=60,
        )
        self.lambdas.get_waiter("function_active_v2").wait(FunctionName=f"pipeline-{name}")
        return answer["FunctionArn"]

    def role(self, name, statements) -> str:
        role = f"pipeline-{name}"
        made = self.iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
        document = {"Version": "2012-10-17", "Statement": statements}
        self.iam.put_role_policy(RoleName=role, PolicyName="needs", PolicyDocument=json.dumps(document))
        return made["Role"]["Arn"]

    def notify(self, clean, refit):
        for arn in (clean, refit):
            self.lambdas.add_permission(
                FunctionName=arn,
                StatementId="bucket",
                Action="lambda:InvokeFunction",
                Principal="s3.amazonaws.com",
                SourceArn=f"arn:aws:s3:::{self.bucket}",
            )
        rules = [on_csv(clean, "raw/"), on_csv(refit, "clean/")]
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"LambdaFunctionConfigurations": rules}
        )

    def nightly(self, refit):
        role = self.role("nightly", [allow("lambda:InvokeFunction", refit)])
        self.scheduler.create_schedule(
            Name="pipeline-nightly",
            ScheduleExpression="cron(0 3 * * ? *)",
            ScheduleExpressionTimezone="Europe/Berlin",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": refit, "RoleArn": role},
        )


def allow(action, *resources) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources)}


def on_csv(arn, prefix) -> dict:
    rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": ".csv"}]
    return {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}


def zipped(files) -> bytes:
    """A zip of {name inside: path}."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            archive.write(path, name)
    return content.getvalue()


if __name__ == "__main__":
    main()

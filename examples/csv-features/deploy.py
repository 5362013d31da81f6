"""Makes the functions `features` and `total`, by calls that mean the same on AWS.

    python deploy.py [LAYER_ARN ...]

Layers bring pandas where the functions' Python does not have it.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import boto3

HERE = Path(__file__).resolve().parent
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def main():
    for name in deploy(sys.argv[1:]):
        print(name)


def deploy(layers=(), client=boto3.client, python="3.11") -> list:
    """Returns the names of the functions."""
    iam, awslambda = client("iam"), client("lambda")
    role = iam.create_role(RoleName="csv-features", AssumeRolePolicyDocument=json.dumps(TRUST))
    names = ["features", "total"]
    for name in names:
        awslambda.create_function(
            FunctionName=name,
            Runtime=f"python{python}",
            Handler=f"features.{name}",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": package()},
            Layers=list(layers),
            MemorySize=512,
            Timeout=60,
        )
        awslambda.get_waiter("function_active_v2").wait(FunctionName=name)
    return names


def package() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(HERE / "features.py", "features.py")
    return content.getvalue()


if __name__ == "__main__":
    main()

"""What the tests of the Lambda API share: small handlers, and how to read answers."""

import pytest
from botocore.exceptions import ClientError

ECHO = "def handler(event, context):\n    return event\n"
VERSION_SAYER = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_FUNCTION_VERSION']\n"
SAY = "def handler(event, context):\n    return {word!r}\n"


def status(answer) -> int:
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def refused(code, call, **arguments) -> dict:
    """Asserts that the call ends with this error code; gives the parsed answer."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer
    return answer


def wait_updated(client, name):
    client.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )

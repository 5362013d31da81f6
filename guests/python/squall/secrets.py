"""Secrets of a function: parameters of SSM that become variables of the environment as
an instance starts, so that they are neither in the package nor in the function's
configuration."""

import json
import os

from . import aws
from .kinds import described

# Of parameters in one request, by AWS's rules.
MOST_AT_ONCE = 10
MOST_ANSWER = 1024 * 1024


class MissingSecret(Exception):
    pass


described(MissingSecret, "Squall.MissingSecret")


def wanted(text):
    """{parameter: variable} of `/squall/shop/dev/KEY,OTHER=/any/name`."""
    found = {}
    for word in text.split(","):
        variable, equals, parameter = word.strip().rpartition("=")
        if parameter:
            found[parameter] = variable if equals else parameter.rpartition("/")[2]
    return found


def put_into(environ=os.environ):
    """Sets the variables, or raises `MissingSecret` with the names of what is missing."""
    names = wanted(environ.get("SQUALL_SECRETS", ""))
    if not names:
        return
    try:
        service = aws.Service("ssm", environ)
        values = read(service, list(names))
    except aws.Failed as error:
        raise MissingSecret("the secrets cannot be read: %s" % error) from None
    missing = [variable for parameter, variable in names.items() if parameter not in values]
    if missing:
        words = ", ".join(missing)
        raise MissingSecret("not set: %s; `squall secrets set NAME` sets one" % words)
    for parameter, variable in names.items():
        environ[variable] = values[parameter]


def read(service, parameters):
    """{parameter: value} of those that are there."""
    values = {}
    for start in range(0, len(parameters), MOST_AT_ONCE):
        some = parameters[start : start + MOST_AT_ONCE]
        answer = aws.insist(lambda: ask(service, some))
        for parameter in answer.get("Parameters", ()):
            values[parameter["Name"]] = parameter["Value"]
    return values


def ask(service, names):
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonSSM.GetParameters",
    }
    body = json.dumps({"Names": names, "WithDecryption": True}).encode()
    answer, connection = service.send("POST", service.endpoint + "/", headers, body)
    try:
        return json.loads(answer.read(MOST_ANSWER))
    finally:
        connection.close()

"""Versions, aliases and layers through unmodified boto3."""

import urllib.request

import pytest
from botocore.exceptions import ClientError

from harness import unique, zip_of
from lambda_calls import SAY, VERSION_SAYER, refused, status, wait_updated


# Versions and aliases


def test_versions_are_frozen(awslambda, functions):
    name = functions.make(SAY.format(word="one"))
    first = awslambda.publish_version(FunctionName=name, Description="first")
    assert status(first) == 201
    assert (first["Version"], first["Description"]) == ("1", "first")
    assert first["FunctionArn"].endswith(f":function:{name}:1")
    # Nothing has changed, so no version is made.
    assert awslambda.publish_version(FunctionName=name)["Version"] == "1"
    awslambda.update_function_code(FunctionName=name, ZipFile=zip_of(SAY.format(word="two")))
    wait_updated(awslambda, name)
    assert awslambda.publish_version(FunctionName=name)["Version"] == "2"
    assert functions.call(name) == "two"
    assert functions.call(name, Qualifier="1") == "one"
    assert functions.call(f"{name}:2") == "two"
    answer = functions.invoke(name, Qualifier="1")
    assert answer["ExecutedVersion"] == "1"
    listed = awslambda.list_versions_by_function(FunctionName=name)["Versions"]
    assert [entry["Version"] for entry in listed] == ["$LATEST", "1", "2"]
    got = awslambda.get_function(FunctionName=f"{name}:1")
    assert got["Configuration"]["Version"] == "1"
    refused("ResourceNotFoundException", awslambda.invoke, FunctionName=name, Qualifier="3")
    refused(
        "PreconditionFailedException", awslambda.publish_version, FunctionName=name, RevisionId="stale"
    )
    refused(
        "InvalidParameterValueException", awslambda.publish_version, FunctionName=name, CodeSha256="x" * 44
    )
    awslambda.delete_function(FunctionName=name, Qualifier="1")
    refused("ResourceNotFoundException", awslambda.get_function, FunctionName=name, Qualifier="1")
    assert functions.call(name, Qualifier="2") == "two"
    refused("InvalidParameterValueException", awslambda.delete_function, FunctionName=name, Qualifier="$LATEST")


def test_aliases(awslambda, functions):
    name = functions.make(VERSION_SAYER)
    awslambda.publish_version(FunctionName=name)
    made = awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    assert status(made) == 201
    assert made["AliasArn"].endswith(f":function:{name}:live")
    assert (made["Name"], made["FunctionVersion"], made["Description"]) == ("live", "1", "d")
    assert functions.call(name, Qualifier="live") == "1"
    assert functions.invoke(f"{name}:live")["ExecutedVersion"] == "1"
    refused(
        "ResourceConflictException",
        awslambda.create_alias,
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
    )
    refused(
        "ResourceNotFoundException",
        awslambda.create_alias,
        FunctionName=name,
        Name="odd",
        FunctionVersion="9",
    )
    moved = awslambda.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    assert moved["RevisionId"] != made["RevisionId"]
    assert functions.call(name, Qualifier="live") == "$LATEST"
    got = awslambda.get_alias(FunctionName=name, Name="live")
    assert got["FunctionVersion"] == "$LATEST"
    awslambda.create_alias(FunctionName=name, Name="beta", FunctionVersion="1")
    assert [a["Name"] for a in awslambda.list_aliases(FunctionName=name)["Aliases"]] == ["beta", "live"]
    only = awslambda.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]
    assert [a["Name"] for a in only] == ["beta"]
    # A version that an alias points at stays.
    refused("ResourceConflictException", awslambda.delete_function, FunctionName=name, Qualifier="1")
    assert status(awslambda.delete_alias(FunctionName=name, Name="live")) == 204
    refused("ResourceNotFoundException", awslambda.get_alias, FunctionName=name, Name="live")
    refused("ResourceNotFoundException", awslambda.invoke, FunctionName=name, Qualifier="live")


def test_a_weighted_alias_shares_the_traffic(awslambda, functions):
    name = functions.make(VERSION_SAYER)
    awslambda.publish_version(FunctionName=name)
    awslambda.update_function_configuration(FunctionName=name, Description="second")
    wait_updated(awslambda, name)
    awslambda.publish_version(FunctionName=name)
    made = awslambda.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    assert made["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}
    seen = [functions.call(name, Qualifier="live") for _ in range(64)]
    # Both missing by chance happens once in 2^63 runs.
    assert set(seen) == {"1", "2"}
    awslambda.update_alias(
        FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}}
    )
    assert {functions.call(name, Qualifier="live") for _ in range(8)} == {"2"}
    awslambda.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert {functions.call(name, Qualifier="live") for _ in range(8)} == {"1"}
    with pytest.raises(ClientError, match="InvalidParameterValueException|ValidationException"):
        awslambda.update_alias(
            FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.5}}
        )


# Layers


def test_layers(awslambda, functions):
    layer = unique("layer")
    content = zip_of({"python/shared.py": "word = 'first'\n"})
    first = awslambda.publish_layer_version(
        LayerName=layer,
        Description="words",
        Content={"ZipFile": content},
        CompatibleRuntimes=["python3.11"],
        LicenseInfo="MIT",
    )
    assert status(first) == 201
    assert first["Version"] == 1
    assert first["LayerVersionArn"] == first["LayerArn"] + ":1"
    assert first["Content"]["CodeSize"] == len(content)
    second = awslambda.publish_layer_version(
        LayerName=layer, Content={"ZipFile": zip_of({"python/shared.py": "word = 'second'\n"})}
    )
    assert second["Version"] == 2
    versions = awslambda.list_layer_versions(LayerName=layer)["LayerVersions"]
    assert [entry["Version"] for entry in versions] == [2, 1]
    listed = {entry["LayerName"]: entry for entry in awslambda.list_layers()["Layers"]}
    assert listed[layer]["LatestMatchingVersion"]["Version"] == 2
    got = awslambda.get_layer_version(LayerName=layer, VersionNumber=1)
    assert (got["Description"], got["LicenseInfo"]) == ("words", "MIT")
    with urllib.request.urlopen(got["Content"]["Location"]) as download:
        assert download.read() == content
    by_arn = awslambda.get_layer_version_by_arn(Arn=first["LayerVersionArn"])
    assert by_arn["Version"] == 1

    name = functions.make(
        "import shared\ndef handler(event, context):\n    return [shared.word, shared.__file__]\n",
        Layers=[first["LayerVersionArn"]],
    )
    assert functions.call(name) == ["first", "/opt/python/shared.py"]
    configuration = awslambda.get_function_configuration(FunctionName=name)
    assert configuration["Layers"] == [{"Arn": first["LayerVersionArn"], "CodeSize": len(content)}]
    awslambda.update_function_configuration(FunctionName=name, Layers=[second["LayerVersionArn"]])
    wait_updated(awslambda, name)
    assert functions.call(name)[0] == "second"

    # A deleted layer version serves the functions that have it, and no new ones.
    assert status(awslambda.delete_layer_version(LayerName=layer, VersionNumber=2)) == 204
    refused("ResourceNotFoundException", awslambda.get_layer_version, LayerName=layer, VersionNumber=2)
    assert functions.call(name)[0] == "second"
    refused(
        "InvalidParameterValueException",
        awslambda.update_function_configuration,
        FunctionName=name,
        Layers=[second["LayerVersionArn"]],
    )
    # A number is used once.
    third = awslambda.publish_layer_version(LayerName=layer, Content={"ZipFile": content})
    assert third["Version"] == 3
    awslambda.update_function_configuration(FunctionName=name, Layers=[])
    wait_updated(awslambda, name)
    assert "Layers" not in awslambda.get_function_configuration(FunctionName=name)
    assert functions.fail(name)["errorType"] == "Runtime.ImportModuleError"


def test_at_most_five_layers(awslambda, functions):
    arns = [
        awslambda.publish_layer_version(
            LayerName=unique("layer"), Content={"ZipFile": zip_of({f"python/m{n}.py": f"n = {n}\n"})}
        )["LayerVersionArn"]
        for n in range(6)
    ]
    name = functions.make(
        "import m0, m4\ndef handler(event, context):\n    return m0.n + m4.n\n", Layers=arns[:5]
    )
    assert functions.call(name) == 4
    refused(
        "InvalidParameterValueException",
        awslambda.update_function_configuration,
        FunctionName=name,
        Layers=arns,
    )


def test_layer_permissions(awslambda):
    layer = unique("layer")
    awslambda.publish_layer_version(LayerName=layer, Content={"ZipFile": zip_of({"python/a.py": ""})})
    refused("ResourceNotFoundException", awslambda.get_layer_version_policy, LayerName=layer, VersionNumber=1)

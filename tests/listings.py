"""What there is in a cloud, of every service a deployment touches, seen by boto3: to know that
nothing was left, and nothing of others was taken.
"""

from botocore.exceptions import ClientError


def listing(cloud) -> dict[str, list]:
    """Kind to sorted names. Equal listings are equal clouds, to those who look from outside."""
    seen = {kind: sorted(look(cloud)) for kind, look in KINDS.items()}
    return {kind: names for kind, names in seen.items() if names}


def what_of(cloud, word: str) -> dict[str, list]:
    """Of the listing, what has this word in its name."""
    found = {kind: [name for name in names if word in name] for kind, names in listing(cloud).items()}
    return {kind: names for kind, names in found.items() if names}


def difference(before: dict, after: dict) -> dict:
    """What is more (`+`) and what is less (`-`); empty where nothing changed."""
    changes = {}
    for kind in before.keys() | after.keys():
        old, new = set(before.get(kind, ())), set(after.get(kind, ()))
        marks = [f"+{name}" for name in sorted(new - old)] + [f"-{name}" for name in sorted(old - new)]
        if marks:
            changes[kind] = marks
    return changes


def pages(client, operation, key, **request) -> list:
    found = []
    for page in client.get_paginator(operation).paginate(**request):
        found += page.get(key, ())
    return found


def functions(cloud):
    client = cloud.client("lambda")
    for function in pages(client, "list_functions", "Functions"):
        name = function["FunctionName"]
        yield name
        try:
            versions = pages(client, "list_versions_by_function", "Versions", FunctionName=name)
            aliases = pages(client, "list_aliases", "Aliases", FunctionName=name)
        except ClientError:
            # Gone between the two looks.
            continue
        yield from (f"{name}:{version['Version']}" for version in versions)
        yield from (f"{name}:{alias['Name']}" for alias in aliases)


def layers(cloud):
    client = cloud.client("lambda")
    for layer in pages(client, "list_layers", "Layers"):
        versions = pages(client, "list_layer_versions", "LayerVersions", LayerName=layer["LayerName"])
        yield from (f"{layer['LayerName']}:{version['Version']}" for version in versions)


def roles(cloud):
    client = cloud.client("iam")
    for role in pages(client, "list_roles", "Roles"):
        yield role["Path"] + role["RoleName"]


def log_groups(cloud):
    return [group["logGroupName"] for group in pages(cloud.client("logs"), "describe_log_groups", "logGroups")]


def buckets(cloud):
    client = cloud.client("s3")
    for bucket in client.list_buckets()["Buckets"]:
        yield bucket["Name"]
        for entry in pages(client, "list_objects_v2", "Contents", Bucket=bucket["Name"]):
            yield f"{bucket['Name']}/{entry['Key']}"


def apis(cloud):
    """Not all have pages of them, and none here has as many."""
    return [api["Name"] for api in cloud.client("apigatewayv2").get_apis().get("Items", ())]


def hosts(cloud):
    return [domain["DomainName"] for domain in cloud.client("apigatewayv2").get_domain_names().get("Items", ())]


def schedules(cloud):
    client = cloud.client("scheduler")
    groups = [f"group {group['Name']}" for group in pages(client, "list_schedule_groups", "ScheduleGroups")]
    return groups + [f"{s['GroupName']}/{s['Name']}" for s in pages(client, "list_schedules", "Schedules")]


def rules(cloud):
    return [rule["Name"] for rule in cloud.client("events").list_rules()["Rules"]]


def parameters(cloud):
    return [p["Name"] for p in pages(cloud.client("ssm"), "describe_parameters", "Parameters")]


KINDS = {
    "functions": functions,
    "layers": layers,
    "roles": roles,
    "log groups": log_groups,
    "buckets": buckets,
    "apis": apis,
    "hosts": hosts,
    "schedules": schedules,
    "rules": rules,
    "parameters": parameters,
}

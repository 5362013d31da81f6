"""The ways in which a function in R can run here."""

from harness import ROOT

GUEST = ROOT / "guests" / "r"
RUNTIME = {path.name: path.read_text() for path in GUEST.iterdir()}

KINDS = ["forked", "started", "package"]


def kind_of(kind, settings):
    """Files to add to the package, and the settings of the function."""
    if kind == "package":
        return RUNTIME, {"Runtime": "provided.al2023", **settings}
    if kind == "forked":
        return {}, {"Runtime": "r", **settings}
    variables = {"SQUALL_START": "spawn", **settings.pop("Environment", {}).get("Variables", {})}
    return {}, {"Runtime": "r", "Environment": {"Variables": variables}, **settings}

"""Collectors of OpenTelemetry that want a key, and that nobody else hears of it."""

import os
import subprocess

import pytest
import requests

import harness
from collector import Collector
from harness import DEADLINE, eventually
from test_watching import PARENT, new_trace


@pytest.mark.parametrize("own", [True, False])
def test_a_hosted_collector_gets_its_key_and_nobody_else(own):
    """By our setting, and by the variables that OpenTelemetry has for it."""
    collector = Collector(x_key="hush, hush")
    if own:
        settings = {"SQUALL_OTLP_ENDPOINT": collector.url, "SQUALL_OTLP_HEADERS": "x-key=hush%2C%20hush,other=1"}
    else:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hush%2C%20hush"}
    trace = new_trace()
    try:
        with harness.running_engine(environment=settings | {"SQUALL_LOG": "trace"}) as engine:
            headers = {"traceparent": PARENT.format(trace=trace, flags="01")}
            requests.get(f"{engine.gateway}/nowhere", headers=headers, timeout=DEADLINE)
            eventually(lambda: collector.of(trace))
            engine.stop()
            assert "hush" not in engine.log_path.read_text()
        # What somebody else's collector is told is not told to ours.
        other = Collector()
        try:
            settings = {**settings, "SQUALL_OTLP_ENDPOINT": other.url}
            settings.pop("SQUALL_OTLP_HEADERS", None)
            with harness.running_engine(environment=settings) as engine:
                requests.get(f"{engine.gateway}/nowhere", headers=headers, timeout=DEADLINE)
                eventually(lambda: other.of(trace))
            assert all("x-key" not in names for names in other.headers)
        finally:
            other.close()
        assert collector.problems == []
    finally:
        collector.close()


def test_settings_that_are_wrong_do_not_tell_secrets(tmp_path):
    (tmp_path / "engine.toml").write_text('otlp_endpoint = "http://127.0.0.1:1"\notlp_headers = ["hush"]\n')
    for variables in [{}, {"SQUALL_OTLP_HEADERS": "x-key hush"}, {"SQUALL_OTLP_HEADERS": "x-key=hush\x01"}]:
        command = [harness.binary(), "up", "--data", tmp_path]
        environment = {**os.environ, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode != 0 and "otlp_headers" in done.stderr and "hush" not in done.stderr + done.stdout

"""What `make demo` runs: a data scientist's script becomes a function.

Starts an engine on a temporary directory, deploys examples/linregress with boto3
as one would deploy it to AWS, and shows what comes back: AWS's own error while
scipy is missing, the result once a layer brings it, the log, what runs, and how
long it all took beside a plain `python -c`. Then a data set of many series is mapped
over instances of a function, a file that lands in a bucket runs one by itself, and a
project with a file of its own is deployed, changed and removed.

    python examples/demo.py         needs a built squall (SQUALL_BIN, or target/)
"""

import contextlib
import importlib.util
import io
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORY = ROOT / "examples" / "linregress"
VENV = ROOT / ".cache" / "demo-venv"
NEEDED = ("boto3", "numpy", "scipy")
FUNCTION = "linregress"
SERIES, LENGTH = 5_000, 100
ROLE = "arn:aws:iam::000000000000:role/any"
# The same computation without any engine: what a script costs each time.
PLAIN = """
import json
from scipy.stats import linregress
event = json.load(open({path!r}))
fit = linregress(event["x"], event["y"])
print(json.dumps({{"m": float(fit.slope), "c": float(fit.intercept)}}))
"""


def main():
    ensure_libraries()
    with tempfile.TemporaryDirectory(prefix="squall-demo-") as folder, engine(Path(folder)) as ready:
        client = aws(ready, "lambda")
        event = json.loads((STORY / "event.json").read_text())
        without_libraries(client, event)
        layer = with_a_layer(client, event)
        log(ready)
        times(ready, client, event)
        what_runs(ready)
        a_data_set_is_mapped(client, ready, layer, Path(folder))
        a_file_lands(ready, client, layer, event, Path(folder))
        a_project_is_deployed(ready, Path(folder))
    print(f"\n{bold('Done.')} The engine is stopped, its directory is removed.")


# What this script needs


def ensure_libraries():
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return
    if os.environ.get("SQUALL_DEMO_VENV"):
        fail(f"{', '.join(missing)} could not be installed into {VENV}")
    python = VENV / "bin" / "python"
    step(f"Installing {', '.join(NEEDED)} into {VENV.relative_to(ROOT)} (once; about 80 MB)")
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([python, "-m", "pip", "install", "--disable-pip-version-check", *NEEDED], check=True)
    os.environ["SQUALL_DEMO_VENV"] = "1"
    os.execv(python, [str(python), __file__])


def binary() -> Path:
    if chosen := os.environ.get("SQUALL_BIN"):
        return Path(chosen)
    for kind in ("release", "debug"):
        path = ROOT / "target" / kind / "squall"
        if path.exists():
            return path
    fail("there is no squall yet: run `make demo`, or `cargo build --release` first")


@contextlib.contextmanager
def engine(folder: Path):
    step("Starting the engine: squall up --json --api 127.0.0.1:0 --gateway 127.0.0.1:0")
    before = time.perf_counter()
    with open(folder / "engine.log", "wb") as log_file:
        process = subprocess.Popen(
            [binary(), "up", "--json", "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--data", folder / "data"],
            stdout=subprocess.PIPE,
            stderr=log_file,
            env=environment(),
        )
    try:
        line = process.stdout.readline()
        if not line:
            fail(f"the engine did not start:\n{(folder / 'engine.log').read_text()}")
        ready = json.loads(line) | {"data": str(folder / "data")}
        show(f"ready after {1000 * (time.perf_counter() - before):.0f} ms: an AWS endpoint at {ready['api']}")
        yield ready
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def environment() -> dict:
    """Without the keys of another account, and with the Python that has boto3 in front."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"}


def aws(ready, service):
    import boto3

    return boto3.client(
        service,
        endpoint_url=ready["api"],
        region_name=ready["region"],
        aws_access_key_id=ready["access_key_id"],
        aws_secret_access_key=ready["secret_access_key"],
    )


# The story


def without_libraries(client, event):
    step("Deploying the script as it is, with boto3")
    for line in (STORY / "handler.py").read_text().splitlines()[4:14]:
        print(f"    {dim(line)}")
    print(f"    {dim('...')}")
    create(client, FUNCTION, "handler.lambda_handler")
    answer, body = invoke(client, event)
    if answer.get("FunctionError") != "Unhandled" or body["errorType"] != "Runtime.ImportModuleError":
        fail(f"an import error was expected, but this came: {body}")
    show("it fails, in AWS's words, because Lambda's Python has no scipy:")
    print(f"    {red(body['errorType'])}: {body['errorMessage']}")


def create(client, name, handler, layers=()) -> str:
    file = f"{handler.partition('.')[0]}.py"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.write(STORY / file, file)
    made = client.create_function(
        FunctionName=name,
        Runtime=f"python3.{sys.version_info.minor}",
        Role=ROLE,
        Handler=handler,
        Code={"ZipFile": code.getvalue()},
        Layers=list(layers),
        MemorySize=512,
        Timeout=60,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return made["FunctionArn"]


def with_a_layer(client, event) -> str:
    step("Adding a layer with numpy and scipy")
    layer = layer_zip()
    show(f"{len(layer) / 2**20:.0f} MB zipped, without tests and byte code")
    published = client.publish_layer_version(
        LayerName="scipy", Content={"ZipFile": layer}, CompatibleRuntimes=[f"python3.{sys.version_info.minor}"]
    )
    show(published["LayerVersionArn"])
    client.update_function_configuration(FunctionName=FUNCTION, Layers=[published["LayerVersionArn"]])
    client.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION)
    answer, body = invoke(client, event)
    if "FunctionError" in answer or body["statusCode"] != 200:
        fail(f"a result was expected, but this came: {body}")
    show("the same function answers:")
    print(f"    {green(body['body'])}")
    slope = json.loads(body["body"])["m"]
    if abs(slope - 1.98) > 0.05:
        fail(f"the slope should be about 1.98, not {slope}")
    return published["LayerVersionArn"]


def layer_zip() -> bytes:
    """numpy and scipy as this Python has them, laid out as Lambda wants it."""
    import importlib.metadata

    left_out = {"tests", "testing_data", "__pycache__", "include"}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in ("numpy", "scipy"):
            for file in importlib.metadata.files(name) or []:
                if ".." in file.parts or left_out & set(file.parts) or file.suffix in (".pyc", ".pyi", ".a"):
                    continue
                archive.write(file.locate(), f"python/{file.as_posix()}")
    return content.getvalue()


def log(ready):
    step(f"squall logs {FUNCTION}")
    end = time.monotonic() + 10
    while True:
        text = squall(ready, "logs", FUNCTION)
        if text.count("REPORT") >= 2 or time.monotonic() > end:
            break
        time.sleep(0.05)
    for line in text.replace("\r", "\n      ").replace("\t", "  ").splitlines():
        print(f"    {dim(line if len(line) < 170 else line[:167] + '...')}")


def times(ready, client, event):
    step("How long it takes")
    warm = []
    for _ in range(200):
        before = time.perf_counter()
        invoke(client, event)
        warm.append(1000 * (time.perf_counter() - before))
    cold = [cold_start(ready, client, event, n) for n in range(3)]
    plain = [plain_python() for _ in range(3)]
    rows = [
        ("python -c, the same computation", statistics.median(plain), ""),
        ("the engine, a new instance", statistics.median(cold), ratio(plain, cold)),
        ("the engine, a warm instance", statistics.median(warm), ratio(plain, warm)),
    ]
    for title, milliseconds, note in rows:
        print(f"    {title:34} {milliseconds:10.2f} ms  {green(note)}")


def ratio(slow, fast) -> str:
    return f"{statistics.median(slow) / statistics.median(fast):,.0f} times faster"


def cold_start(ready, client, event, n) -> float:
    """An update retires all instances; once the new template waits, the next call is a fork."""
    client.update_function_configuration(FunctionName=FUNCTION, Description=f"state {n}")
    end = time.monotonic() + 60
    while not template_is_ready(ready):
        if time.monotonic() > end:
            fail("the template was not ready within a minute")
        time.sleep(0.05)
    before = time.perf_counter()
    answer, _ = invoke(client, event, tail=True)
    took = 1000 * (time.perf_counter() - before)
    if "Init Duration" not in answer["Tail"]:
        fail("that was not a new instance")
    return took


def template_is_ready(ready) -> bool:
    listing = json.loads(squall(ready, "ps", "--json"))
    idle = [entry for entry in listing["instances"] if entry["function"] == FUNCTION]
    states = {entry["state"] for entry in listing["templates"] if entry["function"] == FUNCTION}
    return states == {"ready"} and not idle


def plain_python() -> float:
    before = time.perf_counter()
    script = PLAIN.format(path=str(STORY / "event.json"))
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - before)


def what_runs(ready):
    step("squall ps")
    lines = squall(ready, "ps").splitlines()
    instances = lines[: lines.index("")] if "" in lines else lines
    shown = [*instances[:4], f"... and {len(instances) - 4} more"] if len(instances) > 5 else instances
    for line in [*shown, *lines[len(instances) :]]:
        print(f"    {line}")


def a_data_set_is_mapped(client, ready, layer, folder):
    step(f"A function over a data set: {SERIES:,} series of {LENGTH} values")
    for line in (STORY / "trend.py").read_text().splitlines()[6:]:
        print(f"    {dim(line)}")
    create(client, "trend", "trend.trend", [layer])
    data, trends = folder / "series.csv", folder / "trends.csv"
    write_series(data)
    show("squall map trend series.csv --by id --value value -o trends.csv")
    print(f"    {green(mapped(ready, data, trends))}")
    lines = trends.read_text().splitlines()
    if len(lines) != SERIES + 1:
        fail(f"there should be a row for each of {SERIES} series, not {len(lines) - 1}")
    for line in lines[:4]:
        print(f"    {dim(line)}")
    seconds = plain_loop(data)
    show(f"a plain Python loop over the same file takes {seconds:.2f} s")
    with open(data, "a") as file:
        file.writelines(f"{SERIES},{n},{n * n}\n" for n in range(LENGTH))
    show("one more series, and the same command again: only that one is computed")
    print(f"    {green(mapped(ready, data, trends))}")


def mapped(ready, data, trends) -> str:
    """What the command says at its end."""
    words = ["map", "trend", data, "--by", "id", "--value", "value", "-o", trends]
    done = subprocess.run([binary(), "--data", ready["data"], *words], capture_output=True, text=True)
    if done.returncode:
        fail(f"squall map ended with {done.returncode}: {done.stderr}")
    return done.stderr.strip().replace("\n", "\n    ")


def write_series(path):
    import numpy

    random = numpy.random.default_rng(0)
    with open(path, "w") as file:
        file.write("id,time,value\n")
        for series in range(SERIES):
            slope = random.normal()
            values = slope * numpy.arange(LENGTH) + random.normal(size=LENGTH)
            file.writelines(f"{series},{n},{value}\n" for n, value in enumerate(values.tolist()))


def plain_loop(path) -> float:
    """The same work in one process, its libraries loaded beforehand."""
    import csv

    import numpy
    from scipy.stats import linregress

    before = time.perf_counter()
    series = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["id"], []).append(float(row["value"]))
    for values in series.values():
        linregress(numpy.arange(len(values)), values)
    return time.perf_counter() - before


def a_file_lands(ready, client, layer, event, folder):
    step("A file lands in a bucket, and a function runs")
    arn = create(client, "on-object", "on_object.handler", [layer])
    squall(ready, "mb", "points")
    client.add_permission(
        FunctionName="on-object",
        StatementId="points",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::points",
    )
    rule = {
        "LambdaFunctionArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "raw/"}]}},
    }
    s3 = aws(ready, "s3")
    s3.put_bucket_notification_configuration(
        Bucket="points", NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
    )
    rows = "\n".join(f"{x},{y}" for x, y in zip(event["x"], event["y"], strict=True))
    (folder / "day.csv").write_text(f"x,y\n{rows}\n")
    show("squall cp day.csv s3://points/raw/")
    squall(ready, "cp", folder / "day.csv", "s3://points/raw/")
    s3.get_waiter("object_exists").wait(
        Bucket="points", Key="fitted/day.json", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    show("squall cp s3://points/fitted/day.json -")
    print(f"    {green(squall(ready, 'cp', 's3://points/fitted/day.json', '-'))}")
    show("squall events")
    end = time.monotonic() + 10
    while "done" not in (listing := squall(ready, "events")) and time.monotonic() < end:
        time.sleep(0.05)
    print("\n".join(f"    {line}" for line in listing.splitlines()))


def a_project_is_deployed(ready, folder):
    step("A project: a CSV goes in over HTTP, features come out")
    project = folder / "features"

    def run(*words) -> tuple[str, float]:
        show(f"squall {' '.join(words)}")
        before = time.perf_counter()
        done = subprocess.run(
            [binary(), "--data", ready["data"], *words], cwd=project, capture_output=True, text=True, env=environment()
        )
        if done.returncode:
            fail(f"squall {words[0]} ended with {done.returncode}: {done.stderr}")
        for line in done.stderr.splitlines():
            print(f"    {dim(line if len(line) < 130 else line[:127] + '...')}")
        return done.stdout, time.perf_counter() - before

    project.mkdir()
    run("init", "--template", "csv-features", "--yes")
    address = run("deploy", "--yes")[0].strip()
    table = "id,value\n" + "".join(f"{n % 3},{n}\n" for n in range(30))
    (project / "data.csv").write_text(table)
    show(f"curl -T data.csv {address}")
    done = subprocess.run(["curl", "-sS", "-T", project / "data.csv", address], capture_output=True, text=True)
    if not done.stdout.startswith("id,count,mean"):
        fail(f"a table was expected, but this came: {done.stdout}{done.stderr}")
    for line in done.stdout.splitlines():
        print(f"    {green(line)}")
    with open(project / "features.py", "a") as code:
        code.write("\n# Changed.\n")
    seconds = run("update")[1]
    show(f"the new code answers after {seconds:.2f} s")
    run("undeploy", "--yes")


# Small things


def invoke(client, event, tail=False):
    import base64

    more = {"LogType": "Tail"} if tail else {}
    answer = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(event).encode(), **more)
    if tail:
        answer["Tail"] = base64.b64decode(answer["LogResult"]).decode(errors="replace")
    return answer, json.loads(answer["Payload"].read())


def squall(ready, *words) -> str:
    done = subprocess.run([binary(), "--data", ready["data"], *words], capture_output=True, text=True)
    if done.returncode:
        fail(f"squall {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOURS else text


def bold(text):
    return paint(1, text)


def dim(text):
    return paint(2, text)


def red(text):
    return paint(31, text)


def green(text):
    return paint(32, text)


def step(text):
    print(f"\n{bold('==> ' + text)}", flush=True)


def show(text):
    print(f"    {text}", flush=True)


def fail(text):
    sys.exit(f"\n{red('demo failed')}: {text}")


if __name__ == "__main__":
    # Ctrl-C and `kill` end it the same way, with the engine stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not shutil.which("python3"):
        fail("a python3 on PATH is needed")
    main()

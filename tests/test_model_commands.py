"""`squall model`: fitted, shown, used and compared on the command line, with models that
real R made."""

import json
import os
import subprocess
import time
import urllib.request

import pytest

from harness import DEADLINE
from raw_http import ask

DATA = """admit,gre,gpa,rank
""" + "".join(
    f"{int((row * 7919) % 100 < 20 + gre // 10 - 8 * rank)},{gre},{2 + (row * 37 % 201) / 100},{rank}\n"
    for row in range(240)
    for gre, rank in [(300 + row * 61 % 501, 1 + row * 3 % 4)]
)


def squall(engine_bin, *words, input=None, code=0, env=None):
    done = subprocess.run(
        [engine_bin, "model", *map(str, words)],
        input=input, capture_output=True, text=True, env={**os.environ, **(env or {})},
    )
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done


def rscript(code, folder):
    done = subprocess.run(["Rscript", "--vanilla", "-e", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bin():
    return os.environ.get("SQUALL_BIN", "target/debug/squall")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data, and what R makes of them."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "data.csv").write_text(DATA)
    rscript(
        """
        d <- read.csv("data.csv")
        d$rank <- factor(d$rank)
        m <- glm(admit ~ gre + gpa + rank, family = binomial, data = d)
        saveRDS(m, "admission.rds")
        saveRDS(lm(gre ~ gpa + rank, data = d), "lm.rds")
        saveRDS(lm(cbind(gre, gpa) ~ rank, data = d), "mlm.rds")
        f <- function(x) x^2
        saveRDS(lm(gre ~ f(gpa), data = d), "needs-r.rds")
        n <- data.frame(gre = c(800, 640, NA, 500), gpa = c(4, 3.19, 3, 2.5), rank = c("1", "4", "2", "3"))
        write.csv(n, "new.csv", row.names = FALSE)
        p <- predict(m, n, type = "response", se.fit = TRUE)
        cat(sprintf("%.17g", p$fit), sep = "\\n", file = "fit.txt")
        cat(sprintf("%.17g", p$se.fit), sep = "\\n", file = "se.txt")
        i <- predict(lm(gre ~ gpa + rank, data = d), n, interval = "prediction", level = 0.9)
        write.table(i, "interval.txt", row.names = FALSE, col.names = FALSE)
        """,
        folder,
    )
    return folder


def table(text):
    head, *rows = text.strip().split("\n")
    rows = [row.split(",") for row in rows]
    return {name: [row[at] for row in rows] for at, name in enumerate(head.split(","))}


def same(ours, theirs, bound):
    for our, their in zip(ours, theirs, strict=True):
        if our == "NA" or their == "NA":
            assert our == their
        else:
            assert abs(float(our) - float(their)) <= bound * max(1, abs(float(their)))


def test_predictions_are_those_of_r(bin, folder):
    done = squall(bin, "predict", folder / "admission.rds", folder / "new.csv", "--se", "-o", "-")
    ours = table(done.stdout)
    assert list(ours) == ["fit", "se_fit"]
    same(ours["fit"], (folder / "fit.txt").read_text().split(), 1e-15)
    same(ours["se_fit"], (folder / "se.txt").read_text().split(), 1e-11)
    done = squall(
        bin, "predict", folder / "lm.rds", folder / "new.csv", "--interval", "prediction", "--level", 0.9
    )
    ours = table(done.stdout)
    assert list(ours) == ["fit", "lwr", "upr"]
    theirs = [line.split() for line in (folder / "interval.txt").read_text().strip().split("\n")]
    for at, name in enumerate(ours):
        same(ours[name], [row[at] for row in theirs], 1e-11)
    ours = table(squall(bin, "predict", folder / "mlm.rds", folder / "new.csv").stdout)
    assert list(ours) == ["fit.gre", "fit.gpa"]
    assert "NA" not in ours["fit.gre"]


def test_a_threshold_decides_and_files_are_written_whole(bin, folder, tmp_path):
    out = tmp_path / "decided.csv"
    squall(
        bin, "predict", folder / "admission.rds", folder / "new.csv", "--threshold", 0.5,
        "--decision", "admitted", "-o", out,
    )
    ours = table(out.read_text())
    assert list(ours) == ["fit", "admitted"]
    for fit, admitted in zip(ours["fit"], ours["admitted"]):
        assert admitted == ("NA" if fit == "NA" else str(float(fit) > 0.5).upper())
    bad = "gre,gpa,rank\n800,4,1\n800,4,9\n"
    done = squall(bin, "predict", folder / "admission.rds", "-", "-o", out, input=bad, code=2)
    assert "row 2" in done.stderr and "9 is not a level; allowed: 1, 2, 3, 4" in done.stderr
    assert table(out.read_text()) == ours, "the old file is there"
    assert os.listdir(tmp_path) == ["decided.csv"]


def test_what_is_wrong_is_told(bin, folder, tmp_path):
    def stderr(*words, input=None):
        return squall(bin, *words, input=input, code=2).stderr

    model = folder / "admission.rds"
    assert 'no column "gpa", "rank"' in stderr("predict", model, "-", input="gre,x\n1,2\n")
    assert '"high" is no number' in stderr("predict", model, "-", input="gre,gpa,rank\nhigh,2,1\n")
    assert "MODEL is a file" in stderr("predict", tmp_path / "none.rds", folder / "new.csv")
    (tmp_path / "x.rds").write_bytes(b"\x1f\x8b nonsense")
    stderr("predict", tmp_path / "x.rds", folder / "new.csv")
    (tmp_path / "y.rds").write_text("gre,gpa\n")
    assert "saveRDS" in stderr("predict", tmp_path / "y.rds", folder / "new.csv")
    assert "unknown family" in stderr("fit", "admit ~ gre", folder / "data.csv", "--family", "bionmial")
    stderr("fit", "admit ~ (gre", folder / "data.csv")
    assert "grade" in stderr("fit", "admit ~ grade", folder / "data.csv")


def test_what_only_r_can_do_runs_in_r_or_is_refused(bin, folder):
    model, new = folder / "needs-r.rds", folder / "new.csv"
    done = squall(bin, "predict", model, new, "--no-r", code=2)
    assert "needs R" in done.stderr and "f" in done.stderr
    # A function that was around when the model was fitted is not in the file: R cannot either.
    done = squall(bin, "predict", model, new, code=2)
    assert 'could not find function "f"' in done.stderr
    rscript(
        """
        d <- read.csv("data.csv")
        saveRDS(loess(gre ~ gpa, data = d), "loess.rds")
        """,
        folder,
    )
    done = squall(bin, "predict", folder / "loess.rds", "-", input="gpa\n3\n2.5\n")
    assert "it runs in R" in done.stderr
    fits = [float(fit) for fit in table(done.stdout)["fit"]]
    theirs = rscript(
        'm <- readRDS("loess.rds"); cat(sprintf("%.17g", predict(m, data.frame(gpa = c(3, 2.5)))))', folder
    )
    assert fits == [float(fit) for fit in theirs.split()]
    no_r = {"PATH": "/nowhere"}
    done = squall(os.path.abspath(bin), "predict", folder / "loess.rds", new, code=2, env=no_r)
    assert "needs R" in done.stderr


def test_a_fit_says_what_r_says_and_r_reads_it(bin, folder, tmp_path):
    model, rds = tmp_path / "m.json", tmp_path / "m.rds"
    done = squall(
        bin, "fit", "admit ~ gre + gpa + factor(rank)", folder / "data.csv", "--family", "binomial",
        "-o", model, "--rds", rds,
    )
    theirs = rscript(
        'data <- read.csv("data.csv"); print(summary(glm(admit ~ gre + gpa + factor(rank), '
        "family = binomial, data = data)))",
        folder,
    )
    assert done.stdout.strip() == theirs.strip()
    ours = table(squall(bin, "predict", model, folder / "new.csv").stdout)["fit"]
    same(ours, (folder / "fit.txt").read_text().split(), 1e-11)
    theirs = rscript(
        f'm <- readRDS("{rds}"); cat(sprintf("%.17g", predict(m, read.csv("new.csv"), type = "response")))',
        folder,
    )
    same(ours, theirs.split(), 1e-13)
    shown = json.loads(squall(bin, "--json", "show", model).stdout)
    assert shown["kind"] == "glm" and shown["link"] == "logit"
    assert [field["name"] for field in shown["fields"]] == ["gre", "gpa", "rank"]
    done = squall(bin, "fit", "admit ~ gre", folder / "data.csv", "--family", "binomial", "--json")
    assert json.loads(done.stdout)["squall_model"] == 1
    text = squall(bin, "show", folder / "admission.rds").stdout
    assert "Coefficients:" in text and "1, 2, 3, 4" in text


def test_parquet_is_read_as_well(bin, folder, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(folder / "data.csv"), tmp_path / "data.parquet")
    words = ["fit", "admit ~ gre + factor(rank)", "--family", "binomial", "-o", "-"]
    ours = squall(bin, *words, tmp_path / "data.parquet").stdout
    assert ours == squall(bin, *words, folder / "data.csv").stdout
    new = pyarrow.csv.read_csv(folder / "new.csv")
    pyarrow.parquet.write_table(new, tmp_path / "new.parquet")
    ours = squall(bin, "predict", folder / "admission.rds", tmp_path / "new.parquet").stdout
    assert ours == squall(bin, "predict", folder / "admission.rds", folder / "new.csv").stdout


def test_models_are_compared(bin, folder, tmp_path):
    one = folder / "admission.rds"
    same_one = json.loads(squall(bin, "--json", "compare", one, one, folder / "new.csv").stdout)
    assert same_one["predictions"]["differ"] == 0
    other = tmp_path / "other.json"
    squall(bin, "fit", "admit ~ gre", folder / "data.csv", "--family", "binomial", "-o", other, "-q")
    compared = json.loads(squall(bin, "--json", "compare", one, other, folder / "new.csv").stdout)
    by_name = {row["name"]: row for row in compared["coefficients"]}
    assert by_name["rank2"]["other"] is None and by_name["gre"]["one"] != by_name["gre"]["other"]
    assert compared["predictions"]["rows"] == 4 and compared["predictions"]["differ"] > 0
    assert "COEFFICIENT" in squall(bin, "compare", one, other).stdout


def test_linregress_is_scipys(bin, folder):
    stats = pytest.importorskip("scipy.stats")
    ours = json.loads(squall(bin, "--json", "linregress", folder / "data.csv", "--x", "gre", "--y", "gpa").stdout)
    rows = table(DATA)
    theirs = stats.linregress([float(x) for x in rows["gre"]], [float(y) for y in rows["gpa"]])
    for name in ["slope", "intercept", "rvalue", "pvalue", "stderr", "intercept_stderr"]:
        assert ours[name] == pytest.approx(getattr(theirs, name), rel=1e-12), name


def test_a_model_is_served_and_replaced(bin, folder, tmp_path):
    served = tmp_path / "model.rds"
    served.write_bytes((folder / "admission.rds").read_bytes())
    process = subprocess.Popen(
        [bin, "model", "serve", served, "--port", "0", "--json", "--set", "threshold=0.5"],
        stdout=subprocess.PIPE, text=True,
    )
    try:
        url = json.loads(process.stdout.readline())["url"]

        def get(query):
            with urllib.request.urlopen(f"{url}?{query}") as answer:
                return json.load(answer), answer.headers["x-squall-model-version"]

        first, version = get("gre=800&gpa=4&rank=1")
        assert first["fit"] == float((folder / "fit.txt").read_text().split()[0])
        assert first["decision"] == (first["fit"] > 0.5)
        # The page of another site may have its own name lead here.
        for host, status in [("evil.com", 421), ("localhost", 200), ("model.localhost:1", 200)]:
            head = f"GET /?gre=800&gpa=4&rank=1 HTTP/1.1\r\nhost: {host}\r\n\r\n"
            assert ask(url.rstrip("/"), head.encode()).status == status
        other = tmp_path / "other.json"
        squall(bin, "fit", "admit ~ gre + gpa + factor(rank)", folder / "data.csv", "-o", other, "-q")
        os.replace(other, served)
        deadline = time.monotonic() + DEADLINE
        while get("gre=800&gpa=4&rank=1")[1] == version:
            assert time.monotonic() < deadline
        assert get("gre=800&gpa=4&rank=1")[0]["fit"] != first["fit"]
    finally:
        process.terminate()
        process.wait()

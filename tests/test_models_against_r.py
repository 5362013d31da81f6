"""Models of R without R: read, predicted from, fitted and written back, each compared with what
real R says in this run, over its own data sets."""

import json
import math

import pytest

import models_of_r as r
from models_of_r import NAMES, REFUSED, good, largest, squall, unhex, worst

pytestmark = pytest.mark.skipif(not r.R_IS_HERE, reason=r.WITHOUT_R)

# Relative differences that are allowed. Predictions take R's own steps in R's own order; what is
# left are the last bits of exp, log and their like.
PREDICTION = 4e-15
# Standard errors solve a triangular system, whose sums R's BLAS orders in its own way, and
# quantiles of t, which the ends of intervals take, come from another approximation than R's.
ERROR = 1e-12
DEVIANCE = 1e-13
ESTIMATE = 1e-11
# Probabilities far out in a tail multiply the difference of what they are of.
TABLE = 1e-10
# Of all predictions, those that are R's to the last bit, where R's BLAS is the one that
# adds up one column after the other.
SAME_BITS = 0.99
REFERENCE_BLAS = "/blas/libblas"

ASKED = {
    "response": ("--type", "response", "--se"),
    "link": ("--type", "link", "--se"),
    "terms": ("--type", "terms"),
    "confidence": ("--interval", "confidence"),
    "prediction": ("--interval", "prediction", "--level", "0.9"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = r.Made(tmp_path_factory.mktemp("models"))
    for name in NAMES:
        for kind in made.models[name]["asked"]:
            start_prediction(made, name, kind)
        for form in made.models[name]["forms"]:
            start_form(made, name, form["form"])
        if made.models[name]["fit"]:
            start_fit(made, name)
    yield made
    made.close()


def predict(model, data, *how):
    return good("model", "predict", model, data, "--no-r", *how, "-o", "-").table()


def start_prediction(made, name, kind):
    model, data = made.path(name, ".rds"), made.path(name, ".new.csv")
    options = () if made.models[name]["responses"] else ASKED[kind]
    return made.start((name, kind), lambda: predict(model, data, *options))


def start_form(made, name, form):
    model, data = made.path(name, ".", form, ".rds"), made.path(name, ".new.csv")
    return made.start((name, form), lambda: predict(model, data, "--type", "response"))


def column(table, kind, name, several) -> list[float]:
    """As the command names what R names so."""
    if kind == "terms" or several:
        name = f"fit.{name}"
    return table[name]


def compared(made, name, kind):
    """Of each column: its name, what was predicted, and what R predicts."""
    model = made.models[name]
    table, asked = start_prediction(made, name, kind).result(), model["asked"][kind]
    for part, values in zip(asked["columns"], asked["values"], strict=True):
        yield part, column(table, kind, part, model["responses"]), unhex(values)


def bound_of(kind, part) -> float:
    return ERROR if kind == "terms" or part in ("se_fit", "lwr", "upr") else PREDICTION


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_rs(made, name):
    wrong = []
    for kind in made.models[name]["asked"]:
        for part, seen, expected in compared(made, name, kind):
            # Terms are differences of what may be large: what counts is the largest of them.
            least = largest(expected) if kind == "terms" else 0
            if (apart := worst(seen, expected, least)) > bound_of(kind, part):
                wrong.append(f"{kind}, {part}: {apart:.1e} apart\n  {seen}\n  {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_rds_is_read(made, name):
    model = made.models[name]
    for form in model["forms"]:
        table = start_form(made, name, form["form"]).result()
        # R reads numbers from text with its own rounding.
        bound = ERROR if form["form"].startswith("ascii") else PREDICTION
        names = model["responses"] or ["fit"]
        for part, values in zip(names, form["fit"], strict=True):
            seen = column(table, "response", part, model["responses"])
            assert worst(seen, unhex(values)) <= bound, form["form"]


def test_predictions_are_rs_to_the_last_bit(made):
    if REFERENCE_BLAS not in made.said["blas"]:
        pytest.skip(f"this R adds up in another order, by {made.said['blas']}")
    pairs, other = [], []
    for name in NAMES:
        for kind in {"response", "link"} & set(made.models[name]["asked"]):
            for part, seen, expected in compared(made, name, kind):
                if part != "se_fit":
                    pairs += (whole := [(a, b) for a, b in zip(seen, expected) if not math.isnan(b)])
                    other += [name for a, b in whole if a != b]
    print(f"{len(pairs) - len(other)} of {len(pairs)} predictions are R's to the last bit; not of {set(other)}")
    assert len(pairs) > 1800
    assert len(other) <= len(pairs) * (1 - SAME_BITS), set(other)


def test_enough_of_everything(made):
    """The set has what it claims to: so many models, families, links and kinds."""
    assert len(made.models) >= 150 and len(made.fitted) >= 90
    assert {model["class"] for model in made.models.values()} == {"lm", "mlm", "glm", "aov"}
    forms = [form["form"] for model in made.models.values() for form in model["forms"]]
    assert min(forms.count(form) for form in set(forms)) >= 40 and len(set(forms)) == 9


# What cannot be done without R


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_r_is_refused_with_the_reason(made, name, tmp_path):
    data = made.path("refused.", name, ".new.csv")
    if not data.exists():
        data = made.path("lm-dot-without.new.csv")
    said = squall("model", "predict", made.path("refused.", name, ".rds"), data, "--no-r", "-o", tmp_path / "none.csv")
    assert said.code != 0 and "panicked" not in said.err, said
    assert made.refused[name]["reason"].lower() in said.err.lower(), said.err
    assert not (tmp_path / "none.csv").exists()


def test_what_is_refused_runs_in_r(made):
    for name, model in made.refused.items():
        if model["fit"]:
            table = good(
                "model", "predict", made.path("refused.", name, ".rds"), made.path("refused.", name, ".new.csv"), "-o", "-"
            ).table()
            assert worst(table["fit"], unhex(model["fit"][0])) <= PREDICTION, name


# Fits


def start_fit(made, name):
    fit = made.models[name]["fit"]
    words = [fit["formula"], made.path(name, ".data.csv"), "-o", made.path(name, ".json"), "--rds", made.path(name, ".ours.rds")]
    for option in ("family", "weights", "offset"):
        if fit[option]:
            words += [f"--{option}", fit[option]]
    for one in fit["contrasts"] or ():
        words += ["--contrasts", one]

    def run():
        said = good("model", "fit", *words)
        new = predict(made.path(name, ".json"), made.path(name, ".fit.new.csv"), "--type", "response")
        return said, new, json.loads(made.path(name, ".json").read_text())

    return made.start((name, "fit"), run)


@pytest.fixture(scope="module")
def read_back(made):
    """What R finds in the models that were fitted here."""
    for name in made.fitted:
        made.started[name, "fit"].exception()
    there = [name for name in made.fitted if made.path(name, ".ours.rds").exists()]
    r.run_script("read_back.R", made.folder, *there)
    return json.loads((made.folder / "read_back.json").read_text())


@pytest.mark.parametrize("name", r.FITTED)
def test_fits_are_rs(made, read_back, name):
    fit = made.models[name]["fit"]
    _, new, model = start_fit(made, name).result()
    ours = read_back[name]
    assert "error" not in ours, ours
    assert ours["class"] == (["glm", "lm"] if fit["kind"] == "glm" else ["lm"])
    for part in ("names", "iterations", "converged", "df_residual"):
        assert ours[part] == fit[part], part
    for part, bound in (("deviance", DEVIANCE), ("null_deviance", DEVIANCE), ("aic", ESTIMATE)):
        if fit[part]:
            assert worst(unhex([ours[part]]), unhex([fit[part]])) <= bound, part
    assert worst(unhex(ours["coefficients"]), unhex(fit["coefficients"])) <= ESTIMATE
    for part in ("table", "covariance"):
        for seen, expected in zip(ours[part], fit[part], strict=True):
            assert worst(unhex(seen), unhex(expected)) <= TABLE, part
    # Without R, from our file, and in R, from the other.
    assert worst(new["fit"], unhex(fit["response"][0])) <= ESTIMATE
    for part in ("response", "se_fit"):
        assert worst(unhex(ours[part][0]), unhex(fit[part][0])) <= ESTIMATE, part
    # The call may name the same family in other words.
    assert ours["printed"].partition("\n\nCoefficients")[2] == fit["printed"].partition("\n\nCoefficients")[2]


@pytest.mark.parametrize("name", r.SUMMARISED)
def test_summaries_are_rs_character_for_character(made, name):
    said, _, _ = start_fit(made, name).result()
    assert said.out.rstrip("\n") == made.models[name]["fit"]["summary"].rstrip("\n")

"""Models of scikit-learn as ONNX files: what Squall says of a row is what
scikit-learn says, and what onnxruntime says."""

import io
import subprocess
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from harness import binary, clean_environment

# The newest set of operators that skl2onnx can write of every estimator.
OPSETS = {"": 21, "ai.onnx.ml": 3}
# onnxruntime tells of constants that skl2onnx left over; that is none of ours.
onnxruntime.set_default_logger_severity(4)

IRIS = datasets.load_iris()
CANCER = datasets.load_breast_cancer()
DIABETES = datasets.load_diabetes()
WINE = datasets.load_wine()


def scaled(model):
    return make_pipeline(StandardScaler(), model)


CLASSIFIERS = {
    "logistic": (scaled(LogisticRegression()), IRIS),
    "logistic-two": (scaled(LogisticRegression()), CANCER),
    "tree": (DecisionTreeClassifier(random_state=1), IRIS),
    "tree-two": (DecisionTreeClassifier(random_state=1, max_depth=4), CANCER),
    "forest": (RandomForestClassifier(30, random_state=1), WINE),
    "forest-two": (RandomForestClassifier(30, random_state=1), CANCER),
    "boosted": (GradientBoostingClassifier(n_estimators=20, random_state=1), IRIS),
    "boosted-two": (GradientBoostingClassifier(n_estimators=20, random_state=1), CANCER),
    "histograms": (HistGradientBoostingClassifier(max_iter=20), IRIS),
    "histograms-two": (HistGradientBoostingClassifier(max_iter=20), CANCER),
    "adaboost": (AdaBoostClassifier(n_estimators=10, random_state=1), IRIS),
    "neighbours": (KNeighborsClassifier(), IRIS),
    "vectors": (SVC(probability=True, random_state=1), IRIS),
    "vectors-two": (scaled(SVC(probability=True, random_state=1)), CANCER),
    "vectors-poly": (scaled(SVC(kernel="poly", probability=True, random_state=1)), WINE),
    "network": (scaled(MLPClassifier((20,), max_iter=500, random_state=1)), IRIS),
    "network-two": (scaled(MLPClassifier((20,), max_iter=300, random_state=1)), CANCER),
    "bayes": (GaussianNB(), IRIS),
    "bayes-flags": (BernoulliNB(binarize=3.0), IRIS),
    "discriminant": (LinearDiscriminantAnalysis(), IRIS),
    "discriminant-quadratic": (QuadraticDiscriminantAnalysis(), IRIS),
    "descent": (scaled(SGDClassifier(loss="log_loss", random_state=1)), IRIS),
    "calibrated": (CalibratedClassifierCV(LinearSVC(random_state=1)), IRIS),
    "one-against-rest": (OneVsRestClassifier(LogisticRegression()), IRIS),
    "stacked": (
        StackingClassifier([("line", LogisticRegression(max_iter=500)), ("tree", DecisionTreeClassifier(max_depth=3))]),
        IRIS,
    ),
    "range": (make_pipeline(MinMaxScaler(), LogisticRegression()), WINE),
    "robust": (make_pipeline(RobustScaler(), LogisticRegression()), WINE),
    "lengths": (make_pipeline(Normalizer(), LogisticRegression()), IRIS),
    "powers": (make_pipeline(PowerTransformer(), LogisticRegression()), IRIS),
    "quantiles": (make_pipeline(QuantileTransformer(n_quantiles=20), LogisticRegression()), IRIS),
    "components": (make_pipeline(PCA(2), LogisticRegression()), IRIS),
    "best-two": (make_pipeline(SelectKBest(k=2), LogisticRegression()), IRIS),
}

REGRESSORS = {
    "line": LinearRegression(),
    "ridge": Ridge(),
    "lasso": Lasso(alpha=0.1),
    "elastic": ElasticNet(alpha=0.01),
    "poisson": scaled(PoissonRegressor()),
    "gamma": scaled(GammaRegressor()),
    "tree": DecisionTreeRegressor(max_depth=5, random_state=1),
    "forest": RandomForestRegressor(20, random_state=1),
    "extra": ExtraTreesRegressor(20, random_state=1),
    "boosted": GradientBoostingRegressor(n_estimators=30, random_state=1),
    "histograms": HistGradientBoostingRegressor(max_iter=30),
    "bagged": BaggingRegressor(n_estimators=5, random_state=1),
    "neighbours": KNeighborsRegressor(),
    "vectors": scaled(SVR()),
    "network": scaled(MLPRegressor(hidden_layer_sizes=(20,), max_iter=300, random_state=1)),
    "voting": VotingRegressor([("line", LinearRegression()), ("tree", DecisionTreeRegressor(max_depth=3))]),
    "polynomial": make_pipeline(PolynomialFeatures(2), LinearRegression()),
    "components": make_pipeline(PCA(3), LinearRegression()),
}


def fitted(model, features, target):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(features, target)


def numbered(features):
    """Columns as Squall calls those that have no name in the model."""
    return pd.DataFrame(features, columns=[f"f{at}" for at in range(features.shape[1])])


def squall_predict(folder, model, frame, *arguments):
    (folder / "model.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    frame.to_csv(folder / "data.csv", index=False)
    command = [binary(), "model", "predict", "model.onnx", "data.csv", "-o", "-", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=clean_environment())


def predicted(folder, model, frame):
    done = squall_predict(folder, model, frame)
    assert done.returncode == 0, done.stderr
    # "NA" may be a label; what is missing is nothing.
    return pd.read_csv(io.StringIO(done.stdout), keep_default_na=False)


def judged(model, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = []
    for output in session.run(None, feed):
        if isinstance(output, list):
            output = [list(row.values()) for row in output]
        outputs.append(np.asarray(output).reshape(len(next(iter(feed.values()))), -1))
    return outputs


def close(ours, theirs, tolerance):
    """Relative to the largest: 32 bits are not more where sums cancel out."""
    return np.abs(ours - theirs).max() <= tolerance * max(1.0, np.abs(theirs).max())


def told_apart(probabilities, tolerance=1e-4):
    """Rows whose two best classes are not so close that 32 bits decide."""
    best = np.sort(probabilities, axis=1)
    return best[:, -1] - best[:, -2] > tolerance


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, tmp_path):
    model, data = CLASSIFIERS[name]
    features = data.data.astype(np.float32)
    model = fitted(model, features, data.target)
    written = to_onnx(model, features[:1], target_opset=OPSETS)
    ours = predicted(tmp_path, written, numbered(features))
    classes = list(np.unique(data.target))
    assert list(ours.columns) == ["fit"] + [f"prob.{label}" for label in classes]
    labels, scores = judged(written, {"X": features})
    probabilities = ours.iloc[:, 1:].to_numpy()
    assert close(probabilities, scores, 2e-6)
    assert close(probabilities, model.predict_proba(features), 1e-5)
    sure = told_apart(scores)
    assert sure.sum() > 0.9 * len(sure)
    assert (ours.fit.to_numpy() == labels[:, 0])[sure].all()
    # libsvm's labels are not those of its probabilities: they are judged as they are.
    assert (ours.fit.to_numpy() == model.predict(features))[sure].all()


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, tmp_path):
    model = REGRESSORS[name]
    features = DIABETES.data.astype(np.float32)
    model = fitted(model, features, DIABETES.target)
    written = to_onnx(model, features[:1], target_opset=OPSETS)
    ours = predicted(tmp_path, written, numbered(features))
    assert list(ours.columns) == ["fit"]
    (values,) = judged(written, {"X": features})
    assert close(ours.to_numpy(), values, 1e-6)
    assert close(ours.fit.to_numpy(), model.predict(features), 1e-5)


@pytest.mark.parametrize(
    "model",
    [SVC(), LinearSVC(random_state=1), RidgeClassifier(), OneVsOneClassifier(LogisticRegression(max_iter=500))],
    ids=lambda model: type(model).__name__,
)
def test_classifiers_without_probabilities(model, tmp_path):
    features = IRIS.data.astype(np.float32)
    model = fitted(model, features, IRIS.target)
    written = to_onnx(model, features[:1], target_opset=OPSETS)
    ours = predicted(tmp_path, written, numbered(features))
    labels, scores = judged(written, {"X": features})
    sure = told_apart(scores)
    assert (ours.fit.to_numpy() == labels[:, 0])[sure].all()
    assert (ours.fit.to_numpy() == model.predict(features))[sure].all()
    assert close(ours.iloc[:, 1:].to_numpy(dtype=float), scores, 2e-6)


def test_several_targets(tmp_path):
    features = DIABETES.data.astype(np.float32)
    targets = np.stack([DIABETES.target, DIABETES.target**2 / 100], axis=1)
    model = fitted(RandomForestRegressor(10, random_state=1), features, targets)
    written = to_onnx(model, features[:1], target_opset=OPSETS)
    ours = predicted(tmp_path, written, numbered(features))
    assert list(ours.columns) == ["fit.0", "fit.1"]
    assert close(ours.to_numpy(), model.predict(features), 1e-5)


def test_outliers_and_clusters(tmp_path):
    features = IRIS.data.astype(np.float32)
    for model in (IsolationForest(n_estimators=10, random_state=1), KMeans(3, n_init=3, random_state=1)):
        model.fit(features)
        ours = predicted(tmp_path, to_onnx(model, features[:1], target_opset=OPSETS), numbered(features))
        assert (ours.fit.to_numpy() == model.predict(features)).all()


def test_labels_are_texts_where_they_were(tmp_path):
    features = IRIS.data.astype(np.float32)
    names = IRIS.target_names[IRIS.target]
    model = fitted(LogisticRegression(max_iter=500), features, names)
    for options in ({}, {"zipmap": False}):
        written = to_onnx(model, features[:1], target_opset=OPSETS, options=options)
        ours = predicted(tmp_path, written, numbered(features))
        assert list(ours.columns) == ["fit", *(f"prob.{name}" for name in IRIS.target_names)]
        assert (ours.fit == model.predict(features)).all()


def test_numbers_of_64_bits(tmp_path):
    model = fitted(LinearRegression(), DIABETES.data, DIABETES.target)
    written = to_onnx(model, DIABETES.data[:1], target_opset=OPSETS)
    ours = predicted(tmp_path, written, numbered(DIABETES.data))
    assert close(ours.fit.to_numpy(), model.predict(DIABETES.data), 1e-12)


def passengers():
    """A table of numbers with gaps, texts and whole numbers."""
    chance = np.random.default_rng(5)
    rows = 600
    frame = pd.DataFrame(
        {
            "age": chance.uniform(1, 80, rows).round(1).astype(np.float32),
            "fare": chance.gamma(2, 30, rows).round(2).astype(np.float32),
            "sex": chance.choice(["male", "female"], rows),
            "port": chance.choice(["C", "Q", "S"], rows),
            "deck": chance.integers(1, 4, rows),
        }
    )
    frame.loc[::7, "age"] = np.nan
    alive = ((frame.sex == "female") & (frame.fare > 30)) | (frame.deck == 1)
    return frame, alive.astype(int)


TYPES = [
    ("age", FloatTensorType([None, 1])),
    ("fare", FloatTensorType([None, 1])),
    ("sex", StringTensorType([None, 1])),
    ("port", StringTensorType([None, 1])),
    ("deck", Int64TensorType([None, 1])),
]


def pipeline(encoder, model):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = [("numbers", numbers, ["age", "fare"]), ("texts", encoder, ["sex", "port"])]
    return make_pipeline(ColumnTransformer([*columns, ("rest", "passthrough", ["deck"])]), model)


@pytest.mark.parametrize(
    "model",
    [
        pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()),
        pipeline(OneHotEncoder(handle_unknown="ignore"), GradientBoostingClassifier(n_estimators=10)),
        pipeline(OrdinalEncoder(), RandomForestClassifier(10, random_state=1)),
    ],
    ids=["one-hot", "boosted", "ordinal"],
)
def test_pipelines_over_columns_of_texts_and_numbers(model, tmp_path):
    frame, alive = passengers()
    model.fit(frame, alive)
    written = to_onnx(model, initial_types=TYPES, target_opset=OPSETS)
    # In another order than the model's, and with a column that it does not know.
    given = frame[["port", "deck", "fare", "age", "sex"]].assign(extra="x")
    ours = predicted(tmp_path, written, given)
    kinds = {"age": np.float32, "fare": np.float32, "deck": np.int64}
    feed = {name: frame[[name]].to_numpy(kinds.get(name, object)) for name in frame}
    labels, scores = judged(written, feed)
    assert (ours.fit.to_numpy() == labels[:, 0]).all()
    assert (ours.fit.to_numpy() == model.predict(frame)).all()
    assert close(ours.iloc[:, 1:].to_numpy(), scores, 2e-6)
    assert close(ours.iloc[:, 1:].to_numpy(), model.predict_proba(frame), 1e-5)


def test_names_of_features_are_read_where_the_file_has_them(tmp_path):
    features = IRIS.data.astype(np.float32)
    model = fitted(LogisticRegression(max_iter=500), features, IRIS.target)
    written = to_onnx(model, features[:1], target_opset=OPSETS)
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    entry = written.metadata_props.add()
    entry.key, entry.value = "feature_names", ",".join(names)
    frame = pd.DataFrame(features, columns=names)[names[::-1]]
    ours = predicted(tmp_path, written, frame)
    assert (ours.fit.to_numpy() == model.predict(features)).all()
    missing = squall_predict(tmp_path, written, frame.drop(columns="petal width"))
    assert missing.returncode != 0
    assert "petal width" in missing.stderr


def test_what_is_not_known_is_refused_by_its_name(tmp_path):
    features = IRIS.data.astype(np.float32)
    model = fitted(LogisticRegression(max_iter=500), features, IRIS.target)
    written = to_onnx(model, features[:1], target_opset=OPSETS)
    nodes = [node for node in written.graph.node if node.op_type == "LinearClassifier"]
    nodes[0].op_type = "QuantumClassifier"
    done = squall_predict(tmp_path, written, numbered(features))
    assert done.returncode != 0
    assert "ai.onnx.ml.QuantumClassifier" in done.stderr


def test_files_that_are_broken_are_refused(tmp_path):
    features = IRIS.data.astype(np.float32)
    model = fitted(DecisionTreeClassifier(random_state=1), features, IRIS.target)
    whole = to_onnx(model, features[:1], target_opset=OPSETS).SerializeToString()
    chance = np.random.default_rng(7)
    frame = numbered(features[:3])
    for bytes_ in (whole[: len(whole) // 2], whole[:1], b"\x08"):
        done = squall_predict(tmp_path, bytes_, frame)
        assert done.returncode in (1, 2), done
        assert "panicked" not in done.stderr
    for _ in range(30):
        changed = bytearray(whole)
        for at in chance.integers(0, len(whole), 3):
            changed[at] = chance.integers(0, 256)
        done = squall_predict(tmp_path, bytes(changed), frame)
        assert done.returncode in (0, 1, 2), done
        assert "panicked" not in done.stderr


def test_the_checker_takes_what_is_tested():
    """Else the tests above would be about files that nobody makes."""
    features = IRIS.data.astype(np.float32)
    model = fitted(scaled(LogisticRegression()), features, IRIS.target)
    onnx.checker.check_model(to_onnx(model, features[:1], target_opset=OPSETS))

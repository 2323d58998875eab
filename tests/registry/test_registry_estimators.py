"""Every usual scikit-learn estimator comes back from a file as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.impute import SimpleImputer
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)

from mlops_nb.registry.artifact import load_model, save_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + RNG.normal(scale=0.5, size=120) > 0).astype(int)
FRAME = pd.DataFrame(
    {
        "number": X[:, 0],
        "other": np.where(RNG.random(120) < 0.1, np.nan, X[:, 1]),
        "carrier": np.where(X[:, 2] > 0, "AA", "UA"),
    }
)

_COLUMNS = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["number", "other"]),
        ("texts", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
    ]
)
_BY_TYPE = ColumnTransformer(
    [("numbers", SimpleImputer(), make_column_selector(dtype_include=np.number))],
    remainder=OrdinalEncoder(),
)
_GRID = {"max_depth": [2, 3]}
_PAIR = [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=2))]

ON_ARRAYS = [
    linear_model.LogisticRegression(),
    linear_model.Ridge(),
    linear_model.SGDClassifier(random_state=0),
    linear_model.TweedieRegressor(power=0),
    naive_bayes.GaussianNB(),
    svm.SVC(probability=False),
    tree.DecisionTreeClassifier(),
    ensemble.RandomForestClassifier(5),
    ensemble.ExtraTreesRegressor(5),
    ensemble.GradientBoostingClassifier(n_estimators=5),
    ensemble.GradientBoostingRegressor(n_estimators=5),
    ensemble.HistGradientBoostingClassifier(max_iter=5),
    ensemble.HistGradientBoostingRegressor(max_iter=5),
    ensemble.AdaBoostClassifier(n_estimators=3),
    ensemble.BaggingClassifier(n_estimators=3),
    ensemble.IsolationForest(n_estimators=5),
    ensemble.VotingClassifier(_PAIR, voting="soft"),
    ensemble.StackingClassifier(_PAIR, cv=2),
    neighbors.KNeighborsClassifier(algorithm="kd_tree"),
    neighbors.KNeighborsRegressor(algorithm="ball_tree", metric="manhattan"),
    neighbors.KNeighborsClassifier(algorithm="brute"),
    neural_network.MLPClassifier((4,), max_iter=2000, tol=0.1),
    neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=2000, solver="sgd", tol=0.1),
    GridSearchCV(tree.DecisionTreeClassifier(), _GRID, cv=2, scoring=make_scorer(f1_score)),
    GridSearchCV(ensemble.HistGradientBoostingClassifier(max_iter=3), _GRID, cv=StratifiedKFold(2)),
    RandomizedSearchCV(tree.DecisionTreeClassifier(), _GRID, n_iter=2, cv=2),
    CalibratedClassifierCV(ensemble.RandomForestClassifier(3), cv=2),
    CalibratedClassifierCV(tree.DecisionTreeClassifier(max_depth=2), cv=2, method="isotonic"),
    OneVsRestClassifier(linear_model.LogisticRegression()),
    TransformedTargetRegressor(linear_model.Ridge(), func=np.arcsinh, inverse_func=np.sinh),
    GaussianProcessRegressor(ConstantKernel() * RBF()),
    KMeans(2, n_init=1),
    make_pipeline(FunctionTransformer(np.abs), SelectKBest(f_classif, k=2), PCA(2), KMeans(2)),
    make_pipeline(SplineTransformer(), linear_model.LogisticRegression(max_iter=1000)),
]


@pytest.mark.parametrize("estimator", ON_ARRAYS, ids=lambda e: type(e).__name__)
def test_estimators_come_back_the_same(estimator, tmp_path):
    estimator.fit(X, Y)
    info = save_model(estimator, tmp_path / "a", name="m", example=X[:5])
    loaded = load_model(tmp_path / "a", digest=info.digest)
    assert type(loaded) is type(estimator)
    assert info.takes == "array"
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(_COLUMNS, ensemble.HistGradientBoostingClassifier(max_iter=3)),
        make_pipeline(_COLUMNS, linear_model.LogisticRegression()),
        make_pipeline(_BY_TYPE, tree.DecisionTreeClassifier()),
        CalibratedClassifierCV(make_pipeline(_COLUMNS, ensemble.RandomForestClassifier(3)), cv=2),
        GridSearchCV(
            make_pipeline(_COLUMNS, linear_model.LogisticRegression()),
            {"logisticregression__C": [0.1, 1.0]},
            cv=2,
        ),
    ],
    ids=["boosting", "logistic", "by-type", "calibrated", "search"],
)
def test_pipelines_over_columns_come_back_the_same(estimator, tmp_path):
    estimator.fit(FRAME, Y)
    info = save_model(estimator, tmp_path / "a", name="m", example=FRAME)
    loaded = load_model(tmp_path / "a", digest=info.digest)
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), estimator.predict_proba(FRAME))
    assert [(c.name, c.type, c.nullable) for c in info.signature.inputs] == [
        ("number", "float", False),
        ("other", "float", bool(FRAME["other"].head(20).isna().any())),
        ("carrier", "string", False),
    ]
    assert "scikit-learn==" in "".join(info.requirements)
    assert not [line for line in info.requirements if "==" not in line]


def test_text_models_come_back_the_same(tmp_path):
    texts = ["late again", "on time", "late late", "early", "on the dot", "so late"]
    model = make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression())
    model.fit(texts, [1, 0, 1, 0, 0, 1])
    info = save_model(model, tmp_path / "a", name="m", example=texts)
    assert info.takes == "text"
    loaded = load_model(tmp_path / "a", digest=info.digest)
    np.testing.assert_array_equal(loaded.predict_proba(texts), model.predict_proba(texts))

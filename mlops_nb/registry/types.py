"""Which types a model file may name: our own allow-list for skops.

skops has a list of its own; what a fitted scikit-learn estimator holds beyond it is named here.
Nothing is allowed by prefix: ``sklearn.`` modules also hold functions that open files and URLs.
Frozen scipy distributions stay out, because restoring one executes text from its state.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ALLOWED", "named", "refused"]

_DISTANCES = [
    "Euclidean",
    "SEuclidean",
    "Manhattan",
    "Minkowski",
    "Chebyshev",
    "Hamming",
    "Canberra",
    "BrayCurtis",
    "Jaccard",
    "Dice",
    "Kulsinski",
    "Matching",
    "RogersTanimoto",
    "RussellRao",
    "SokalMichener",
    "SokalSneath",
    "Haversine",
    "Mahalanobis",
]
_KINDS = [
    "number",
    "integer",
    "signedinteger",
    "unsignedinteger",
    "floating",
    "generic",
    "object_",
    "bool",
    "bool_",
]
"""Kinds of columns that ``make_column_selector`` picks by."""

ALLOWED: frozenset[str] = frozenset(
    {
        "numpy.dtype",
        *(f"numpy.{name}" for name in _KINDS),
        "numpy.mean",
        "numpy.median",
        "numpy.max",
        "numpy.min",
        "pandas.core.indexes.base.Index",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.interpolate._bsplines._BSpline",  # since scipy 1.18
        "scipy.sparse._csc.csc_matrix",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.impute._iterative._ImputerTriplet",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.metrics._scorer._MultimetricScorer",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._ball_tree.BallTree32",
        "sklearn.neighbors._ball_tree.BallTree64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neighbors._kd_tree.KDTree32",
        "sklearn.neighbors._kd_tree.KDTree64",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        *(
            f"sklearn.metrics._dist_metrics.{name}Distance{bits}"
            for name in _DISTANCES
            for bits in ("", "32", "64")
        ),
    }
)
"""Types that fitted scikit-learn estimators hold and that do nothing but hold data or compute."""

_PUBLIC = (
    "sklearn.metrics",
    "sklearn.metrics.pairwise",
    "sklearn.feature_selection",
    "sklearn.model_selection",
    "sklearn.gaussian_process.kernels",
)
"""Modules all of whose published names only compute: scorers, splitters, kernels."""


@cache
def _published() -> frozenset[str]:
    names = set()
    for module_name in _PUBLIC:
        module = import_module(module_name)
        listed = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
        for name in listed:
            thing = vars(module).get(name)
            home = getattr(thing, "__module__", None) or ""
            if callable(thing) and home.startswith("sklearn."):
                names.add(f"{home}.{getattr(thing, '__qualname__', name)}")
    return frozenset(names)


def refused(found: Iterable[str], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the types that are on no list of ours, sorted.

    Parameters
    ----------
    found
        Dotted names, as ``skops.io.get_untrusted_types`` gives them.
    extra
        Further names that the project trusts (``[tool.mlops-nb.registry] trusted-types``).
    """
    left = set(found) - ALLOWED - set(extra)
    return tuple(sorted(left - _published())) if left else ()


def named(types: tuple[str, ...]) -> str:
    """Return types as text for people: ``a type x``, ``types x, y``."""
    return ("types " if len(types) > 1 else "a type ") + ", ".join(types)

"""Which versions a board shows, and in which order."""

from __future__ import annotations

from mlops_nb.model import GateMark, Metric, ModelVersion, VersionStatus
from mlops_nb.widgets.versions import FILTERS, arranged, gates_text, metric_names


def version(number: int, auc: float | None = None, **more: object) -> ModelVersion:
    metrics = {} if auc is None else {"roc_auc": Metric(value=auc)}
    given = {"model": "m", "digest": f"d{number}", "created": float(number), "actor": "ann"}
    return ModelVersion(version=number, **{"metrics": metrics, **given, **more})


PASSED, FAILED = GateMark(kind="metric", passed=True), GateMark(kind="metric", passed=False)
ALL = (
    version(1, 0.9, aliases=("champion",), status=VersionStatus.APPROVED, gates={"good": PASSED}),
    version(2, None, actor="ben"),
    version(3, 0.7, status=VersionStatus.REJECTED, gates={"good": PASSED, "slices": FAILED}),
    version(10, 0.8, forced=True, comment="hotfix for Newark"),
)


def numbers(**how: object) -> list[int]:
    return [found.version for found in arranged(ALL, **how)]  # type: ignore[arg-type]


def test_newest_first_and_by_figures_with_the_missing_last():
    assert numbers() == [10, 3, 2, 1]
    assert numbers(by="metric:roc_auc") == [1, 10, 3, 2]
    assert numbers(by="metric:roc_auc", falling=False) == [3, 10, 1, 2]
    assert numbers(by="gates") == [1, 3, 10, 2]
    assert numbers(by="by", falling=False) == [10, 3, 1, 2]


def test_words_have_to_occur_all():
    assert numbers(search="ANN hotfix") == [10]
    assert numbers(search="ben hotfix") == []
    assert numbers(search="champion") == [1]
    assert numbers(search="slices") == [3]


def test_narrowed():
    expected = {
        "all versions": [10, 3, 2, 1],
        "with an alias": [1],
        "approved": [1],
        "gates passed": [1],
        "gates failed": [3],
        "rejected or rolled back": [3],
        "forced or outside the ledger": [10],
    }
    assert {name: numbers(narrowed=name) for name in FILTERS} == expected


def test_columns():
    wide = version(5, metrics={name: Metric(value=1.0) for name in "abcdef"})
    assert metric_names([wide, *ALL]) == ("roc_auc", "a", "b", "c")
    assert [gates_text(found) for found in ALL] == ["1/1", "", "1/2", ""]

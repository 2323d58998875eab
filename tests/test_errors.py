from __future__ import annotations

import pickle

import pytest

from mlops_nb import errors
from mlops_nb.errors import ArtifactError, ExitCode, MlopsNbError, ParameterError, nearest


def test_text_holds_place_reason_and_fix() -> None:
    error = ParameterError("is not a number", where="train.ipynb", fix="give one")
    assert str(error) == "train.ipynb: is not a number; give one"


def test_crosses_process_borders_whole() -> None:
    error = ArtifactError("was changed", where="model.skops", fix="restore it")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.message, copy.where, copy.fix) == (
        ArtifactError,
        "was changed",
        "model.skops",
        "restore it",
    )


def test_every_exported_error_belongs_to_the_family_and_the_drawn_tree() -> None:
    drawn = errors.__doc__ or ""
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert issubclass(kind, MlopsNbError)
            assert name in drawn


def test_exit_codes_tell_phases_apart() -> None:
    phases = [errors.ProjectError, errors.ExecutionError, errors.RunError, errors.RegistryError]
    assert len({kind.exit_code for kind in phases}) == len(phases)
    assert errors.GateError.exit_code is ExitCode.REGISTRY


@pytest.mark.parametrize(
    ("name", "expected"),
    [("max_dept", 'did you mean "max_depth"?'), ("zzz", "known: max_depth, seed")],
)
def test_nearest(name: str, expected: str) -> None:
    assert nearest(name, ["seed", "max_depth"]) == expected


def test_nearest_without_any_name() -> None:
    assert nearest("x", []) == ""

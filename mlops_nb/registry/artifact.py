"""Saves a model with all that is known of it, and loads it safely.

An artifact is a folder: the model file, ``artifact.json`` with the digest of every file, the input
example, pinned requirements, the reference profiles, the holdout's scores and a model card. One
digest binds the whole; the registry records it, and nothing is loaded that does not match it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ArtifactError
from mlops_nb.model import ArtifactFile, ArtifactInfo, Card, Metric, encode
from mlops_nb.registry import mlmodel
from mlops_nb.registry.card import render_html, render_markdown, slice_table
from mlops_nb.registry.holdout import FEATURES, SCORES, check_scores
from mlops_nb.registry.loading import (
    EXAMPLE,
    MANIFEST,
    MODEL_FILES,
    check_artifact,
    load_example,
    load_features,
    load_model,
    load_scores,
    manifest_digest,
    read_manifest,
)
from mlops_nb.registry.requirements import pinned
from mlops_nb.registry.signature import as_input, example_frame, infer_signature, input_kind
from mlops_nb.registry.types import named, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

__all__ = [
    "MANIFEST",
    "check_artifact",
    "load_example",
    "load_features",
    "load_model",
    "load_scores",
    "read_manifest",
    "save_model",
]


def save_model(
    model: Any,
    folder: Path | str,
    *,
    name: str,
    example: Any,
    metrics: Mapping[str, Metric | float] | None = None,
    card: Card | None = None,
    requirements: Iterable[str] | None = None,
    reference_profiles: Mapping[str, Path] | Iterable[Path] = (),
    run_id: str = "",
    git_commit: str = "",
    data_digests: Mapping[str, str] | None = None,
    holdout_scores: pd.DataFrame | None = None,
    holdout_features: pd.DataFrame | None = None,
    pickle: bool = False,
    trusted_types: Iterable[str] = (),
) -> ArtifactInfo:
    """Save a fitted model as an artifact folder, whole or not at all.

    Parameters
    ----------
    model
        A fitted estimator.
    folder
        Where to; an artifact that stands there already is replaced.
    name
        The model's name in the registry.
    example
        A few rows of what the model takes: DataFrame, two-dimensional array or list of texts.
    metrics
        By name; a bare number is taken as "higher is better", without an interval.
    card
        What people say of the model; figures and slices are added.
    requirements
        Pinned requirements; read from what the estimator is made of by default.
    reference_profiles
        Profiles of the training data, by name or named by their file.
    run_id, git_commit, data_digests
        Where the model comes from; digests are SHA-256 by data file.
    holdout_scores
        Indexed by row, with ``target``, ``score`` and slice columns; gates compare models by it.
    holdout_features
        The features of the same rows: a later model can then be compared on this holdout.
    pickle
        Use pickle where skops cannot hold the model. Loading then runs whatever the file says, and
        every step on the way asks for the same explicit choice.
    trusted_types
        Dotted names of the project's own types that may be loaded.

    Raises
    ------
    ArtifactError
        The model holds a type that could not be loaded again, or the folder cannot be written.
    """
    target = Path(folder)
    frame = example_frame(example).head(20)
    kind = "pickle" if pickle else "skops"
    data, modules, types = _dump(model, kind, tuple(trusted_types))
    slices = check_scores(holdout_scores) if holdout_scores is not None else ()
    files: dict[str, bytes] = {MODEL_FILES[kind]: data, EXAMPLE: _parquet(frame)}
    if holdout_scores is not None:
        files[SCORES] = _parquet(holdout_scores)
        if holdout_features is not None:
            if not holdout_features.index.equals(holdout_scores.index):
                raise ArtifactError("has other rows than holdout_scores", where="holdout_features")
            files[FEATURES] = _parquet(holdout_features)
    profiles = _profiles(reference_profiles, files)
    pins = tuple(requirements) if requirements is not None else pinned(modules)
    files["requirements.txt"] = "".join(f"{line}\n" for line in pins).encode()
    takes = input_kind(example)
    answer = _answer(model, as_input(takes, frame))
    info = ArtifactInfo(
        name=name,
        digest="",
        format=kind,
        estimator=f"{type(model).__module__}.{type(model).__qualname__}",
        created=time.time(),
        takes=takes,
        signature=infer_signature(frame, answer),
        requirements=pins,
        python=_python(),
        run_id=run_id,
        git_commit=git_commit,
        data_digests=dict(data_digests or {}),
        metrics={key: _metric(key, value) for key, value in (metrics or {}).items()},
        params=_params(model),
        profiles=profiles,
        slices=slices,
        card=card or Card(),
    )
    by_slice = () if holdout_scores is None else slice_table(holdout_scores, slices)
    rows = 0 if holdout_scores is None else len(holdout_scores)
    files["card.md"] = render_markdown(info, by_slice, rows).encode()
    files["card.html"] = render_html(info, by_slice, rows).encode()
    files[mlmodel.FILE] = mlmodel.render(info, types)
    files[mlmodel.ENVIRONMENT] = mlmodel.environment(info)
    listed = tuple(
        ArtifactFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for path, content in sorted(files.items())
    )
    info = msgspec.structs.replace(info, files=listed)
    info = msgspec.structs.replace(info, digest=manifest_digest(info))
    _write(target, {**files, MANIFEST: encode(info, indent=2)})
    return info


def _dump(
    model: Any, kind: str, trusted: tuple[str, ...]
) -> tuple[bytes, set[str], tuple[str, ...]]:
    """Return the model's bytes, the modules they name, and the types beyond skops' own list."""
    from mlops_nb.registry.requirements import pickle_modules, skops_modules

    if kind == "pickle":
        import pickle

        try:
            data = pickle.dumps(model)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ArtifactError(
                f"cannot be pickled: {error}", where=type(model).__name__
            ) from error
        # A subclass is named in its file, the package of its base is not.
        bases = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
        return data, pickle_modules(data) | bases, ()
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    where = type(model).__qualname__
    try:
        data = skops.io.dumps(model)
        types = tuple(skops.io.get_untrusted_types(data=data))
        left = refused(types, trusted)
    except (UnsupportedTypeException, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"cannot be saved: {error}", where=where, fix=_UNSAFE) from error
    if left:
        raise ArtifactError(
            f"holds {named(left)} that could not be loaded again", where=where, fix=_UNSAFE
        )
    return bytes(data), skops_modules(data), types


_UNSAFE = (
    "save the fitted part alone (search.best_estimator_), name your own types under "
    "[tool.mlops-nb.registry] trusted-types, or choose pickle=True"
)


def _answer(model: Any, given: Any) -> Any:
    """Ask the model for what it gives on the example."""
    call = getattr(model, "predict_proba", None) or getattr(model, "predict", None)
    if call is None:
        call = getattr(model, "transform", None)
    if call is None:
        raise ArtifactError(
            "has neither predict nor transform", where=type(model).__qualname__, fix="fit it first"
        )
    try:
        return call(given)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(
            f"does not take its own example: {error}", where=type(model).__qualname__
        ) from error


def _profiles(
    given: Mapping[str, Path] | Iterable[Path], files: dict[str, bytes]
) -> dict[str, str]:
    from collections.abc import Mapping as AnyMapping

    named = dict(given) if isinstance(given, AnyMapping) else {Path(p).stem: p for p in given}
    inside = {}
    for name, path in named.items():
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ArtifactError(f"cannot be read: {error}", where=f"profile {path}") from error
        inside[name] = f"profiles/{Path(path).name}"
        files[inside[name]] = content
    return inside


def _metric(name: str, value: Metric | float) -> Metric:
    import math

    metric = value if isinstance(value, Metric) else Metric(value=float(value))
    for number in (metric.value, metric.low, metric.high):
        if number is not None and not math.isfinite(number):
            raise ArtifactError(f"is {number}", where=f'metric "{name}"')
    return metric


def _params(model: Any) -> dict[str, str]:
    get = getattr(model, "get_params", None)
    return {key: repr(value)[:300] for key, value in sorted(get().items())} if get else {}


def _python() -> str:
    import platform

    return platform.python_version()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.rename(columns=str).to_parquet(buffer)
    return buffer.getvalue()


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder beside its place and move it in."""
    if target.exists() and not (target / MANIFEST).is_file() and any(target.iterdir()):
        raise ArtifactError(
            "holds something that is not an artifact", where=str(target), fix="name another folder"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            for path, content in files.items():
                place = staging / path
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            staging.chmod(0o755)
            old = staging.with_name(staging.name + ".old")
            if target.exists():
                target.rename(old)
            staging.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise ArtifactError(f"cannot be written: {error}", where=str(target)) from error

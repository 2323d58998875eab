"""``[tool.mlops-nb.gates]`` and ``[tool.mlops-nb.registry]``.

.. code-block:: toml

    [tool.mlops-nb.gates]
    guarded = ["champion"]              # aliases that need every gate

    [tool.mlops-nb.gates.roles]
    reviewer = ["ann", "ben"]

    [tool.mlops-nb.gates.checks.good-enough]
    kind = "metric"
    metric = "roc_auc"
    min = 0.70

    [tool.mlops-nb.gates.checks.not-worse]
    kind = "champion"
    metric = "roc_auc"
    margin = 0.005
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase

import msgspec

__all__ = [
    "AnyGate",
    "ApprovalGate",
    "CalibrationGate",
    "ChampionGate",
    "DriftGate",
    "GateSettings",
    "LatencyGate",
    "MetricGate",
    "NotebookGate",
    "RegistrySettings",
    "SignatureGate",
    "SizeGate",
    "SlicesGate",
    "gate_digest",
]


class _Gate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="kebab",
    forbid_unknown_fields=True,
    tag_field="kind",
):
    models: tuple[str, ...] = ("*",)
    """Models it guards; patterns as in the shell."""


class MetricGate(_Gate, frozen=True, kw_only=True, tag="metric"):
    """A stored metric lies within bounds."""

    metric: str
    min: float | None = None
    max: float | None = None
    whole_interval: bool = False
    """Hold the interval's worse end to the bound, not the value."""


class ChampionGate(_Gate, frozen=True, kw_only=True, tag="champion"):
    """Not worse than the champion on the same holdout, by the paired bootstrap."""

    metric: str = "roc_auc"
    margin: float = 0.0
    """How much worse the lower end of the difference's interval may be, in the metric's unit."""
    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0
    cluster: str = ""
    """Holdout column whose rows are drawn together, such as the day."""


class SlicesGate(_Gate, frozen=True, kw_only=True, tag="slices"):
    """No slice is worse than under the champion by more than a bound."""

    metric: str = "roc_auc"
    max_drop: float = 0.02
    columns: tuple[str, ...] = ()
    """Slice columns of the holdout; all of them by default."""
    min_rows: int = 200
    """Smaller slices are left out."""
    confidence: float = 0.95
    """That a drop is real, over all slices together (Bonferroni)."""
    resamples: int = 500
    seed: int = 0


class CalibrationGate(_Gate, frozen=True, kw_only=True, tag="calibration"):
    """The expected calibration error on the holdout is small."""

    max_error: float = 0.05
    bins: int = 10


class SignatureGate(_Gate, frozen=True, kw_only=True, tag="signature"):
    """Whoever calls the champion can call this model."""


class DriftGate(_Gate, frozen=True, kw_only=True, tag="drift"):
    """The training data has not drifted from the champion's reference profile."""

    profile: str = ""
    """Name of the reference profile; the only one by default."""
    max_columns: int = 0
    """Columns that may have drifted."""


class LatencyGate(_Gate, frozen=True, kw_only=True, tag="latency"):
    """Scoring is fast enough on this machine."""

    max_ms: float
    """What a call may take, milliseconds."""
    quantile: float = 0.95
    """Of the calls; a busy machine is told from a slow model by 0.5."""
    rows: int = 1
    """Rows a call."""
    calls: int = 50


class SizeGate(_Gate, frozen=True, kw_only=True, tag="size"):
    """The model file is small enough."""

    max_mb: float
    """MB of a million bytes."""


class NotebookGate(_Gate, frozen=True, kw_only=True, tag="notebook"):
    """A notebook of the project's own, run with the version as parameters, does not raise."""

    notebook: str
    """Path relative to the project."""
    params: dict[str, str | int | float | bool] = {}
    timeout: float = 600.0
    """Seconds."""


class ApprovalGate(_Gate, frozen=True, kw_only=True, tag="approval"):
    """People approved it."""

    role: str = ""
    """The role they must have; any person by default."""
    count: int = 1


AnyGate = (
    MetricGate
    | ChampionGate
    | SlicesGate
    | CalibrationGate
    | SignatureGate
    | DriftGate
    | LatencyGate
    | SizeGate
    | NotebookGate
    | ApprovalGate
)


class GateSettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """``[tool.mlops-nb.gates]``."""

    guarded: tuple[str, ...] = ("champion",)
    """Aliases that only a version with every gate passed is given."""
    roles: dict[str, tuple[str, ...]] = {}
    """Who may approve as what."""
    checks: dict[str, AnyGate] = {}

    def for_model(self, model: str) -> dict[str, AnyGate]:
        """Return the gates that guard a model, by name, in their order."""
        return {
            name: gate
            for name, gate in self.checks.items()
            if any(fnmatchcase(model, pattern) for pattern in gate.models)
        }


class RegistrySettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """``[tool.mlops-nb.registry]``."""

    trusted_types: tuple[str, ...] = ()
    """Dotted names of the project's own types that models may hold."""
    keep: int = 5
    """Latest versions of a model that ``gc`` keeps."""


def gate_digest(gate: AnyGate, inputs: bytes = b"") -> str:
    """Return what a gate's settings are told by: its answer is void once they change.

    Parameters
    ----------
    gate
        The gate.
    inputs
        What else decides its answer, see `mlops_nb.registry.inputs.gate_inputs`.
    """
    settings = msgspec.json.encode(gate, order="deterministic")
    return hashlib.sha256(settings + inputs).hexdigest()

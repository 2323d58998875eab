"""Models: their artifacts, versions, gates, and the rows of the ledger."""

from __future__ import annotations

from enum import Enum

from mlops_nb.model.base import Json, Record

__all__ = [
    "ArtifactFile",
    "ArtifactInfo",
    "Card",
    "Cleaning",
    "Column",
    "EntryKind",
    "GateMark",
    "GateResult",
    "GateState",
    "LedgerEntry",
    "Metric",
    "ModelVersion",
    "Problem",
    "Promotion",
    "Signature",
    "VerifyReport",
    "VersionDetails",
    "VersionStatus",
]


class Metric(Record, frozen=True, kw_only=True):
    """One figure of a model with its interval."""

    value: float
    low: float | None = None
    """Lower end of the confidence interval."""
    high: float | None = None
    better: str = "higher"
    """``higher`` or ``lower``."""
    n: int = 0
    """Rows it was computed on; 0 where unknown."""


class Column(Record, frozen=True, kw_only=True):
    """One column that a model takes or gives."""

    name: str
    type: str
    """``float``, ``integer``, ``boolean``, ``string``, ``datetime`` or ``object``."""
    nullable: bool = False


class Signature(Record, frozen=True, kw_only=True):
    """What a model takes and gives."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()


class Card(Record, frozen=True, kw_only=True):
    """What people say of a model; figures, data and slices are added by the artifact."""

    summary: str = ""
    """What the model does and for whom."""
    data: str = ""
    """Where its training data comes from, and what was left out."""
    limits: str = ""
    """Where it must not be used, and what is known to go wrong."""
    owner: str = ""


class ArtifactFile(Record, frozen=True, kw_only=True):
    """One file of an artifact."""

    path: str
    """POSIX path relative to the artifact's folder."""
    sha256: str
    size: int
    """Bytes."""


class ArtifactInfo(Record, frozen=True, kw_only=True):
    """An artifact's manifest, ``artifact.json``."""

    name: str
    digest: str
    """SHA-256 over this manifest without the digest: it binds every file and every fact below."""
    format: str
    """``skops`` or ``pickle``."""
    estimator: str
    """Dotted name of the model's class."""
    created: float
    files: tuple[ArtifactFile, ...] = ()
    takes: str = "frame"
    """In which shape it takes rows: ``frame``, ``array``, ``series`` or ``text``."""
    signature: Signature = Signature()
    requirements: tuple[str, ...] = ()
    """Pinned, as pip reads them."""
    python: str = ""
    run_id: str = ""
    git_commit: str = ""
    data_digests: dict[str, str] = {}
    """SHA-256 of the training data's files, by name."""
    metrics: dict[str, Metric] = {}
    params: dict[str, str] = {}
    """The estimator's own parameters, as text."""
    profiles: dict[str, str] = {}
    """Reference profiles by name, as paths within the artifact."""
    slices: tuple[str, ...] = ()
    """Columns of the stored holdout that it is sliced by."""
    card: Card = Card()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


class VersionStatus(Enum):
    """How a version stands."""

    REGISTERED = "registered"
    APPROVED = "approved"
    """A person approved it, or it was promoted with every gate passed."""
    REJECTED = "rejected"
    ROLLED_BACK = "rolled-back"
    """It was champion and was taken back."""
    DELETED = "deleted"


class GateMark(Record, frozen=True, kw_only=True):
    """A gate's latest answer for a version, in short."""

    kind: str
    passed: bool
    reason: str = ""
    seq: int = 0
    """The ledger row that holds the evidence."""


class GateResult(Record, frozen=True, kw_only=True):
    """A gate's answer with its evidence, bound to one artifact."""

    gate: str
    kind: str
    passed: bool
    reason: str
    """One sentence with the figures that decided."""
    digest: str
    """Of the artifact that was judged; any other artifact voids the answer."""
    settings: str
    """Digest of the gate's settings; other settings void the answer."""
    champion: int = 0
    """The champion it was compared with; 0 where there was none."""
    relative: bool = False
    """Whether the answer depends on who is champion."""
    evidence: dict[str, Json] = {}
    seconds: float = 0.0
    origin: str = ""
    """Where it was given, if in another registry: it is shown, but does not count here."""
    seq: int = 0
    """The ledger row that holds it; 0 before it is stored."""


class ModelVersion(Record, frozen=True, kw_only=True):
    """One version of a model as the ledger knows it."""

    model: str
    version: int
    digest: str
    created: float
    actor: str = ""
    source: str = ""
    """Where the artifact lies: a URI as MLflow gives it."""
    format: str = "skops"
    estimator: str = ""
    status: VersionStatus = VersionStatus.REGISTERED
    aliases: tuple[str, ...] = ()
    metrics: dict[str, Metric] = {}
    gates: dict[str, GateMark] = {}
    forced: bool = False
    """Whether it was ever promoted against its gates; never goes away."""
    run_id: str = ""
    mlflow_run_id: str = ""
    git_commit: str = ""
    data_digests: dict[str, str] = {}
    size: int = 0
    comment: str = ""
    """What was said with the latest approval or rejection."""
    origin: str = ""
    """``registry-id model vN`` where the version was imported."""
    outside: bool = False
    """True where MLflow has it and the ledger does not."""


class EntryKind(Enum):
    """What a row of the ledger says."""

    REGISTERED = "registered"
    GATE = "gate"
    APPROVED = "approved"
    REJECTED = "rejected"
    PROMOTED = "promoted"
    """An alias was given to a version."""
    ROLLED_BACK = "rolled-back"
    UNALIASED = "unaliased"
    DELETED = "deleted"
    UNPICKLED = "unpickled"
    """A pickle was loaded by explicit choice."""
    MENDED = "mended"
    """MLflow was made equal to the ledger again."""


class LedgerEntry(Record, frozen=True, kw_only=True):
    """One row of the ledger; never changed once written."""

    seq: int
    time: float
    kind: EntryKind
    model: str
    version: int = 0
    alias: str = ""
    previous: int = 0
    """The version that held the alias before; 0 for none."""
    actor: str = ""
    reason: str = ""
    forced: bool = False
    digest: str = ""
    git_commit: str = ""
    run_id: str = ""
    payload: dict[str, Json] = {}
    before: str = ""
    """Hash of the row before this one."""
    hash: str = ""


class Promotion(Record, frozen=True, kw_only=True):
    """What a promotion or a rollback did."""

    entry: LedgerEntry
    model: str
    version: int
    alias: str
    previous: int = 0
    gates: tuple[GateResult, ...] = ()
    mirrored: bool = True
    """Whether MLflow shows it already; if not, the next command catches up."""
    mirror_error: str = ""


class GateState(Record, frozen=True, kw_only=True):
    """One gate of a version, as it counts now."""

    gate: str
    kind: str
    ok: bool
    """Whether it counts as passed for this artifact, these settings and this champion."""
    text: str
    result: GateResult | None = None
    """The latest answer; ``None`` where it was never asked."""


class VersionDetails(Record, frozen=True, kw_only=True):
    """All that is known of a version."""

    version: ModelVersion
    info: ArtifactInfo
    entries: tuple[LedgerEntry, ...] = ()
    """The ledger's rows about it, oldest first."""


class Cleaning(Record, frozen=True, kw_only=True):
    """What a cleaning removes, or would remove."""

    removed: tuple[ModelVersion, ...] = ()
    kept: dict[str, str] = {}
    """Why each other version stays, by ``model vN``."""
    bytes: int = 0
    dry_run: bool = True


class Problem(Record, frozen=True, kw_only=True):
    """One thing that `verify` found."""

    kind: str
    """``chain``, ``state``, ``alias``, ``version``, ``artifact`` or ``anchor``."""
    subject: str
    text: str
    fix: str = ""


class VerifyReport(Record, frozen=True, kw_only=True):
    """What `verify` looked at and found."""

    entries: int
    versions: int
    aliases: int
    artifacts: int
    problems: tuple[Problem, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

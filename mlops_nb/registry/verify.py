"""Checks that ledger, state, MLflow and artifacts agree, and makes MLflow agree again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ArtifactError, RegistryError, TrackingError
from mlops_nb.model import (
    EntryKind,
    LedgerEntry,
    ModelVersion,
    Problem,
    VerifyReport,
    VersionStatus,
)
from mlops_nb.registry.ledger import entry_hash
from mlops_nb.registry.mirror import TAG, all_versions, catch_up, settle
from mlops_nb.registry.state import advance

if TYPE_CHECKING:
    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["mend", "outside_aliases", "verify"]

_MEND = 'make MLflow equal to the ledger with "mlops-nb models verify --mend"'
_RESTORE = "restore the ledger's database from a backup"


def verify(registry: Registry, *, artifacts: bool = True, live: bool = True) -> VerifyReport:
    """Check everything that was promised, and return what is wrong.

    Changes that a crash kept from MLflow are told first; they are no problem.

    Parameters
    ----------
    registry
        Which registry.
    artifacts
        Check every file of every version; a server's artifacts are fetched for it.
    live
        Ask MLflow; otherwise only the ledger and the artifacts are checked.

    Returns
    -------
    VerifyReport
        With a problem for each broken link of the chain, state that does not follow from it,
        alias or version that MLflow has otherwise, and artifact that is missing or was changed.
    """
    problems: list[Problem] = []
    late = settle(registry) if live else ""
    if late:
        problems.append(Problem(kind="mlflow", subject=registry.tracking_uri, text=late))
    with registry.ledger.read() as reader:
        entries, broken = _chain(reader)
        problems += broken
        versions = reader.versions(deleted=True)
        aliases = {(m, a): v for m in reader.models() for a, v in reader.aliases(m).items()}
    problems += _state(entries, versions, aliases)
    here = [version for version in versions if version.status is not VersionStatus.DELETED]
    if live and not late:
        try:
            problems += _mlflow(registry, entries, here, aliases)
        except TrackingError as error:
            problems.append(
                Problem(kind="mlflow", subject=registry.tracking_uri, text=error.message)
            )
    if artifacts:
        for version in here:
            problems += _artifact(registry, version)
    return VerifyReport(
        entries=len(entries),
        versions=len(here),
        aliases=len(aliases),
        artifacts=len(here) if artifacts else 0,
        problems=tuple(problems),
    )


def _chain(reader: Reader) -> tuple[list[LedgerEntry], list[Problem]]:
    """Follow the chain from its first row to the head."""
    entries, problems = [], []
    before, last = "0" * 64, 0
    try:
        rows = reader.entries()
    except RegistryError as error:
        return [], [Problem(kind="chain", subject="ledger", text=error.message, fix=_RESTORE)]
    for entry in rows:
        row = f"row {entry.seq}"
        if entry.seq != last + 1:
            gone = f"rows {last + 1} to {entry.seq - 1} are missing"
            problems.append(Problem(kind="chain", subject=row, text=gone, fix=_RESTORE))
        elif entry.before != before:
            text = "does not follow from the row before it"
            problems.append(Problem(kind="chain", subject=row, text=text, fix=_RESTORE))
        if entry_hash(entry) != entry.hash:
            text = "was changed after it was written"
            problems.append(Problem(kind="chain", subject=row, text=text, fix=_RESTORE))
        before, last = entry.hash, entry.seq
        entries.append(entry)
    seq, digest, _ = reader.head()
    if (seq, digest) != (last, before):
        text = f"the ledger ends at row {last}, its head says row {seq}"
        problems.append(Problem(kind="chain", subject="head", text=text, fix=_RESTORE))
    return entries, problems


def _state(
    entries: list[LedgerEntry],
    versions: tuple[ModelVersion, ...],
    aliases: dict[tuple[str, str], int],
) -> list[Problem]:
    """Compare the state with what follows from the rows."""
    wanted: dict[tuple[str, int], ModelVersion] = {}
    held: dict[tuple[str, str], int] = {}
    problems: list[Problem] = []
    for entry in entries:
        known = {
            n: wanted[entry.model, n]
            for n in (entry.version, entry.previous)
            if (entry.model, n) in wanted
        }
        try:
            change = advance(entry, known)
        except (KeyError, TypeError, ValueError) as error:
            # Only a row that nobody here wrote says too little; what follows from it is lost.
            text = f"does not say what its kind needs: {error!r}"
            problems.append(
                Problem(kind="chain", subject=f"row {entry.seq}", text=text, fix=_RESTORE)
            )
            continue
        for version in change.versions:
            wanted[version.model, version.version] = version
        for alias, number in change.aliases.items():
            held.pop((entry.model, alias), None)
            if number:
                held[entry.model, alias] = number
    found = {(v.model, v.version): msgspec.structs.replace(v, aliases=()) for v in versions}
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            text = "its state does not follow from the ledger's rows"
            subject = f"{key[0]} v{key[1]}"
            problems.append(Problem(kind="state", subject=subject, text=text, fix=_RESTORE))
    for name in sorted(held.keys() | aliases.keys()):
        if held.get(name) != aliases.get(name):
            text = f"is v{aliases.get(name, 0)}, by the ledger's rows it is v{held.get(name, 0)}"
            subject = f"{name[0]}@{name[1]}"
            problems.append(Problem(kind="state", subject=subject, text=text, fix=_RESTORE))
    return problems


def _mlflow(
    registry: Registry,
    entries: list[LedgerEntry],
    versions: list[ModelVersion],
    aliases: dict[tuple[str, str], int],
) -> list[Problem]:
    problems = []
    hashes = {entry.seq: entry.hash for entry in entries}
    for model in sorted({version.model for version in versions}):
        with registry.errors():
            there = _registered_model(registry.client, model)
            found = (
                {}
                if there is None
                else {
                    int(item.version): item
                    for item in all_versions(registry.client, f"name = '{model}'")
                }
            )
        ours = {version.version for version in versions if version.model == model}
        for number in sorted(ours - found.keys()):
            text = "was deleted in MLflow, outside the ledger"
            problems.append(
                Problem(
                    kind="version",
                    subject=f"{model} v{number}",
                    text=text,
                    fix="delete it here too, or register its artifact again",
                )
            )
        problems += [
            Problem(
                kind="version",
                subject=f"{model} v{number}",
                text="was made in MLflow, outside the ledger",
                fix="register its artifact here, or delete it in MLflow",
            )
            for number in sorted(found.keys() - ours)
        ]
        theirs = {} if there is None else {name: int(v) for name, v in there.aliases.items()}
        mine = {alias: number for (name, alias), number in aliases.items() if name == model}
        for alias, text in outside_aliases(mine, theirs).items():
            problems.append(Problem(kind="alias", subject=f"{model}@{alias}", text=text, fix=_MEND))
        if there is not None:
            problems += _anchored(model, there.tags.get(TAG + "ledger", ""), hashes)
    return problems


def outside_aliases(ledger: dict[str, int], mlflow: dict[str, int]) -> dict[str, str]:
    """Return the aliases that were moved outside the ledger, each with what happened."""
    found = {}
    for alias in sorted(ledger.keys() | mlflow.keys()):
        ours, theirs = ledger.get(alias, 0), mlflow.get(alias, 0)
        if ours != theirs:
            says = f"MLflow says v{theirs}" if theirs else "MLflow has no such alias"
            known = f"the ledger v{ours}" if ours else "the ledger has none"
            found[alias] = f"{says}, {known}: it was moved outside the ledger"
    return found


def _registered_model(client: Any, model: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _anchored(model: str, anchor: str, hashes: dict[int, str]) -> list[Problem]:
    """Compare the end of the chain that was left with MLflow with the row of that number."""
    seq, _, rest = anchor.partition(":")
    digest = rest.partition(":")[0]
    if not seq.isdigit() or hashes.get(int(seq)) == digest:
        return []
    text = (
        f"MLflow was told of another row {seq}: the ledger was rewritten or an older copy restored"
    )
    return [Problem(kind="anchor", subject=model, text=text, fix=_RESTORE)]


def _artifact(registry: Registry, version: ModelVersion) -> list[Problem]:
    subject = f"{version.model} v{version.version}"
    try:
        registry.fetch(version)
    except ArtifactError as error:
        text = f"{error.where}: {error.message}"
        return [Problem(kind="artifact", subject=subject, text=text, fix=error.fix)]
    except TrackingError as error:
        return [Problem(kind="artifact", subject=subject, text=str(error))]
    return []


def mend(registry: Registry, *, actor: str = "", reason: str = "") -> tuple[LedgerEntry, ...]:
    """Make MLflow's aliases and tags equal to the ledger; each alias mended is a row of it.

    Raises
    ------
    TrackingError
        MLflow cannot be reached.
    """
    catch_up(registry)
    made = []
    with registry.ledger.read() as reader:
        models = {model: reader.aliases(model) for model in reader.models()}
    for model, ours in models.items():
        with registry.errors():
            there = _registered_model(registry.client, model)
        theirs = {} if there is None else {name: int(v) for name, v in there.aliases.items()}
        with registry.ledger.write() as writer:
            for alias, text in outside_aliases(ours, theirs).items():
                made.append(
                    writer.append(
                        EntryKind.MENDED,
                        model=model,
                        version=ours.get(alias, 0),
                        alias=alias,
                        actor=actor or registry.actor,
                        reason=reason or text,
                        payload={"found": theirs.get(alias, 0)},
                    )
                )
                writer.queue(model, alias=alias)
            for version in writer.versions(model):
                writer.queue(model, version=version.version)
    catch_up(registry)
    return tuple(made)

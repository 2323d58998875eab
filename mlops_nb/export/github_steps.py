"""Steps of GitHub's workflows that several jobs share, and the actions that they use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export.naming import title
from mlops_nb.export.quoting import github_text

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Job, Work

__all__ = ["ACTIONS", "Step", "cache_key", "checkout_steps", "restored", "uses", "with_versions"]

ACTIONS = {
    "actions/checkout": ("8e8c483db84b4bee98b60c0593521ed34d9990e8", "v6.0.1"),
    "actions/setup-python": ("a309ff8b426b58ec0e2a45f0f869d46889d02405", "v6.2.0"),
    "actions/cache": ("cdf6c1fa76f9f475f3d7449005a359c84ca0f306", "v5.0.3"),
    "actions/upload-artifact": ("b7c566a772e6b6bfb58ed0dc250532a479d7789f", "v6.0.0"),
    "actions/download-artifact": ("37930b1c2abaa49bbe596cd826c3c89aef350131", "v7.0.0"),
}
"""The actions used, by the commit of a release: a tag can be moved, a commit cannot."""

Step = dict[str, Any]


def checkout_steps(work: Work) -> list[Step]:
    """Return the steps that check the project out and install what it needs."""
    settings = work.settings
    python: dict[str, Any] = {"python-version": settings.python}
    if not settings.install:
        python |= {"cache": "pip", "cache-dependency-path": github_text(settings.lock)}
    return [
        {"uses": uses("actions/checkout"), "with": {"persist-credentials": False}},
        {"uses": uses("actions/setup-python"), "with": python},
        {"name": "Install", "run": github_text("\n".join(settings.install_commands))},
    ]


def cache_key(work: Work, job: Job) -> str:
    """Return what the keys of a job's cache begin with."""
    return f"mlops-nb-{work.slug}-{job.id}-"


def restored(work: Work, job: Job, *, needed: bool = False) -> list[Step]:
    """Return the steps that put back what a job made last time."""
    key = cache_key(work, job)
    return [
        {
            "name": f"Restore what {title(job.title) if needed else 'this job'} made last time",
            "uses": uses("actions/cache", "/restore"),
            "with": {"path": job.bundle, "key": key, "restore-keys": key},
        },
        {"name": "Unpack it", "run": work.unpack(job.bundle, optional=not needed)},
    ]


def uses(action: str, part: str = "") -> str:
    """Return an action by its pinned commit."""
    return f"{action}{part}@{ACTIONS[action][0]}"


def with_versions(text: str) -> str:
    """Say behind each pinned commit which release it is; scripts are indented further."""
    release = dict(ACTIONS.values())
    text = text.replace(
        "\n      pull-requests: write\n", "\n      pull-requests: write # for the comment\n"
    )
    return re.sub(
        r"^( {4}- | {6}- | {6}| {8})uses: (\S+)@([0-9a-f]{40})$",
        lambda found: f"{found[0]} # {release[found[3]]}" if found[3] in release else found[0],
        text,
        flags=re.MULTILINE,
    )

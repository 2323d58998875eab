"""Steps of GitHub's workflows that several jobs share, and the actions that they use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export.naming import title
from mlops_nb.export.quoting import github_text

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Job, Work

__all__ = [
    "ACTIONS",
    "SUMMARIES",
    "Step",
    "cache_keys",
    "checkout_steps",
    "keep",
    "keep_latest",
    "restore",
    "restore_latest",
    "uses",
    "with_versions",
]

ACTIONS = {
    "actions/checkout": ("8e8c483db84b4bee98b60c0593521ed34d9990e8", "v6.0.1"),
    "actions/setup-python": ("a309ff8b426b58ec0e2a45f0f869d46889d02405", "v6.2.0"),
    "actions/cache": ("cdf6c1fa76f9f475f3d7449005a359c84ca0f306", "v5.0.3"),
    "actions/upload-artifact": ("b7c566a772e6b6bfb58ed0dc250532a479d7789f", "v6.0.0"),
    "actions/download-artifact": ("37930b1c2abaa49bbe596cd826c3c89aef350131", "v7.0.0"),
}
"""The actions used, by the commit of a release: a tag can be moved, a commit cannot."""

Step = dict[str, Any]

SUMMARIES = ".mlops/summary"
_KEY = "${{ steps.key.outputs.key }}"


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


def cache_keys(work: Work, job: Job) -> str:
    """Return what the keys of a job's cache begin with; a point is in no name."""
    return f"mlops-nb.{work.slug}.{job.id}."


def restore(work: Work, job: Job) -> list[Step]:
    """Return the steps that put back what was made from the very same: by the tasks' fingerprint.

    A group takes what it can get, since some of its tasks may be unchanged.
    """
    keys = cache_keys(work, job)
    found: dict[str, Any] = {"path": job.bundle, "key": _KEY}
    if len(job.tasks) > 1:
        found["restore-keys"] = f"{_KEY}\n{keys}"
    return [
        {
            "name": "Work out the fingerprint",
            "id": "key",
            "run": github_text(
                f'key=$({work.key(job)})\necho "key={keys}$key" >> "$GITHUB_OUTPUT"'
            ),
        },
        {
            "name": "Restore what was made from the same",
            "id": "kept",
            "uses": uses("actions/cache", "/restore"),
            "with": found,
        },
        {"name": "Unpack it", "run": work.unpack(job.bundle, optional=True)},
    ]


def keep(job: Job) -> Step:
    """Return the step that keeps what a job made, whatever becomes of the jobs after it.

    Of a group that failed what succeeded is kept as well, under a key that a whole one never has.
    """
    condition, key = "steps.kept.outputs.cache-hit != 'true'", _KEY
    if len(job.tasks) > 1:
        digest = f"hashFiles('{job.bundle}')"
        condition = f"always() && steps.key.outcome == 'success' && {condition} && {digest} != ''"
        key += f"${{{{ steps.run.outcome != 'success' && format('-{{0}}', {digest}) || '' }}}}"
    return {
        "name": "Keep it for runs to come",
        "if": condition,
        "uses": uses("actions/cache", "/save"),
        "with": {"path": job.bundle, "key": key},
    }


def keep_latest(work: Work, job: Job) -> Step:
    """Return the step that keeps what a job made last, for the check for drift."""
    run = "${{ github.run_id }}-${{ github.run_attempt }}"
    return {
        "name": "Keep it for the check for drift",
        "if": "github.event_name != 'pull_request'",
        "uses": uses("actions/cache", "/save"),
        "with": {"path": job.bundle, "key": f"{cache_keys(work, job)}latest.{run}"},
    }


def restore_latest(work: Work, job: Job) -> list[Step]:
    """Return the steps that put back what a job made last; there must be something."""
    keys = f"{cache_keys(work, job)}latest."
    return [
        {
            "name": f"Restore what {title(job.title)} made last",
            "uses": uses("actions/cache", "/restore"),
            "with": {"path": job.bundle, "key": keys, "restore-keys": keys},
        },
        {"name": "Unpack it", "run": work.unpack(job.bundle)},
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

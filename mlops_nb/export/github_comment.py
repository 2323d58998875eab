"""The job of GitHub's workflow that keeps one comment on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.export.github_steps import SUMMARIES, uses
from mlops_nb.export.quoting import shell

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Work

__all__ = ["comment_job"]


def comment_job(work: Work) -> dict[str, Any]:
    """Return the job that keeps one comment on a pull request up to date.

    A pull request from a fork gets none: its token may not write, and nothing of it is run with
    one that may. The comment's text travels as a file, never as part of a command.
    """
    marker = f"<!-- mlops-nb {work.slug} -->"
    script = "\n".join(
        [
            f"marker={shell(marker)}",
            # There is none where no job got so far.
            f"mkdir -p {SUMMARIES}",
            "{",
            '  echo "$marker"',
            f"  echo {shell('## ' + work.title)}",
            "  echo",
            f"  find {SUMMARIES} -name '*.md' -print0 | sort -z | xargs -0 -r cat",
            '  echo "[Reports of this run]($GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID)"',
            "} > comment.md",
            "# GitHub refuses a comment of more than 65536 characters.",
            "head -c 60000 comment.md > body.md",
            'comments="repos/$GITHUB_REPOSITORY/issues"',
            'id=$(gh api --paginate "$comments/$NUMBER/comments" --jq \\',
            "  '.[] | select(.user.type == \"Bot\" and (.body | startswith(env.marker))) | .id' | head -n 1)",
            'if [ -n "$id" ]; then',
            '  gh api --silent --method PATCH "$comments/comments/$id" --field body=@body.md',
            "else",
            '  gh api --silent --method POST "$comments/$NUMBER/comments" --field body=@body.md',
            "fi",
        ]
    ).replace(f"marker={shell(marker)}", f"export marker={shell(marker)}")
    return {
        "name": "Comment on the pull request",
        "needs": [job.id for job in work.jobs],
        "if": "always() && github.event_name == 'pull_request'"
        " && github.event.pull_request.head.repo.full_name == github.repository",
        "runs-on": work.settings.runner,
        "timeout-minutes": 10,
        "permissions": {"pull-requests": "write"},
        "steps": [
            {
                "name": "Fetch the summaries",
                "uses": uses("actions/download-artifact"),
                "with": {"pattern": "summary-*", "path": SUMMARIES, "merge-multiple": True},
            },
            {
                "name": "Write the comment",
                "env": {
                    "GH_TOKEN": "${{ github.token }}",
                    "NUMBER": "${{ github.event.pull_request.number }}",
                },
                "run": script,
            },
        ],
    }

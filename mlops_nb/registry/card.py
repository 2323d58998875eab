"""The model card: what the model is, its data, its figures with intervals, slices and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from mlops_nb.errors import GateError
from mlops_nb.model import Metric, SliceRow
from mlops_nb.registry.statistics import bootstrap_metric

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template

    from mlops_nb.model import ArtifactInfo

__all__ = ["render_html", "render_markdown", "slice_table"]

_MIN_ROWS = 50
_MAX_VALUES = 12


def slice_table(scores: pd.DataFrame, columns: tuple[str, ...]) -> tuple[SliceRow, ...]:
    """Return the holdout's figures by slice, the largest slices first.

    Slices of fewer than 50 rows, and values beyond the twelve most frequent of a column, are left
    out. Intervals are 95% percentile bootstrap intervals of 200 resamples.
    """
    import numpy as np

    target = scores["target"].to_numpy(float)
    binary = bool(np.isin(target, (0.0, 1.0)).all())
    names = ("roc_auc", "brier") if binary else ("mae",)
    rows = []
    for column in columns:
        counts = scores[column].value_counts()
        for value, count in counts.head(_MAX_VALUES).items():
            if count < _MIN_ROWS:
                continue
            part = scores[scores[column] == value]
            figures = {}
            for name in names:
                try:
                    figures[name] = bootstrap_metric(
                        name,
                        part["target"].to_numpy(float),
                        part["score"].to_numpy(float),
                        resamples=200,
                    )
                except GateError:
                    continue  # one class only: the figure does not exist for this slice
            rows.append(SliceRow(column=column, value=str(value), n=int(count), metrics=figures))
    return tuple(rows)


def render_markdown(info: ArtifactInfo, slices: tuple[SliceRow, ...] = (), rows: int = 0) -> str:
    """Return an artifact's model card as Markdown.

    Parameters
    ----------
    info
        The artifact.
    slices, rows
        What `slice_table` says of its holdout, and how many rows that has.
    """
    return _render(_MARKDOWN, info, slices, rows, html=False)


def render_html(info: ArtifactInfo, slices: tuple[SliceRow, ...] = (), rows: int = 0) -> str:
    """Return an artifact's model card as a page of its own; everything in it is escaped."""
    return _render(_HTML, info, slices, rows, html=True)


def _render(
    template: str, info: ArtifactInfo, slices: tuple[SliceRow, ...], rows: int, *, html: bool
) -> str:
    text = _compiled(template, html).render(
        info=info,
        rows=rows,
        slices=slices,
        slice_metrics=sorted({name for row in slices for name in row.metrics}),
        when=datetime.fromtimestamp(info.created, UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return str(text)


@cache
def _compiled(template: str, html: bool) -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=html,  # noqa: S701 - Markdown is not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["figure"] = _figure
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.from_string(template)


def _figure(metric: Metric | None) -> str:
    if metric is None:
        return "–"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4g}"
    return f"{metric.value:.4f} ({metric.low:.4f} to {metric.high:.4f})"


_MARKDOWN = """\
# {{ info.name }}

{{ info.card.summary or "No summary was given." }}

| | |
|---|---|
| Estimator | `{{ info.estimator }}` |
| Saved | {{ when }} |
{% if info.card.owner %}
| Owner | {{ info.card.owner | cell }} |
{% endif %}
| Run | {{ info.run_id or "–" }} |
| Git commit | {{ info.git_commit or "–" }} |
| Python | {{ info.python }} |

## Data

{{ info.card.data or "No description of the training data was given." }}

{% for name, digest in info.data_digests.items() %}
- `{{ name }}`: sha256 `{{ digest }}`
{% endfor %}

## Figures

{% if rows %}
On a holdout of {{ rows }} rows, with 95% intervals.

{% endif %}
| metric | value | better |
|---|---|---|
{% for name, metric in info.metrics.items() %}
| {{ name | cell }} | {{ metric | figure }} | {{ metric.better }} |
{% endfor %}

{% if slices %}
## Slices

| column | value | rows |{% for name in slice_metrics %} {{ name }} |{% endfor %}

|---|---|---|{% for name in slice_metrics %}---|{% endfor %}

{% for row in slices %}
| {{ row.column | cell }} | {{ row.value | cell }} | {{ row.n }} |{% for name in slice_metrics %} {{ row.metrics.get(name) | figure }} |{% endfor %}

{% endfor %}

{% endif %}
## Limits

{{ info.card.limits or "None were stated." }}

## Takes and gives

| column | type | nulls seen |
|---|---|---|
{% for column in info.signature.inputs %}
| {{ column.name | cell }} | {{ column.type }} | {{ "yes" if column.nullable else "no" }} |
{% endfor %}

Gives {% for column in info.signature.outputs %}`{{ column.name }}` ({{ column.type }}){{ ", " if not loop.last }}{% endfor %}.

## Requirements

{% for line in info.requirements %}
- {{ line }}
{% endfor %}
"""

_HTML = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ info.name }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
th { border-bottom: 1px solid #8888; font-weight: 600; } code { font-size: .9em; }
p { white-space: pre-line; } :root { color-scheme: light dark; }
</style></head><body>
<h1>{{ info.name }}</h1>
<p>{{ info.card.summary or "No summary was given." }}</p>
<table>
<tr><td>Estimator</td><td><code>{{ info.estimator }}</code></td></tr>
<tr><td>Saved</td><td>{{ when }}</td></tr>
{% if info.card.owner %}<tr><td>Owner</td><td>{{ info.card.owner }}</td></tr>{% endif %}
<tr><td>Run</td><td>{{ info.run_id or "–" }}</td></tr>
<tr><td>Git commit</td><td>{{ info.git_commit or "–" }}</td></tr>
<tr><td>Python</td><td>{{ info.python }}</td></tr>
</table>
<h2>Data</h2>
<p>{{ info.card.data or "No description of the training data was given." }}</p>
{% if info.data_digests %}
<table><tr><th>file</th><th>sha256</th></tr>
{% for name, digest in info.data_digests.items() %}
<tr><td>{{ name }}</td><td><code>{{ digest }}</code></td></tr>
{% endfor %}
</table>
{% endif %}
<h2>Figures</h2>
{% if rows %}<p>On a holdout of {{ rows }} rows, with 95% intervals.</p>{% endif %}
<table><tr><th>metric</th><th>value</th><th>better</th></tr>
{% for name, metric in info.metrics.items() %}
<tr><td>{{ name }}</td><td>{{ metric | figure }}</td><td>{{ metric.better }}</td></tr>
{% endfor %}
</table>
{% if slices %}
<h2>Slices</h2>
<table><tr><th>column</th><th>value</th><th>rows</th>
{% for name in slice_metrics %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in slices %}
<tr><td>{{ row.column }}</td><td>{{ row.value }}</td><td>{{ row.n }}</td>
{% for name in slice_metrics %}<td>{{ row.metrics.get(name) | figure }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% endif %}
<h2>Limits</h2>
<p>{{ info.card.limits or "None were stated." }}</p>
<h2>Takes and gives</h2>
<table><tr><th>column</th><th>type</th><th>nulls seen</th></tr>
{% for column in info.signature.inputs %}
<tr><td>{{ column.name }}</td><td>{{ column.type }}</td><td>{{ "yes" if column.nullable else "no" }}</td></tr>
{% endfor %}
</table>
<p>Gives {% for column in info.signature.outputs %}{{ column.name }} ({{ column.type }}){{ ", " if not loop.last }}{% endfor %}.</p>
<h2>Requirements</h2>
<ul>{% for line in info.requirements %}<li>{{ line }}</li>{% endfor %}</ul>
</body></html>
"""

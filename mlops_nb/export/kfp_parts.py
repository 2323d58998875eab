"""What the source of a Kubeflow pipeline and its compiled form share: its components."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mlops_nb.export.naming import identifier

if TYPE_CHECKING:
    from mlops_nb.export.inputs import Input
    from mlops_nb.export.jobs import Job, Work

__all__ = ["KFP", "argument", "bundles", "component", "default", "function", "type_of"]

KFP = "2.17.0"
"""Version of kfp that the compiled form is for."""


def function(job: Job) -> str:
    """Return the name of a job's component in Python."""
    return "run_" + job.id.replace("-", "_")


def bundles(job: Job) -> dict[str, tuple[str, str]]:
    """Return the bundles that a job is given: the job and the output each comes from, by argument."""
    own = {f"bundle_of_{name.replace('-', '_')}": (name, "bundle") for name in job.given}
    passed = {f"above_{name.replace('-', '_')}": (name, "passed") for name in job.passed}
    return own | passed


def argument(one: Input) -> str:
    """Return the name of a parameter in Python."""
    # The functions of this file keep their names.
    taken = one.id.startswith("run_") or one.id in ("dsl", "kfp", "compiler", "kubernetes")
    return one.id + "_" if taken else identifier(one.id)


def type_of(one: Input) -> str:
    """Return the type of an argument: the parameter's own where its value is known to be of it."""
    try:
        if one.type == "int":
            int(one.default)
        elif one.type == "float":
            return "float" if math.isfinite(float(one.default)) else "str"
        elif one.type == "bool":
            return "bool" if one.default in ("True", "False") else "str"
        else:
            return "str"
    except ValueError:
        return "str"
    return one.type


def default(one: Input) -> str | float | bool:
    """Return the pipeline's own value; as text it is empty, which keeps it as well."""
    kind = type_of(one)
    if kind == "int":
        return int(one.default)
    if kind == "float":
        return float(one.default)
    return one.default == "True" if kind == "bool" else ""


def component(work: Work, job: Job) -> str:
    """Return the source of one component; kfp puts it into the compiled form as it stands."""
    above = list(bundles(job))
    parameters = [f"param_{argument(one)}" for one in work.inputs]
    signature = [
        *(f"{name}: dsl.Input[dsl.Artifact]" for name in above),
        *(f"{name}: {type_of(one)}" for one, name in zip(work.inputs, parameters, strict=True)),
        "bundle: dsl.Output[dsl.Artifact]",
        *(["passed: dsl.Output[dsl.Artifact]"] if job.passes else []),
        "metrics: dsl.Output[dsl.Metrics]",
        "summary: dsl.Output[dsl.Markdown]",
    ]
    variables = [
        f"{one.env!r}: str({name})" for one, name in zip(work.inputs, parameters, strict=True)
    ]
    files = {"BUNDLE": "bundle", "METRICS": "metrics", "SUMMARY": "summary"}
    if job.passes:
        files["PASSED"] = "passed"
    script = "\n".join(
        [
            "work=$(mktemp -d)",
            'cp -R "${MLOPS_NB_APP:-/app}/." "$work"',
            'cd "$work"',
            *([f'{work.unpack()} "$@"'] if above else []),
            f"{work.run(job)} || status=$?",
            work.pack(job),
            f'cp {job.bundle} "$BUNDLE"',
            *([f'cp {job.passed_bundle} "$PASSED"'] if job.passes else []),
            work.summary(job, "summary.md", "metrics.txt"),
            'cp summary.md "$SUMMARY"',
            'cp metrics.txt "$METRICS"',
            'exit "${status:-0}"',
        ]
    )
    # Kubeflow puts values in for {{$...}} wherever it stands; apart, the braces are only shell.
    script = re.sub(r"\{(?=\{)", "{''", script)
    lines = [repr(line + "\n") for line in script.split("\n")]
    return "\n".join(
        [
            f"def {function(job)}(",
            *(f"    {one}," for one in signature),
            "):",
            "    import os",
            "    import subprocess",
            "",
            f"    above = [{', '.join(f'{name}.path' for name in above)}]",
            f"    values = {{{', '.join(variables)}}}",
            f"    files = {{{', '.join(f'{key!r}: {name}.path' for key, name in files.items())}}}",
            "    script = (",
            *(f"        {line}" for line in lines),
            "    )",
            "    env = {**os.environ, **values, **files}",
            "    done = subprocess.run(['sh', '-ec', script, 'sh', *above], env=env)",
            "    if os.path.exists(metrics.path):",
            "        with open(metrics.path) as lines:",
            "            for line in lines:",
            "                name, value = line.split()",
            "                metrics.log_metric(name, float(value))",
            "    done.check_returncode()",
            "",
        ]
    )

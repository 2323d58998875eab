from __future__ import annotations

import re

from export_samples import hostile, small

from mlops_nb import export


def text(**settings: object) -> str:
    return export.render("jenkins", small(), settings)["Jenkinsfile"]


def test_levels_run_side_by_side_with_what_they_need() -> None:
    found = text()
    stages = re.findall(r"stage\('(.*?)'\)", found)
    assert stages == ["ingest", "clean", "Level 3", "train_a", "train b", "evaluate"]
    last = found[found.index("stage('evaluate')") :]
    assert re.findall(r"unstash '(.*?)'", last) == ["ingest", "clean", "train-a", "train-b"]
    assert found.count("stash name:") == 5
    assert found.count("always {") == found.count("archiveArtifacts") == 5
    assert "timeout(time: 31, unit: 'MINUTES')" in found


def test_parameters_schedule_and_credentials() -> None:
    found = text(schedule="30 4 * * *", timezone="Europe/Berlin", secrets=["DB_PASSWORD"])
    assert "cron('TZ=Europe/Berlin\\n30 4 * * *')" in found
    assert "DB_PASSWORD = credentials('DB_PASSWORD')" in found
    assert "string(name: 'PARAM_MONTH', defaultValue: ''" in found
    assert "agent { label 'gpu' }" in text(agent="gpu")


def test_builds_share_a_cache_that_the_form_can_name() -> None:
    found = text(cache="s3://bucket/it", env={"A": "b"})
    assert "string(name: 'MLOPS_NB_CACHE', defaultValue: 's3://bucket/it'" in found
    # The block of variables would win over the form.
    assert "MLOPS_NB_CACHE =" not in found and "A = 'b'" in found
    assert "set cache =" not in found
    assert "string(name: 'MLOPS_NB_CACHE', defaultValue: ''" in text()


def test_hostile_names_stay_inside_their_literals() -> None:
    found = export.render("jenkins", hostile(), {})["Jenkinsfile"]
    found = found.partition("\npipeline {")[2]
    assert found.isascii()
    # Without its literals the file holds only what the exporter itself has written.
    rest = re.sub(r"'''.*?(?<!\\)'''", "S", found, flags=re.DOTALL)
    rest = re.sub(r"'(?:[^'\\\n]|\\.)*'", "S", rest)
    known = re.sub(r'"\$\{env\.WORKSPACE\}/\.venv/bin:\$\{env\.PATH\}"', "P", rest)
    assert not re.search(r"[\"$`'\\]", known)
    assert "touch" not in known and "PWNED" not in known

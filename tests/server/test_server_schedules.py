"""Schedules through REST."""

from __future__ import annotations

import pytest
from server_kit import Server

pytestmark = pytest.mark.slow


def test_schedule_from_its_form_to_its_end(server: Server) -> None:
    project = "one"
    empty = server.get("/schedules", project=project)
    assert empty["schedules"] == []
    assert not empty["served"]
    assert "mlops-nb scheduler" in empty["fix"]
    seen = server.post(
        "/schedules-preview",
        {"when": "every weekday at 6", "timezone": "Europe/Berlin", "count": 3},
        project=project,
    )
    assert seen["words"]
    assert len(seen["times"]) == 3
    assert seen["times"][0]["local"][10:16] == "T06:00"
    for body, said in (
        ({"when": "every blue moon"}, "blue"),
        ({"when": "0 6 * * *", "timezone": "Europe/Berlim"}, "Europe/Berlin"),
    ):
        refused = server.post("/schedules-preview", body, project=project, status=422)["error"]
        assert said in refused["message"] + refused["fix"]

    body = {
        "name": "nightly",
        "when": "0 2 * * *",
        "timezone": "Europe/Berlin",
        "notebooks": ["notebooks/make.ipynb"],
        "parameters": {"size": 5},
        "retries": 2,
        "missed": 3,
    }
    with server.listening() as listener:
        added = server.post("/schedules", body, project=project, status=201)
        assert listener.until("schedules.changed")["project"] == project
    assert added["schedule"]["tasks"] == ["make"]
    assert added["schedule"]["missed"] == 3
    assert added["origin"] == "store"
    assert len(added["next"]) == 5
    again = server.post("/schedules", body, project=project, status=422)["error"]
    assert again["kind"] == "ScheduleError"
    body["tasks"] = ["make"]
    server.post("/schedules", body, project=project, status=422)
    server.post("/schedules", {"name": "x", "when": "y", "z": 1}, project=project, status=400)

    path = "/schedules/nightly"
    edited = server.post(f"{path}/edit", {"when": "0 3 * * *", "timeout": 60}, project=project)
    assert edited["schedule"]["when"] == "0 3 * * *"
    assert edited["schedule"]["retries"] == 2
    assert server.post(f"{path}/pause", project=project)["paused"]
    assert server.post(f"{path}/resume", project=project)["paused"] is False
    soon = server.post(f"{path}/run-now", project=project, status=202)
    assert soon["manual"]
    assert soon["state"] == "waiting"
    history = server.get(f"{path}/history", project=project)["occurrences"]
    assert history[0]["at"] == soon["at"]
    ended = server.post(f"{path}/cancel", {"at": soon["at"]}, project=project, status=202)
    assert ended["state"] == "cancelled"
    times = server.get(f"{path}/next", project=project, count=2)
    assert len(times["times"]) == 2
    since = times["times"][0]["at"]
    calendar = server.get(
        "/schedules-calendar", project=project, since=since - 1, until=since + 86_400 * 7
    )
    assert len(calendar["times"]["nightly"]) >= 7
    assert len(server.get("/schedules", project=project)["schedules"]) == 1
    assert server.ask("DELETE", path, project=project).status_code == 204
    missing = server.get(f"{path}/next", project=project, status=404)["error"]
    assert "nightly" in missing["message"]

"""A notebook becomes a pipeline over REST: shown first, then done, and nowhere but below the root."""

from __future__ import annotations

import json

from server_kit import Server

from tests.browser.lab_kit import write_notebook


def test_a_notebook_becomes_a_pipeline(server: Server) -> None:
    folder = server.root / "alone"
    folder.mkdir()
    place = write_notebook(folder / "my work.ipynb", "rows = 3", "rows + 1")
    before = place.read_bytes()
    path = "alone/my work.ipynb"
    planned = server.get("/conversion", path=path)
    assert (planned["is_new"], planned["done"], planned["task"]) == (True, False, "my-work")
    assert (planned["cell"], planned["parameters"]) == ("tagged", ["rows"])
    assert place.read_bytes() == before
    assert not (folder / "pipeline.yaml").exists()
    done = server.post("/conversion", {"path": path}, status=201)
    assert done == {**planned, "done": True}
    assert (folder / "pipeline.yaml").read_text() == planned["spec_text"]
    assert "parameters" in json.loads(place.read_bytes())["cells"][0]["metadata"]["tags"]
    view = server.get("/pipeline", project="alone")
    assert [task["name"] for task in view["tasks"]] == ["my-work"]
    assert [one["name"] for one in view["parameters"]] == ["rows"]
    again = server.post("/conversion", {"path": path}, status=422)["error"]
    assert "already" in again["message"]


def test_what_cannot_be_converted_says_what_to_do(server: Server) -> None:
    write_notebook(server.root / "bare.ipynb", "rows = 3")
    refused = server.get("/conversion", path="bare.ipynb", status=422)["error"]
    assert "does nothing below its parameters" in refused["message"]
    assert refused["where"] == "bare.ipynb"
    assert refused["fix"]
    for path, status in (
        ("none.ipynb", 422),
        ("../outside/secret.txt", 403),
        ("/etc/passwd", 403),
        ("", 400),
    ):
        server.get("/conversion", path=path, status=status)
        server.post("/conversion", {"path": path}, status=status)

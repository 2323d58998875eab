"""The board's state: sort, filter, search, select, compare; without a browser."""

from __future__ import annotations

from mlops_nb.api import models
from mlops_nb.widgets import ModelBoard
from tests.faces_kit import make_project


def numbers(board: ModelBoard) -> list[int]:
    return [version.version for version in board.versions]


def test_board_shows_sorts_and_searches(project):
    board = ModelBoard(project=str(project))
    assert "reading the registry" in board._table.html or board.versions
    assert board.wait(60)
    assert numbers(board) == [3, 2, 1]
    for text in ("v3", "champion", "challenger", "roc_auc", "2/2", 'aria-sort="descending"'):
        assert text in board._table.html
    board._table.press("sort", "metric:brier")
    assert numbers(board)[0] == 3
    board._table.press("sort", "metric:brier")
    assert numbers(board)[-1] == 3
    assert 'aria-sort="ascending"' in board._table.html
    board._search.value = "champion"
    assert numbers(board) == [1]
    board._search.value, board._filter.value = "", "with an alias"
    assert sorted(numbers(board)) == [1, 3]
    board._search.value = "nothing like it"
    assert "None of 3 versions matches" in board._table.html
    board.close()


def test_board_compares_two_and_a_third_takes_the_firsts_place(project):
    board = ModelBoard("trips", project=str(project))
    board.wait(60)
    assert board._compare.disabled
    for name in ("trips@3", "trips@1", "trips@2"):
        board._table.press("select", name)
    assert board.selected == ("trips@1", "trips@2")
    board._table.press("select", "trips@99")
    assert board.selected == ("trips@1", "trips@2")
    assert not board._compare.disabled
    board._compare.click()
    assert board.compared is not None
    assert board.compared.wait(60)
    assert board.compared.comparison is not None
    assert (board.compared.comparison.left.version, board.compared.comparison.right.version) == (
        1,
        2,
    )
    board._table.press("select", "trips@1")
    assert board.selected == ("trips@2",)
    board.close()


def test_board_refreshes_and_ignores_what_is_no_action(project):
    board = ModelBoard(project=str(project))
    board.wait(60)
    models.promote(str(project), 2, reason="better", actor="ben")
    board._refresh.click()
    board.wait(60)
    assert board.versions[1].aliases == ("champion",)
    for message in ({"do": "delete"}, {"do": ["sort"]}, "sort", None):
        board._table._pressed(board._table, message, [])
    assert numbers(board) == [3, 2, 1]
    board.close()


def test_board_says_what_to_do_where_there_is_nothing(tmp_path, monkeypatch):
    empty = make_project(tmp_path / "empty")
    board = ModelBoard(project=str(empty))
    board.wait(60)
    assert "register_model" in board._table.html
    board.close()

    lost = ModelBoard("tripz", project=str(empty))
    lost.wait(60)
    assert lost.failure is not None
    assert "tripz" in lost.failure.what
    lost.close()

    monkeypatch.chdir(tmp_path)
    nowhere = ModelBoard()
    nowhere.wait(60)
    assert nowhere.failure is not None
    assert nowhere.failure.how
    assert "how to mend it" in nowhere._notice.html
    assert 'role="alert"' in nowhere._notice.html
    nowhere.close()

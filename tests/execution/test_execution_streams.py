"""What a kernel's streams do with text, without a kernel around them."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

import pytest

from mlops_nb.execution.warm.streams import DirectSession, DirectStream


class Told:
    """Takes what a stream sends: the text of each request's id."""

    def __init__(self) -> None:
        self.texts: defaultdict[str, str] = defaultdict(str)

    def send(self, kind: int, body: bytes) -> None:
        size = body[0]
        self.texts[body[1 : 1 + size].decode()] += body[1 + size :].decode()


class Pump:
    woken = False
    times = 0

    def wake(self) -> None:
        self.times += not self.woken
        self.woken = True


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def stream(told: Told) -> DirectStream:
    session = DirectSession()
    session.packets = told  # type: ignore[assignment]
    out = DirectStream(session, "stdout")
    out.connect(Pump(), 1)  # type: ignore[arg-type]
    return out


def answering(stream: DirectStream, request: str) -> dict[str, Any]:
    header = {"msg_id": request}
    stream._parent_header.set(header)
    return header


def test_threads_that_answer_different_requests_lose_and_mix_nothing(
    stream: DirectStream, told: Told
) -> None:
    lines = 20_000

    def work(name: str) -> None:
        answering(stream, name)
        for number in range(lines):
            print(name, number, file=stream, flush=number % 1000 == 0)

    threads = [threading.Thread(target=work, args=(f"cell-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.flush()
    assert told.texts.keys() == {f"cell-{n}" for n in range(4)}
    for name, text in told.texts.items():
        assert text == "".join(f"{name} {number}\n" for number in range(lines))


@pytest.mark.parametrize("size", [1, 200, 300, 70_000])
def test_text_goes_out_before_much_of_it_waits(stream: DirectStream, told: Told, size: int) -> None:
    answering(stream, "cell")
    written = 0
    for _ in range(20_000 if size < 1000 else 50):
        written += stream.write("x" * size)
        assert written - len(told.texts["cell"]) <= 4097 * 256
    stream.flush()
    assert len(told.texts["cell"]) == written


def test_the_pump_is_woken_once_for_what_waits(stream: DirectStream) -> None:
    for _ in range(10):
        stream.write("a")
        stream.write("b" * 1000)
    assert stream.pump.times == 1  # type: ignore[union-attr, attr-defined]


def test_a_text_of_another_class_is_written_as_it_is(stream: DirectStream, told: Told) -> None:
    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "LOUD"

    answering(stream, "cell")
    assert stream.write(Loud("quiet")) == 5
    stream.flush()
    assert told.texts["cell"] == "quiet"
    assert type(stream).write(stream, "er") == 2
    stream.flush()
    assert told.texts["cell"] == "quieter"
    with pytest.raises(TypeError, match="must be str, not <class 'int'>"):
        stream.write(3)  # type: ignore[arg-type]


def test_a_closed_stream_has_sent_everything_and_takes_no_more(
    stream: DirectStream, told: Told
) -> None:
    answering(stream, "cell")
    stream.write("last")
    stream.close()
    assert told.texts["cell"] == "last"
    with pytest.raises(ValueError, match="closed file"):
        stream.write("more")

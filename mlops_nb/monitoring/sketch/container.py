"""The profile file around the sketches: whylogs' ``.bin``, with segments of ours behind it.

.. code-block:: text

    "WHY1"  segment header  dataset header  (each delimited)
    for each column a delimited chunk header and a chunk: its metric components by number
    "MNB1"  count  then for each segment its column, value and profile (delimited; ours only)

Stock whylogs finds columns by their offsets and never looks behind the last one, so it reads such
a file as the profile of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mlops_nb.monitoring.sketch import wire
from mlops_nb.monitoring.sketch.wire import CorruptError

__all__ = ["Component", "Container"]

_MAGIC = b"WHY1"
_SEGMENTS = b"MNB1"
_TAG_PREFIX = "whylogs.tag."
_COLUMN_CHUNK = 2
_MAX_DEPTH = 4
_NO_TEXT = b""


@dataclass(frozen=True)
class Component:
    """One value of a metric as it stands in the file."""

    type_id: int = 0
    """How two of them are merged: 0 sum, 1 minimum, 2 maximum."""
    field: int = 0
    """Which of the message's fields it is: 2 integer, 3 double, 4 frequent items, 5 HLL, 6 KLL."""
    value: int | float | bytes = 0
    """The number, or the sketch's (or any other field's) bytes."""

    def to_bytes(self) -> bytes:
        """Encode a ``MetricComponentMessage``."""
        head = wire.write_int(1, self.type_id) if self.type_id else b""
        if isinstance(self.value, int):
            return head + wire.write_int(self.field, self.value)
        if isinstance(self.value, float):
            return head + wire.write_double(self.field, self.value)
        if self.field in (4, 5, 6, 7):
            return head + wire.write_bytes(self.field, wire.write_bytes(1, self.value))
        return head + wire.write_bytes(self.field, self.value)

    @classmethod
    def from_bytes(cls, data: bytes) -> Component:
        """Decode a ``MetricComponentMessage``."""
        type_id, number, value = 0, 0, Component.value
        for field_number, raw in wire.fields(data):
            if field_number == 1:
                type_id = wire.number(raw)
                continue
            number = field_number
            if number == 2:
                value = wire.signed(raw)
            elif number == 3:
                value = wire.double(raw)
            elif number in (4, 5, 6, 7):
                value = b""
                for inner, sketch in wire.fields(wire.message(raw)):
                    if inner == 1:
                        value = wire.message(sketch)
            else:
                value = wire.message(raw)
        if not number:
            raise CorruptError("a metric has no value")
        return cls(type_id, number, value)


@dataclass
class Container:
    """A profile file's content, sketches still encoded."""

    columns: dict[str, dict[str, Component]] = field(default_factory=dict)
    """Metric components by column and path (``distribution/kll``)."""
    metadata: dict[str, str] = field(default_factory=dict)
    created_ms: int = 0
    timestamp_ms: int = 0
    segments: dict[tuple[str, str], Container] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Encode the file."""
        paths = sorted({path for column in self.columns.values() for path in column})
        index = {path: i for i, path in enumerate(paths)}
        chunks: list[bytes] = []
        offsets: list[bytes] = []
        at = 0
        for name, components in sorted(self.columns.items()):
            chunk = b"".join(
                wire.write_bytes(
                    1, wire.write_int(1, index[path]) + wire.write_bytes(2, part.to_bytes())
                )
                for path, part in sorted(components.items())
            )
            head = wire.write_int(1, _COLUMN_CHUNK) + wire.write_int(3, len(chunk))
            chunk = wire.delimited(head) + chunk
            chunks.append(chunk)
            offset = wire.write_bytes(1, wire.varint(at))
            offsets.append(
                wire.write_bytes(2, wire.write_bytes(1, name) + wire.write_bytes(2, offset))
            )
            at += len(chunk)
        tags = {k: v for k, v in self.metadata.items() if k.startswith(_TAG_PREFIX)}
        metadata = {k: v for k, v in self.metadata.items() if k not in tags}
        properties = b"".join(
            (
                wire.write_int(4, self.created_ms),
                wire.write_int(5, self.timestamp_ms),
                wire.text_map(6, tags),
                wire.text_map(7, metadata),
            )
        )
        header = b"".join(
            (
                wire.write_bytes(1, properties),
                *offsets,
                wire.write_int(4, at),
                *(
                    wire.write_bytes(5, wire.write_int(1, i) + wire.write_bytes(2, path))
                    for path, i in index.items()
                ),
            )
        )
        parts = [_MAGIC, wire.delimited(b""), wire.delimited(header), *chunks]
        if self.segments:
            parts += [_SEGMENTS, wire.varint(len(self.segments))]
            for (column, value), segment in sorted(self.segments.items()):
                body = wire.write_bytes(1, column) + wire.write_bytes(2, value)
                parts.append(wire.delimited(body + wire.write_bytes(3, segment.to_bytes())))
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes, *, depth: int = 0) -> Container:
        """Decode a file.

        Raises
        ------
        CorruptError
            It is no whylogs profile, is cut off or contradicts itself.
        """
        if depth > _MAX_DEPTH:
            raise CorruptError("segments are nested too deeply")
        if not len(data):
            raise CorruptError("it is empty")
        if data[:4] != _MAGIC:
            raise CorruptError("it does not begin like a whylogs profile")
        _, at = _delimited(data, 4)
        header, at = _delimited(data, at)
        out = cls()
        places: dict[str, list[int]] = {}
        paths: dict[int, str] = {}
        length = 0
        for number, raw in wire.fields(header):
            if number == 1:
                out._read_properties(wire.message(raw))
            elif number == 2:
                key, value = _entry(wire.message(raw), _NO_TEXT)
                places[wire.text(key)] = _offsets(wire.message(value))
            elif number == 4:
                length = wire.number(raw)
            elif number == 5:
                key, value = _entry(wire.message(raw), 0)
                paths[wire.number(key)] = wire.text(value)
        if not len(header) or length > len(data) - at:
            raise CorruptError("it is cut off")
        body = data[at : at + length]
        for name, starts in places.items():
            out.columns[name] = _read_column(body, starts, paths)
        out._read_segments(data[at + length :], depth)
        return out

    def _read_properties(self, data: bytes) -> None:
        for number, raw in wire.fields(data):
            if number == 4:
                self.created_ms = wire.number(raw)
            elif number == 5:
                self.timestamp_ms = wire.number(raw)
            elif number in (6, 7):
                key, value = _entry(wire.message(raw), _NO_TEXT)
                self.metadata[wire.text(key)] = wire.text(value)

    def _read_segments(self, data: bytes, depth: int) -> None:
        # What stands behind the columns is ours, or another program's and none of our business.
        if data[:4] != _SEGMENTS:
            return
        count, at = wire.read_varint(data, 4)
        for _ in range(count):
            entry, at = _delimited(data, at)
            parts: dict[int, bytes] = {n: wire.message(v) for n, v in wire.fields(entry)}
            if not parts.keys() >= {1, 2, 3}:
                raise CorruptError("a segment is cut off")
            key = wire.text(parts[1]), wire.text(parts[2])
            self.segments[key] = Container.from_bytes(parts[3], depth=depth + 1)


def _delimited(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = wire.read_varint(data, at)
    if size > len(data) - at:
        raise CorruptError("it is cut off")
    return data[at : at + size], at + size


def _entry(data: bytes, key: int | bytes) -> tuple[int | bytes, int | bytes]:
    """Return the key and value of a map's entry; protobuf leaves out zero and empty ones."""
    value: int | bytes = b""
    for number, raw in wire.fields(data):
        if number == 1:
            key = raw
        elif number == 2:
            value = raw
    return key, value


def _offsets(data: bytes) -> list[int]:
    out: list[int] = []
    for number, raw in wire.fields(data):
        if number != 1:
            continue
        if isinstance(raw, int):
            out.append(raw)
            continue
        at = 0
        while at < len(raw):
            value, at = wire.read_varint(raw, at)
            out.append(value)
    return out


def _read_column(body: bytes, starts: list[int], paths: dict[int, str]) -> dict[str, Component]:
    components: dict[str, Component] = {}
    for start in starts:
        if start > len(body):
            raise CorruptError("a column lies behind the end")
        head, at = _delimited(body, start)
        size = sum(wire.number(raw) for number, raw in wire.fields(head) if number == 3)
        if size > len(body) - at:
            raise CorruptError("a column is cut off")
        for number, raw in wire.fields(body[at : at + size]):
            if number != 1:
                continue
            key, value = _entry(wire.message(raw), 0)
            path = paths.get(wire.number(key))
            if path is None:
                raise CorruptError("a metric has no name")
            components[path] = Component.from_bytes(wire.message(value))
    return components

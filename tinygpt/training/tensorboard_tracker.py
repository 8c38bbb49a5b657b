"""TensorBoard's event files, in the folder ``tensorboard`` of the run: ``tensorboard --logdir runs`` shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

FOLDER = "tensorboard"
_QUEUE, _FLUSH_SECONDS = 1000, 10  # the writer has a thread of its own, and events wait for it in a queue


class _EventFile:
    def __init__(self, folder: Path) -> None:
        self._file = EventFileWriter(str(folder), _QUEUE, _FLUSH_SECONDS)

    def _add(self, step: int, values: list[Any]) -> None:
        summary = summary_pb2.Summary(value=values)
        self._file.add_event(event_pb2.Event(wall_time=time.time(), step=step, summary=summary))

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._add(step, [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in values.items()])

    def text(self, step: int, name: str, text: str) -> None:
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[text.encode("utf-8", "replace")])
        about = summary_pb2.SummaryMetadata(plugin_data=plugin)
        self._add(step, [summary_pb2.Summary.Value(tag=name, metadata=about, tensor=tensor)])

    def close(self) -> None:
        self._file.close()


def open_tracker(folder: Path, settings: Mapping[str, Any]) -> _EventFile:
    """Begin a file for a run's part; the settings are its first text."""
    file = _EventFile(folder / FOLDER)
    file.text(0, "settings", json.dumps(settings, indent=1))
    return file

"""What a process and its children cost: CPU seconds, and memory with shared pages counted in proportion (PSS)."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Process:
    """A process and whatever descends from it."""

    pid: int

    def tree(self) -> list[int]:
        """The process and its descendants, as they are now."""
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for task in _tasks(pid):
                waiting += [int(child) for child in _read(task / "children").split()]
        return found

    def cpu_seconds(self) -> float:
        """CPU time of the tree, of children that have ended too."""
        return sum(_cpu(pid, ended_children=True) for pid in self.tree())

    def pss(self) -> int:
        """Bytes of the tree."""
        return sum(_pss(pid) for pid in self.tree())


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


def _cpu(pid: int, *, ended_children: bool) -> float:
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if not fields:
        return 0.0
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / _TICKS


def _pss(pid: int) -> int:
    found = _read(Path(f"/proc/{pid}/smaps_rollup")).partition("\nPss:")[2].split()
    return int(found[0]) * 1024 if found else 0


@dataclass
class Sampler:
    """Looks at processes ten times a second for the length of the block; ``peak`` is the largest sum seen of each."""

    processes: dict[str, Process]
    peak: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Sampler":
        self._before = {name: process.cpu_seconds() for name, process in self.processes.items()}
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for name, process in self.processes.items():
            self.cpu[name] = process.cpu_seconds() - self._before[name]

    def _sample(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            for name, process in self.processes.items():
                self.peak[name] = max(self.peak.get(name, 0), process.pss())
            due = max(due + 0.1, time.monotonic())
            self._stop.wait(due - time.monotonic())

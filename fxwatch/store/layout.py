"""Where everything is. The folder of results is known by its mark, and a run and an analysis have a folder each."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fxwatch.mendable import MendableError

MARK = ".fxwatch-store"
FOLDER = "fxwatch"
PNG = "feature_importance_analysis.png"
ANALYSIS_ID = re.compile(r"step-(none|[0-9]{9,})-[0-9a-f]{8}")
_MARK_TEXT = "fxwatch keeps its results in this folder: it is never watched, and written by `fxwatch daemon` alone.\n"


class StoreError(MendableError):
    """A folder of results that cannot be used; the message says why and what to do."""


class NewerError(StoreError):
    """Something that a newer fxwatch has written."""


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of results of one watched folder."""

    root: Path

    @classmethod
    def of(cls, watched: Path, configured: str | None) -> "Store":
        """The store of a watched folder: DIR/fxwatch, or what [store] dir says."""
        return cls(Path(configured) if configured is not None else watched / FOLDER)

    def exists(self) -> bool:
        """Whether it is there and marked."""
        return (self.root / MARK).is_file()

    def create(self) -> None:
        """Make the folder and mark it. Raises StoreError where it is somebody else's, or cannot be made."""
        if self.exists():
            return
        try:
            if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
                raise StoreError(
                    f"{self.root} exists and is not a store of fxwatch's; set [store] dir to a folder for the results"
                )
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / MARK).write_text(_MARK_TEXT, encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"{self.root} cannot be written ({error.strerror}); set [store] dir to a folder that can"
            ) from None

    @property
    def status(self) -> Path:
        """The daemon's heartbeat."""
        return self.root / "status.json"

    @property
    def ledger(self) -> Path:
        """Every file seen and what became of it."""
        return self.root / "ledger.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the daemon."""
        return self.root / "lock"

    @property
    def runs_folder(self) -> Path:
        """The results of all runs."""
        return self.root / "runs"

    def run(self, name: str) -> "Run":
        """The results of a run."""
        return Run(name, self.runs_folder / name)

    def runs(self) -> Iterator["Run"]:
        """All runs that have a history, by name."""
        return (run for run in self._runs() if run.history.is_file())

    def runs_to_mend(self) -> Iterator["Run"]:
        """All runs that have a history, be it damaged, or an analysis, by name."""
        return (run for run in self._runs() if os.path.lexists(run.history) or next(run.analyses(), None) is not None)

    def _runs(self) -> Iterator["Run"]:
        """All folders that may be those of runs; those of analyses, of which there are many, are not looked into."""
        top = self.runs_folder
        for folder, inner, _ in os.walk(top):
            inner[:] = sorted(name for name in inner if not ANALYSIS_ID.fullmatch(name))
            name = Path(folder).relative_to(top).as_posix()
            if name != ".":
                yield self.run(name)


@dataclass(frozen=True, slots=True)
class Run:
    """The results of one run."""

    name: str
    folder: Path

    @property
    def history(self) -> Path:
        """One line an analysis."""
        return self.folder / "history.jsonl"

    @property
    def probe(self) -> Path:
        """The fixed states over which drift is judged."""
        return self.folder / "probe.safetensors"

    @property
    def shares(self) -> Path:
        """The index: shares of all units of all analyses."""
        return self.folder / "shares"

    @property
    def training(self) -> Path:
        """What the recorder measured of training itself, thinned out where that is much."""
        return self.folder / "training.jsonl"

    @property
    def png(self) -> Path:
        """The newest report."""
        return self.folder / PNG

    @property
    def history_png(self) -> Path:
        """The newest report on the run as a whole, as a picture."""
        return self.folder / "run_history.png"

    @property
    def html(self) -> Path:
        """The same, with all of the newest analysis, as one file to mail."""
        return self.folder / "report.html"

    def analysis(self, analysis_id: str) -> "AnalysisFolder":
        """The folder of an analysis."""
        return AnalysisFolder(self.folder / analysis_id)

    def analyses(self) -> Iterator["AnalysisFolder"]:
        """All analyses that were committed, in no order."""
        for commit in self.folder.glob("step-*/analysis.json"):
            yield AnalysisFolder(commit.parent)


@dataclass(frozen=True, slots=True)
class AnalysisFolder:
    """One analysis: what has no analysis.json did not happen."""

    folder: Path

    @property
    def json(self) -> Path:
        """The commit."""
        return self.folder / "analysis.json"

    @property
    def arrays(self) -> Path:
        """Heatmaps and attention maps."""
        return self.folder / "arrays.npz"

    @property
    def png(self) -> Path:
        """The report."""
        return self.folder / PNG


def analysis_id(step: int | None, digest: str) -> str:
    """`step-000001000-1a2b3c4d`: the step, and the beginning of a SHA-256 over checkpoint, states and recipe."""
    return f"step-{'none' if step is None else f'{step:09d}'}-{digest[:8]}"

"""`fxwatch compare`: two checkpoints, two stored analyses, or two decisions of one policy."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fxwatch import exit_codes
from fxwatch.commands.analyze import explained, job_of, refuse
from fxwatch.commands.configured import configured
from fxwatch.commands.nearest_dump import nearest_dump
from fxwatch.config import Config
from fxwatch.daemon.limits import forget_secrets, limit_process
from fxwatch.records.analysis import Analysis
from fxwatch.records.base import Record
from fxwatch.records.comparison import DecisionComparison, compare_importance
from fxwatch.records.comparison_lines import decision_lines, importance_lines
from fxwatch.store.layout import AnalysisFolder
from fxwatch.store.read import read_analysis
from fxwatch.terminal import say, tell

if TYPE_CHECKING:
    from fxwatch.records.states import States


class Place(NamedTuple):
    """One state: its dump, and its row there from 0."""

    file: Path
    row: int

    def __str__(self) -> str:
        return f"{self.file}:{self.row}"

    @classmethod
    def of(cls, text: str) -> "Place | None":
        """`outputs/states.npz:17`; None where the text is nothing of the kind."""
        file, _, row = text.rpartition(":")
        return cls(Path(file), int(row)) if file and row.isascii() and row.isdecimal() and len(row) < 10 else None


def compare(
    a: str, b: str, states: Path | None, checkpoint: Path | None, config_file: Path | None, *, as_json: bool
) -> int:
    """Print what differs. Returns the exit code."""
    config = configured(config_file).config
    if checkpoint is not None:
        if states is not None:
            say("fxwatch: --states is for two checkpoints and --checkpoint for two states; give one of them")
            return exit_codes.USAGE
        return _compare_states(a, b, checkpoint, config, as_json=as_json)
    first, second = Path(a), Path(b)
    if missing := [one for one in (first, second) if not one.exists()]:
        return _not_there(missing[0])
    stored = [_is_stored(one) for one in (first, second)]
    if all(stored) and states is None:
        return _compare_analyses(first, second, as_json=as_json)
    if any(stored):
        say(
            "fxwatch: compare two checkpoints, two folders of stored analyses, or two states; "
            "--states is for checkpoints alone"
        )
        return exit_codes.USAGE
    return _compare_checkpoints(first, second, states, config, as_json=as_json)


def _is_stored(path: Path) -> bool:
    return path.suffix == ".json" or path.is_dir()


def _not_there(path: Path) -> int:
    place = Place.of(str(path))
    if place is not None and place.file.exists():
        say(f"fxwatch: {path} looks like a state of {place.file}; to compare two states, give --checkpoint FILE, too")
        return exit_codes.USAGE
    say(f"fxwatch: {path} does not exist")
    return exit_codes.NOTHING


def _compare_analyses(a: Path, b: Path, *, as_json: bool) -> int:
    """Needs no model: what is stored says all."""
    files = [AnalysisFolder(path).json if path.is_dir() else path for path in (a, b)]
    if missing := [file for file in files if not file.exists()]:
        return _not_there(missing[0])
    first, second = (read_analysis(file) for file in files)
    return _tell_importance(first, second, as_json=as_json)


def _compare_checkpoints(a: Path, b: Path, states: Path | None, config: Config, *, as_json: bool) -> int:
    """Explains both over the same states."""
    if states is None:
        states = nearest_dump(b)
        if states is None:
            say(f"fxwatch: no dump of states is near {b}; name one with --states FILE")
            return exit_codes.NOTHING
        say(f"fxwatch: over the states of {states}")
    elif not states.exists():
        return _not_there(states)
    limit_process(config.daemon.threads)
    forget_secrets()
    found = []
    for checkpoint in (a, b):
        made = explained(job_of(checkpoint, states, config))
        if isinstance(made, int):
            return made
        found.append(made.analysis)
    return _tell_importance(*found, as_json=as_json)


def _compare_states(a: str, b: str, checkpoint: Path, config: Config, *, as_json: bool) -> int:
    """Explains what moves the policy from its decision at one state to that at the other."""
    first, second = Place.of(a), Place.of(b)
    if first is None or second is None:
        say("fxwatch: with --checkpoint each state is FILE:ROW, as in outputs/states.npz:17, with rows from 0")
        return exit_codes.USAGE
    if missing := [file for file in (checkpoint, first.file, second.file) if not file.exists()]:
        return _not_there(missing[0])
    limit_process(config.daemon.threads)
    forget_secrets()
    from fxwatch.attribution import AttributionError
    from fxwatch.daemon.explain_job import trouble
    from fxwatch.load import LoadError

    at = first
    try:
        state_a = _state(first, config)
        at = second
        state_b = _state(second, config)
        found = _decide(checkpoint, state_a, state_b, config)
    except (LoadError, AttributionError) as error:
        return refuse(trouble(error), job_of(checkpoint, at.file, config))
    if as_json:
        _print(found, {"state_a": str(first), "state_b": str(second), "checkpoint": str(checkpoint)})
    else:
        for line in decision_lines(found, str(first), str(second)):
            tell(line)
    return exit_codes.OK


def _state(place: Place, config: Config) -> "States":
    """One state of a dump. Raises LoadError, with the dump to blame."""
    from fxwatch.load import LoadError, read_content, read_dump

    try:
        return read_dump(read_content(place.file), config.inputs).row(place.row)
    except LoadError as error:
        error.culprit = "states"
        raise


def _decide(checkpoint: Path, a: "States", b: "States", config: Config) -> DecisionComparison:
    """Raises LoadError or AttributionError."""
    from fxwatch.attribution.comparison import compare_decisions
    from fxwatch.load import check_answers, load_policy, read_content, read_weights

    weights = read_weights(read_content(checkpoint), config.model)
    loaded = load_policy(weights, config.model)
    first = a.in_order(loaded.order(list(a.branches)))
    second = b.in_order(list(first.branches)) if b.branches.keys() == first.branches.keys() else b
    policy = loaded.over(list(first.branches), config.model)
    check_answers(policy, first)
    return compare_decisions(policy, first, second, config.analysis, continuous=loaded.continuous)


def _tell_importance(a: Analysis, b: Analysis, *, as_json: bool) -> int:
    found = compare_importance(a, b)
    if as_json:
        _print(found, {})
    else:
        for line in importance_lines(found):
            tell(line)
    return exit_codes.OK


def _print(record: Record, more: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({**more, **record.model_dump(mode="json")}, indent=2) + "\n")

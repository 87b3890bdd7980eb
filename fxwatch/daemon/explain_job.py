"""One analysis from file to record: open, load, explain, judge. For workers, and for `fxwatch analyze`."""

import io
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from fxwatch import __version__
from fxwatch.attribution import Arrays, AttributionError, Context, explain
from fxwatch.attribution.audit import audit, due
from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.explain import dtype_of
from fxwatch.daemon.jobs import Answer, Duplicate, Explained, ExplainJob, Trouble
from fxwatch.daemon.parcel import ARRAYS, LARGEST, PROBE, Files
from fxwatch.daemon.past import Past, analysis_of, context
from fxwatch.load import (
    Content,
    Dump,
    LoadError,
    check_answers,
    load_policy,
    probe_bytes,
    read_content,
    read_dump,
    read_weights,
)
from fxwatch.records.analysis import Analysis, Checkpoint, StatesUsed
from fxwatch.records.attempt import attempt_of
from fxwatch.records.recipe import analysis_digest, recipe_digest
from fxwatch.records.states import States
from fxwatch.records.verdict import judge, states_blurred, states_left_out, states_perhaps_not_normalised
from fxwatch.store.layout import NewerError, Run, Store, StoreError, analysis_id
from fxwatch.store.read import lines_before, read_analysis

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """Both files, read once, and the hash of all that makes this analysis what it is.

    Of the states' file only what it held is kept: it may be larger than all that an analysis needs.
    """

    checkpoint: Content
    states_sha256: str
    dump: Dump
    digest: str


@dataclass(frozen=True, slots=True)
class Made:
    """An analysis, its arrays, what people should hear about it, and the run's probe, where it is a new one."""

    analysis: Analysis
    arrays: Arrays
    notes: list[str]
    probe: States | None


def run_explain(job: ExplainJob, progress: Progress) -> tuple[Answer, Files]:
    """A job of the daemon's, which writes what comes of it."""
    run = Store(Path(job.store)).run(job.run)
    try:
        progress("reading")
        opened = open_files(job)
        if (done := _made_before(run, opened.digest)) is not None:
            return Duplicate(analysis=done), {}
        made = explain_files(job, opened, run, progress)
    except (LoadError, AttributionError) as error:
        return trouble(error), {}
    arrays, packed, notes = made.arrays, npz(made.arrays), made.notes
    if len(packed) > LARGEST[ARRAYS]:
        notes = [*notes, f"{job.checkpoint_name}: its attention maps are larger than what is kept, and left out"]
        arrays = {name: array for name, array in arrays.items() if not name.startswith("attention/")}
        packed = npz(arrays)
    files = {ARRAYS: io.BytesIO(packed)}
    if made.probe is not None:
        files[PROBE] = io.BytesIO(probe_bytes(made.probe))
    shapes = {name: array.shape for name, array in arrays.items()}
    return Explained(analysis=made.analysis, arrays=shapes, notes=notes), files


def _made_before(run: Run, digest: str) -> str | None:
    """The id of the same analysis, where it was made before, be it by a newer fxwatch; a damaged one is made again."""
    for found in run.folder.glob(f"step-*-{digest[:8]}/analysis.json"):
        try:
            return read_analysis(found).id
        except NewerError:
            return found.parent.name
        except StoreError:
            continue
    return None


def open_files(job: ExplainJob) -> Opened:
    """Read the checkpoint and the dump; for the daemon only from below the folder that it watches. Raises LoadError."""
    root = job.checkpoint.removesuffix(job.checkpoint_name) if job.store else None
    checkpoint = read_content(job.checkpoint, root)
    try:
        states = read_content(job.states, root)
        dump = read_dump(states, job.config.inputs)
    except LoadError as error:
        error.culprit = "states"
        raise
    config = job.config
    recipe = recipe_digest(config.model, config.inputs, config.analysis)
    digest = analysis_digest(checkpoint.sha256, states.sha256, recipe)
    return Opened(checkpoint, states.sha256, dump, digest)


def explain_files(job: ExplainJob, opened: Opened, run: Run | None, progress: Progress) -> Made:
    """Explain what was opened, against the past of a run where it has one. Raises LoadError or AttributionError."""
    config = job.config
    progress("loading")
    weights = read_weights(opened.checkpoint, config.model)
    loaded = load_policy(weights, config.model)
    everything = opened.dump.states.in_order(loaded.order(list(opened.dump.states.branches)))
    policy = loaded.over(list(everything.branches), config.model)
    check_answers(policy, everything)
    chosen = everything.take(np.array(evenly(everything.count, config.analysis.max_states)))
    written_at = _written_at(job.checkpoint)
    place = attempt_of(job.attempt, job.checkpoint_name, weights.step, written_at)
    late = job.late or place.ended
    earlier, past = None, Past(Context(), [])
    notes = [f"run {job.run}: {place.reason}"] if place.reason else []
    if run is not None:
        many = max(1, config.analysis.dead_min_history - 1)
        before = lines_before(run, place.number, weights.step, many, late=late)
        earlier = analysis_of(run, before[-1] if before else None)
        past = context(run, before, earlier, everything, chosen, config.analysis)
        notes += past.notes
    explanation, arrays = explain(
        policy,
        chosen,
        config.analysis,
        config.thresholds.gradient,
        replace(past.context, moments=loaded.moments),
        continuous=loaded.continuous,
        expected=config.decisions,
        progress=progress,
    )
    if due(opened.digest, config.analysis.audit_every):
        progress("audit")
        checked = audit(policy, chosen, config.analysis, explanation, continuous=loaded.continuous)
        explanation = explanation.model_copy(update={"audit": checked})
    judged, findings = judge(explanation, config.thresholds, config.expected, earlier.health if earlier else None)
    left_out, why = opened.dump.left_out, opened.dump.left_out_reason
    if why is not None:
        states_left_out(findings, left_out, left_out + everything.count, why)
    if not opened.dump.says_normalised:
        pickle = _normaliser_beside(Path(job.checkpoint))
        if pickle is not None or opened.dump.holds_statistics:
            states_perhaps_not_normalised(findings, pickle)
    if chosen.blurred and dtype_of(policy) != torch.float64:
        states_blurred(findings, chosen.blurred)
    analysis = Analysis.of(
        judged.measured_with(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024),
        id=analysis_id(weights.step, opened.digest),
        run=job.run,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        fxwatch_version=__version__,
        checkpoint=Checkpoint(
            path=job.checkpoint_name,
            sha256=opened.checkpoint.sha256,
            format=opened.checkpoint.format,
            step=weights.step,
            update=weights.update,
            written_at=written_at,
        ),
        attempt=place.number,
        states=StatesUsed(
            path=job.states_name,
            sha256=opened.states_sha256,
            count=chosen.count,
            branches=chosen.shapes(),
            left_out=left_out,
            left_out_reason=why,
        ),
        late=late,
        thresholds=config.thresholds,
        health=findings.health(weights.step),
    )
    return Made(analysis, arrays, notes, past.probe)


def _normaliser_beside(checkpoint: Path) -> str | None:
    """The name of a pickle of VecNormalize in a checkpoint's folder."""
    with os.scandir(checkpoint.parent) as entries:
        found = (entry.name for entry in entries if entry.name.endswith(".pkl"))
        return next((name for name in found if "vecnormalize" in name.lower().replace("_", "")), None)


def _written_at(path: str) -> str | None:
    try:
        return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).isoformat(timespec="microseconds")
    except (OSError, OverflowError, ValueError):
        return None


def trouble(error: LoadError | AttributionError) -> Trouble:
    """An error as an answer."""
    if isinstance(error, AttributionError):
        return Trouble(outcome="failed", reason=str(error))
    return Trouble(outcome=error.outcome, reason=str(error), culprit=error.culprit, config=error.config)


def npz(arrays: Arrays) -> bytes:
    """Arrays as the content of a compressed .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy types the keywords as allow_pickle too
    return buffer.getvalue()

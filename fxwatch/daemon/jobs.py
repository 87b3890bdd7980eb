"""What a worker is asked and what it answers: plain records, sent as JSON, and the files that it made beside them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from fxwatch.config import Config
from fxwatch.daemon.parcel import Answered, Parcel
from fxwatch.records.analysis import Analysis
from fxwatch.records.attempt import Attempt
from fxwatch.records.base import Record
from fxwatch.store.layout import ANALYSIS_ID

_LONGEST = 2000
Words = Annotated[str, AfterValidator(lambda text: text[:_LONGEST])]
"""What is said to people; a file's own words may be in it, and are endless at worst."""


class ExplainJob(Record):
    """Explain a checkpoint over a dump. Paths are absolute, names relative to the watched folder; `store` is the folder
    of results, which is only read. `late`: a later checkpoint of the run was explained, or begun, before this one;
    `attempt`: the one that the run is in.
    """

    kind: Literal["explain"] = "explain"
    checkpoint: str
    checkpoint_name: str
    states: str
    states_name: str
    run: str
    store: str
    config: Config
    late: bool = False
    attempt: Attempt | None = None


class DrawJob(Record):
    """Draw the report of an analysis, and make it the run's newest where `newest`."""

    kind: Literal["draw"] = "draw"
    store: str
    run: str
    analysis: str
    newest: bool


class ReportJob(Record):
    """Draw the report on a run as a whole."""

    kind: Literal["report"] = "report"
    store: str
    run: str


class Explained(Record):
    """The analysis, to be committed with its arrays, of which these are the shapes. `notes` are for people."""

    kind: Literal["explained"] = "explained"
    analysis: Analysis
    arrays: dict[str, tuple[int, ...]]
    notes: list[Words] = []


class Duplicate(Record):
    """The same checkpoint, dump and recipe were analysed before."""

    kind: Literal["duplicate"] = "duplicate"
    analysis: str = Field(pattern=f"^{ANALYSIS_ID.pattern}$")


class Drawn(Record):
    """The report, in files."""

    kind: Literal["drawn"] = "drawn"


class Trouble(Record):
    """What went wrong with which of the two files, in words.

    `put_off`: neither is to blame, but store or machine, and it is to be tried again. `config` says that the
    configuration is to be mended, `crashed` that the worker gave no answer at all.
    """

    kind: Literal["trouble"] = "trouble"
    outcome: Literal["failed", "incomplete", "refused", "unsupported", "vanished", "put_off"]
    reason: Words
    culprit: Literal["checkpoint", "states"] = "checkpoint"
    config: bool = False
    crashed: bool = False


Job = ExplainJob | DrawJob | ReportJob
Answer = Explained | Duplicate | Drawn | Trouble

_JOB: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="kind")])
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


def do_job(text: str) -> Answered:
    """A job in JSON to its answer in JSON, and files: what executors run, here or on another machine."""
    from fxwatch.daemon.worker import answer

    answered, files = answer(parse_job(text))
    said = answered.model_dump_json()
    return Parcel(said, files) if files else said


def parse_job(text: str) -> Job:
    """A job in JSON. Raises ValueError where it makes no sense."""
    return _JOB.validate_json(text)


def parse_answer(text: str) -> Answer:
    """An answer in JSON. A worker has run a stranger's model: raises ValueError where its answer makes no sense."""
    return _ANSWER.validate_json(text)

"""Open a checkpoint, a model and a dump, safely: nothing is ever unpickled but tensors and plain values."""

from fxwatch.load.checkpoint import Weights, read_weights
from fxwatch.load.content import Content, read_content
from fxwatch.load.errors import LoadError, Outcome
from fxwatch.load.policy import LoadedPolicy, check_answers, load_policy
from fxwatch.load.probe import probe_bytes, read_probe
from fxwatch.load.states import Dump, read_dump

__all__ = [
    "Content",
    "Dump",
    "LoadError",
    "LoadedPolicy",
    "Outcome",
    "Weights",
    "check_answers",
    "load_policy",
    "probe_bytes",
    "read_content",
    "read_dump",
    "read_probe",
    "read_weights",
]

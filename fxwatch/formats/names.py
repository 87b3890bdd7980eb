"""What a file's name says: checkpoint, dump or neither, and its training step."""

import re
from pathlib import PurePath
from typing import Literal

from fxwatch.formats.adapters import adapter_for
from fxwatch.formats.suffixes import CHECKPOINT_SUFFIXES, STATES_SUFFIXES

_OTHER_SUFFIXES = re.compile(r"^pytorch_model.*\.bin$|\.safetensors\.index\.json$|\.pt2$", re.IGNORECASE)
"""Checkpoints, too, though others end like them."""
_BESIDE = re.compile(
    r"^(optimizer|scheduler|scaler|sampler|rng_state|random_states|training_args|custom_checkpoint|dl_state_dict)"
    r"(_\d+)*\.(pt|pth|bin|pkl|safetensors)$|-\d{5}-of-\d{5}\.\w+$",
    re.IGNORECASE,
)
"""What trainers leave beside their weights: the rest of their own state, and shards, which are read by their index."""
_SUFFIXES = CHECKPOINT_SUFFIXES | STATES_SUFFIXES | {".bin", ".json", ".pt2", ".distcp", ".pkl"}
"""No other is a checkpoint's or a dump's: asked first, as most files in a tree may be neither."""
_ONE_OF_MANY = frozenset({"__0_0.distcp", "module_state.pkl", "algorithm_state.pkl"})
"""One file of a folder that is refused as a whole, so that the reason is said once."""

_TEMPORARY = re.compile(r"^[.~]|^tmp|(\.tmp|\.part|\.partial|\.incomplete|~)$|\.tmp\.", re.IGNORECASE)

_DATE = re.compile(r"(?<!\d)(?:19|20)\d{2}([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
_DATE_DAY_FIRST = re.compile(r"(?<!\d)(?:0[1-9]|[12]\d|3[01])([-_.])(?:0[1-9]|1[0-2])\1(?:19|20)\d{2}(?!\d)")
_CLOCK = re.compile(r"(?<=DATE)[-_T. ]?\d{2}[-_.:h]?\d{2}(?:[-_.:m]?\d{2})?(?!\d)")
_LABELLED = [
    re.compile(r"(?:^|[^a-z])steps?=(\d+)", re.IGNORECASE),
    re.compile(r"(\d+)[-_]?steps?(?![a-z])", re.IGNORECASE),
    re.compile(r"(?:^|[^a-z])steps?[-_](\d+)", re.IGNORECASE),
]
_CHECKPOINT = re.compile(r"checkpoint[-_](\d+)", re.IGNORECASE)
_BARE = [
    _CHECKPOINT,
    re.compile(r"_v(\d+)(?!\d)", re.IGNORECASE),
    re.compile(r"[-_](\d+)$"),
]
MOST_DIGITS = 18
"""Of a step: more are no number of steps, and a folder that is named by it must have a name that is short enough."""


def kind_of(name: str) -> Literal["checkpoint", "states"] | None:
    """Whether a file of this name may be a checkpoint or a dump; None for all others, temporary names among them."""
    suffix = name[name.rfind(".") :].lower()
    if (suffix not in _SUFFIXES and not adapter_for(suffix)) or _TEMPORARY.search(name):
        return None
    if name.lower().startswith("states"):
        return "states" if suffix in STATES_SUFFIXES else None
    if _BESIDE.search(name):
        return None
    known = suffix in CHECKPOINT_SUFFIXES or _OTHER_SUFFIXES.search(name) or name in _ONE_OF_MANY or adapter_for(suffix)
    return "checkpoint" if known else None


def step_in_name(path: str) -> int | None:
    """The training step in a file's name, else in its folder's (`checkpoint-500/model.bin`); a date is none, nor is a
    number of more digits than any counter has.
    """
    pure = PurePath(path)
    undated = _CLOCK.sub("", _DATE_DAY_FIRST.sub("DATE", _DATE.sub("DATE", pure.stem)))
    searches = [
        *((pattern, pure.stem) for pattern in _LABELLED),
        *((pattern, undated) for pattern in _BARE),
        *((pattern, pure.parent.name) for pattern in [*_LABELLED, _CHECKPOINT]),
    ]
    found = (pattern.search(text) for pattern, text in searches)
    return next((int(match[1]) for match in found if match and len(match[1]) <= MOST_DIGITS), None)

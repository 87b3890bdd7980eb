"""What every worker needs, imported once by the fork server, so that a worker is ready in a tenth of a second.

The user's own module is imported here, too, from the folders that [model] path names; whether that works is for the job
to say, which imports it again.
"""

import atexit
import contextlib
import json
import os
import pkgutil
import shutil
import sys
import time

import torch

import fxwatch.daemon.worker  # noqa: F401

_told = json.loads(os.environ.get("_FXWATCH_PRELOAD", "{}"))


def _clean_up() -> None:
    """Remove the folder of the server's socket, which a daemon that was killed could not; one that lives needs it."""
    until = time.monotonic() + 2  # its pipe is closed a moment before it is gone
    while os.getppid() == _told["daemon"] and time.monotonic() < until:
        time.sleep(0.02)
    if os.getppid() != _told["daemon"]:
        shutil.rmtree(_told["folder"], ignore_errors=True)


if "daemon" in _told:
    atexit.register(_clean_up)

# a first optimizer imports much of torch, and factories of reinforcement learning libraries make one with the policy
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])

if _told.get("factory"):
    sys.path[:0] = _told["path"]
    with contextlib.suppress(Exception):
        pkgutil.resolve_name(_told["factory"])

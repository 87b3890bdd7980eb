"""What a process that explains may use, and what it may know. To be called before torch is imported."""

import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NICE = 19
_FIRST_TO_GO = "900"
_SECRET = re.compile(r"(?i)key|token|secret|passw|credential|^wandb_|^aws_")


def limit_process(threads: int) -> None:
    """Use so many threads, and no GPU: the machine belongs to training."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def limit_worker() -> None:
    """Step back behind training: last for the processor, first to go when memory runs out, and no core files."""
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not every kernel lets a process do so
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")


@contextmanager
def without_secrets() -> Iterator[None]:
    """What is started inside inherits no variable whose name speaks of a secret."""
    hidden = {name: value for name, value in os.environ.items() if _SECRET.search(name)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)

"""Explain on other machines: an executor over a dask cluster that somebody else runs.

What travels is text, paths and settings, and what comes back is text and files, as bytes. The other machines read the
same folders under the same paths, and write nothing. A lost worker, and a lost scheduler, costs a job another try and
nothing else; a job that crashes fails in words, as here.
"""

import importlib.util
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from fxwatch.config import Config, ConfigError
from fxwatch.daemon.outpost import Outpost, at_outpost
from fxwatch.daemon.parcel import Answered, JobError
from fxwatch.daemon.pool import DEADLINE

if TYPE_CHECKING:
    from distributed import Client

LEASE = 2 * DEADLINE
"""Seconds after which a job that the cluster was given, and says nothing of, is given again."""
CONNECT = 10.0
RETRY = 5.0
_LISTEN = 1.0


class Cluster(Executor):
    """Runs functions from texts to a text, or a text and files, on the configured cluster, [daemon] workers at a time.

    `on_stage(args, stage)` hears what becomes of a job, from another thread.
    `trouble`: what is wrong now, in words.
    Raises ConfigError where the library or the address is missing.
    """

    def __init__(self, config: Config, on_stage: Callable[[tuple[Any, ...], str], None]) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise ConfigError('[daemon] executor = "dask" needs a library: pip install "fxwatch[distributed]"')
        if config.cluster.scheduler is None:
            raise ConfigError('[daemon] executor = "dask" needs the address of a scheduler: [cluster] scheduler')
        self._settings, self._on_stage = config.cluster, on_stage
        self._outpost = Outpost(config.daemon.threads, config.model.model_dump_json())
        self._threads = ThreadPoolExecutor(config.daemon.workers, thread_name_prefix="cluster")
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._client: Client | None = None
        self.trouble: str | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do a job when there is a place. The future raises JobError where the job itself failed."""
        if kwargs:
            raise TypeError("jobs take texts in order")
        return self._threads.submit(self._run, f"{fn.__module__}:{fn.__qualname__}", args)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as Executor
        """Take no more jobs."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)

    def end(self) -> None:
        """Take no more jobs, and give up those that run: their futures raise JobError."""
        self._ending.set()
        self.shutdown(cancel_futures=True)
        if self._client is not None:
            self._client.close(timeout=_LISTEN)

    def _run(self, fn: str, args: tuple[str, ...]) -> Answered:
        from distributed import KilledWorker

        while not self._ending.is_set():
            try:
                return self._once(fn, args)
            except KilledWorker as error:
                workers = error.allowed_failures + 1
                raise JobError(f"it ended {workers} workers of the cluster, one after another") from None
            except (OSError, CancelledError, TimeoutError) as error:
                self.trouble = f"the cluster at {self._settings.scheduler} is lost ({_words(error)}); trying again"
                self._on_stage(args, "waiting for the cluster")
                self._ending.wait(RETRY)
            except JobError:
                raise
            except Exception as error:  # noqa: BLE001 - such as another version of fxwatch or of dask over there
                raise JobError(f"the cluster cannot do it ({_words(error)}); is fxwatch the same there?") from None
        raise JobError("the daemon ended before the cluster answered")

    def _once(self, fn: str, args: tuple[str, ...]) -> Answered:
        """One try. Raises OSError, CancelledError or TimeoutError where the cluster was lost."""
        client = self._connected()
        future = client.get_executor(pure=False).submit(at_outpost, self._outpost, fn, args)
        self.trouble = None
        self._on_stage(args, "on the cluster")
        ends = time.monotonic() + LEASE
        while not self._ending.is_set():
            try:
                answer: Answered = future.result(_LISTEN)
            except TimeoutError:
                if time.monotonic() > ends or client.status != "running":
                    future.cancel()
                    raise
            else:
                return answer
        future.cancel()
        raise CancelledError

    def _connected(self) -> "Client":
        """The connection, made anew where it was lost. Raises OSError or TimeoutError."""
        from distributed import Client
        from distributed.security import Security

        with self._lock:
            if self._client is not None and self._client.status == "running":
                return self._client
            if self._client is not None:
                self._client.close(timeout=_LISTEN)
                self._client = None
            one = self._settings
            safe = Security(
                tls_ca_file=one.ca, tls_client_cert=one.certificate, tls_client_key=one.key, require_encryption=True
            )
            self._client = Client(
                one.scheduler, security=safe if one.ca else None, timeout=CONNECT, set_as_default=False, name="fxwatch"
            )
            return self._client


def _words(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__

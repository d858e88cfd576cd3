"""Where tasks run: in processes here or on a Ray cluster; the same tasks, the same bytes out."""

import logging
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, Literal, Protocol

from ...errors import MissingError, RunError
from .work import Task, figures, perform

Finished = tuple[int, dict[str, Any]]
"""(index of the task, its figures)."""


OBJECT_STORE_BYTES = 80_000_000
"""The least that Ray takes; tasks hand on files, not objects."""


class Executor(Protocol):
    """Does tasks in any order."""

    workers: int

    def map(self, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Each task once, as it is finished; tasks that are done already come first.

        Raises:
            LingloomError: the first that a task raises; what is finished stays finished.
        """

    def close(self) -> None: ...


class Local:
    """Processes of this machine; one worker means this very process."""

    def __init__(self, workers: int):
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(self, tasks: Sequence[Task]) -> Iterator[Finished]:
        todo = yield from _done(tasks)
        if self.workers == 1:
            yield from ((i, perform(tasks[i])) for i in todo)
        elif todo:
            yield from self._in_processes(tasks, todo)

    def _in_processes(self, tasks: Sequence[Task], todo: list[int]) -> Iterator[Finished]:
        if self._pool is None:
            # Not fork: the threads of Arrow and of the caller would not be there in the child.
            context = get_context("forkserver")
            context.set_forkserver_preload([f"{__package__}.build"])  # all stages, imported once
            self._pool = ProcessPoolExecutor(self.workers, context, _prepare_worker)
        waiting: dict[Future[None], int] = {}
        rest = iter(todo)
        try:
            while True:
                while len(waiting) < 2 * self.workers and (i := next(rest, None)) is not None:
                    waiting[_submitted(self._pool, tasks[i])] = i
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    future.result()
                    i = waiting.pop(future)
                    yield i, perform(tasks[i])  # is done: reads its figures
        except BrokenProcessPool:
            self._pool = None
            raise RunError(
                "a worker process was killed, most likely for want of memory; what was finished is "
                "kept: run the same command again with a smaller memory=... or fewer workers"
            ) from None
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _done(tasks: Sequence[Task]) -> Generator[Finished, None, list[int]]:
    """Those that are done already; returns the indices of the others."""
    todo = []
    for i, task in enumerate(tasks):
        done = figures(task)
        if done is None:
            todo.append(i)
        else:
            yield i, done
    return todo


def _submitted(pool: ProcessPoolExecutor, task: Task) -> Future[None]:
    """`task` on its way to a worker, which is started if there are too few.

    Raises:
        BrokenProcessPool: a worker died, or what starts workers did.
    """
    try:
        return pool.submit(_perform, task)
    except (EOFError, ConnectionError) as error:
        raise BrokenProcessPool(str(error)) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BrokenProcessPool(str(error)) from None  # a pipe that was closed a moment ago


def _perform(task: Task) -> None:
    """Runs in a worker. The figures stay on disk: a worker that is killed while it hands over more
    than a pipe takes at once would leave half a message, and who reads it waits for ever."""
    perform(task)


def _prepare_worker() -> None:
    """Runs in each worker: ends it when the process that asked for it is gone, however it went.
    Ctrl-C reaches every process of a terminal; the one that asked says what comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()  # a pipe that breaks: also told of a parent that nobody has waited for
        os.kill(os.getpid(), signal.SIGKILL)  # nobody is left to tell

    threading.Thread(target=watch, daemon=True).start()


class Ray:
    """Tasks of a Ray cluster: the one that RAY_ADDRESS names, else one on this machine."""

    def __init__(self, workers: int):
        """`workers`: the most tasks at once; fewer where the cluster has fewer processors."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent unasked
        if "RAY_ADDRESS" in os.environ:  # of 20 tries, each waits 40 s for a cluster that is gone
            os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
        try:
            import ray
        except ImportError:
            raise MissingError("ray", "cluster", "executor=ray") from None
        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            _connect(ray, workers)
        processors = int(ray.cluster_resources().get("CPU", workers))
        self.workers = max(1, min(workers, processors))
        self._perform = ray.remote(perform)

    def map(self, tasks: Sequence[Task]) -> Iterator[Finished]:
        waiting: dict[Any, int] = {}
        rest = iter((yield from _done(tasks)))
        try:
            while True:
                while len(waiting) < self.workers and (i := next(rest, None)) is not None:
                    waiting[self._perform.remote(tasks[i])] = i
                if not waiting:
                    return
                for done in self._ray.wait(list(waiting))[0]:
                    try:
                        yield waiting.pop(done), self._ray.get(done)
                    except self._ray.exceptions.RayTaskError as error:
                        raise error.cause from None
                    except self._ray.exceptions.RayError as error:
                        raise RunError(
                            f"executor=ray: a task was lost ({str(error).splitlines()[0]}); what "
                            "was finished is kept: run the same command again"
                        ) from None
        finally:
            for reference in waiting:
                self._ray.cancel(reference)

    def close(self) -> None:
        if self._ours:
            self._ray.shutdown()


def _connect(ray: Any, workers: int) -> None:
    """Raises:
    RunError: there is no cluster there, or it is of another version; or none can be started.
    """
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(
            address=address,
            num_cpus=None if address else workers,
            object_store_memory=None if address else OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        if address:
            raise RunError(
                f"executor=ray: no cluster can be used at RAY_ADDRESS={address} ({why}); see that "
                "it runs there (ray status), or unset RAY_ADDRESS to work on this machine alone"
            ) from None
        raise RunError(
            f"executor=ray: Ray does not start on this machine ({why}); set executor=local"
        ) from None


@contextmanager
def opened(kind: Literal["local", "ray"], workers: int) -> Iterator[Executor]:
    """The executor of that kind, closed at the end of the block."""
    executor: Executor = (Ray if kind == "ray" else Local)(workers)
    try:
        yield executor
    finally:
        executor.close()

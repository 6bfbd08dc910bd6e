"""Many small tasks on all cores or on a Dask cluster, results streamed to the one that writes.

Here and on every machine of a cluster a task runs in a child process of its own
(``workers.isolation``), so one that crashes, hangs or eats the memory costs only itself.
"""

from contextlib import closing, contextmanager
from functools import partial

import joblib
from threadpoolctl import threadpool_limits

from preprocessing.disk.arrays import list_versions
from preprocessing.workers.isolation import (
    Children,
    Limits,
    LostError,
    call_isolated,
    explain_error,
)
from preprocessing.workers.progress import open_bar

CONNECT_S = 10
STREAMED = {"return_as": "generator_unordered", "batch_size": 1}


def stream_results(
    function,
    tasks,
    *,
    lost,
    lists_errors=False,
    title="",
    n_jobs=-1,
    scheduler="",
    limits=None,
    progress=True,
):
    """Call a function on every task in worker processes; yield results as they come.

    Args:
        function: A function of a module, called with each task's items as arguments.
        tasks: List of tuples.
        lost: A function of a module that gives a result in place of the one that was lost, from
            the reason and the task's items.
        lists_errors: Whether what the function raises is such a loss too.
        n_jobs: Processes of one thread; -1 for one a core; 0 calls the function in this process,
            without limits and protection: for debugging.
        scheduler: Address of a Dask scheduler, such as "tcp://10.0.0.1:8786": its workers are
            used and ``n_jobs`` does not count.
        limits: ``isolation.Limits`` of each task; None for the usual ones.
        title, progress: Words before the progress bar, and whether it is shown.

    Yields:
        (number of the task, its result), in any order.

    Raises:
        ConnectionError: The scheduler does not answer or has no workers.
        RuntimeError: A worker of the cluster has other versions of the libraries.
        Exception: Whatever the function raises, unless ``lists_errors``.
    """
    call = partial(_call, function, lost, lists_errors)
    limits, numbered = limits or Limits(), enumerate(tasks)
    if scheduler:
        results = _stream_cluster(scheduler, call, numbered, limits)
    elif n_jobs == 0:
        results = _stream_here(call, numbered)
    else:
        results = _stream_children(n_jobs, call, numbered, limits)
    bar = open_bar(total=len(tasks), desc=title, unit="clip", disable=not progress)
    with closing(results), closing(bar):
        for number, result in results:
            yield number, result
            bar.update()


def collect_results(function, tasks, **options):
    """Return the results of ``stream_results`` in the order of the tasks."""
    results = dict(stream_results(function, tasks, **options))
    return [results[number] for number in sorted(results)]


@contextmanager
def open_callers(n_jobs, *, limits, scheduler=""):
    """Yield how many calls may run at a time, and what makes one: for calls that come of others.

    ``call(function, arguments)``, made in a thread, returns what a function of a module returns in
    a child process, here or, with a ``scheduler``, in a worker of the cluster; it raises
    as ``isolation.Children.call`` does. When the block ends, what is still running is lost.
    """
    if not scheduler:
        with closing(Children(limits)) as children:
            yield n_jobs, children.call
        return
    with _open_cluster(scheduler) as client:

        def call(function, arguments):
            return client.submit(call_isolated, limits, function, arguments, pure=False).result()

        yield sum(client.nthreads().values()), call


def _call(function, lost, lists_errors, run, number, task):
    """Return a task's number and its result, or what stands in the place of one that was lost."""
    try:
        return number, run(function, task)
    except LostError as error:
        return number, lost(str(error), *task)
    except Exception as error:
        if not lists_errors:
            raise
        return number, lost(f"{type(error).__name__}: {explain_error(error)}", *task)


def _stream_here(call, numbered):
    """Yield results of this process, with one thread as a child has: sums then round alike."""
    with threadpool_limits(1):
        for number, task in numbered:
            yield call(lambda function, task: function(*task), number, task)


def _stream_children(n_jobs, call, numbered, limits):
    """Yield results of this machine's children, each led by a thread."""
    with closing(Children(limits)) as children:
        jobs = (joblib.delayed(call)(children.call, *task) for task in numbered)
        yield from joblib.Parallel(n_jobs, backend="threading", **STREAMED)(jobs)


def _stream_cluster(scheduler, call, numbered, limits):
    """Yield results of a Dask cluster, in each of whose workers a child does the work."""
    jobs = (joblib.delayed(call)(partial(call_isolated, limits), *task) for task in numbered)
    with _open_cluster(scheduler), joblib.parallel_config(backend="dask", scheduler_host=scheduler):
        yield from joblib.Parallel(**STREAMED)(jobs)


@contextmanager
def _open_cluster(scheduler):
    """Yield a client of a Dask scheduler whose workers have the libraries that are used here."""
    from distributed import Client  # takes a second, and most runs do without it

    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"No Dask scheduler answers at SCHEDULER = {scheduler!r}. Start one with 'dask "
            "scheduler' and workers with 'dask worker ADDRESS', or set SCHEDULER = ''."
        ) from error
    with client:
        try:
            found = client.run(list_versions)
        except ImportError as error:
            raise RuntimeError(
                f"A worker of {scheduler} cannot import this project ({error}). Install it there: "
                "pip install -e . in a clone of the same commit."
            ) from error
        if not found:
            hint = f"Start some: dask worker {scheduler}"
            raise ConnectionError(f"The Dask scheduler at {scheduler} has no workers. {hint}")
        for worker, versions in found.items():
            if other := {k: v for k, v in versions.items() if v != list_versions().get(k)}:
                raise RuntimeError(
                    f"Worker {worker} has other versions than this process: {other}. Install the "
                    "same requirements.txt there, or results would depend on who made them."
                )
        yield client

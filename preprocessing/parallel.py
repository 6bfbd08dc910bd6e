"""Many small tasks on all cores, results streamed back to the process that writes."""

import joblib
from tqdm.auto import tqdm


def stream_results(function, tasks, *, n_jobs, title, progress=True):
    """Call a function on every task in worker processes; yield results as they come.

    Args:
        function: A function of a module, called with each task's items as arguments.
        tasks: A list of tuples.
        n_jobs: Processes; -1 for one a core. Each worker keeps to one thread.
        title: Words before the progress bar.
        progress: Show the bar.

    Yields:
        (number of the task, its result), in any order.
    """
    jobs = (joblib.delayed(_call)(function, i, task) for i, task in enumerate(tasks))
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)
        yield from tqdm(
            results, total=len(tasks), desc=title, unit="clip", leave=False, disable=not progress
        )


def collect_results(function, tasks, **options):
    """Return the results of ``stream_results`` in the order of the tasks."""
    return [result for _, result in sorted(stream_results(function, tasks, **options), key=_first)]


def _call(function, index, arguments):
    return index, function(*arguments)


def _first(pair):
    return pair[0]

"""Says what faces and voices display in files of yours: ``make predict CLIP=…`` calls this.

    python -m modeling.predict holiday.mp4 --out answers --video
    python -m modeling.predict recordings/ --by utterance
    python -m modeling.predict talk.mp4 --json - > talk.json

For each file NAME.csv, NAME.json, NAME.png, with --explain NAME.explained.png and with --video
NAME.mp4 are written. What is finished is not read again. Exit status: 0 when all went well; 2 when
the arguments are wrong; 3 when some files could not be read (they are listed); 130 when it was
stopped by Ctrl-C.
"""

import argparse
import json
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

from modeling.predict import sources, timeline, windows
from modeling.predict.prediction import predict_clip
from preprocessing.corpora import EMOTIONS
from preprocessing.disk.arrays import find_home, shorten_path
from preprocessing.workers.isolation import Limits, explain_error
from preprocessing.workers.progress import open_bar

LIMITS = Limits(time_s=6 * 3600.0, memory_gb=16.0)
"""Of one file among several; an hour of film takes minutes."""


def main(arguments=None, *, networks=None):
    """Read the files; return the exit status. ``networks`` stand in for the shipped ones."""
    options = parse_arguments(arguments)
    try:
        found = sources.find_sources(options.files)
        if not found:
            raise OSError(f"no media file in {', '.join(options.files)}")
        windows.list_windows(0.0, 1.0, window_s=options.window, step_s=options.step)
    except (OSError, ValueError) as error:
        print(explain_error(error), file=sys.stderr)
        return 2
    try:
        failed = answer_all(found, options, networks)
    except KeyboardInterrupt:
        print("\nstopped; run again to go on", file=sys.stderr)
        return 130
    if failed:
        print(f"{len(failed)} of {len(found)} files could not be read:", file=sys.stderr)
        for name, reason in failed.items():
            print(f"  {name}: {reason}", file=sys.stderr)
    return 3 if failed else 0


def parse_arguments(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m modeling.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE|FOLDER|URL", help="what is read")
    add("--out", metavar="DIR", help="folder of the answers; results/predict by default")
    add("--by", choices=windows.BY, default="window", help="utterance: from pause to pause")
    add("--window", type=float, default=3.0, metavar="S", help="length of a window, seconds")
    add("--step", type=float, default=0.5, metavar="S", help="from window to window, seconds")
    add("--adapt", action="store_true", help="read each person anew, as one known from all of it")
    add("--explain", action="store_true", help="say what each person's surest answer rests on")
    add("--video", action="store_true", help="write the film with boxes and timeline too")
    add("--json", choices=["-"], help="print the answers, a line each, instead of tables")
    add("--jobs", type=int, default=-1, metavar="N", help="files at a time; -1: one a core")
    add("--scheduler", default="", help="tcp://...: files on a Dask cluster")
    options = parser.parse_args(arguments)
    writes = options.out is not None or options.json is None
    default = find_home() / "results" / "predict"
    options.folder = Path(options.out or default).expanduser() if writes else None
    return options


def answer_all(found, options, networks):
    """Read files {name: location}, write and print their answers; return {name: why not}."""
    failed, waiting = {}, {}
    how = {"window_s": options.window, "step_s": options.step, "by": options.by}
    how["adapt"] = options.adapt
    how |= {"explain": True} if options.explain else {}
    checksums = dict((networks or load_networks()).checksums)
    for name, location in found.items():
        try:
            source = sources.describe_source(location)
        except OSError as error:
            failed[name] = explain_error(error)
            continue
        expected = {"source": source, "parameters": how, "networks": checksums}
        if options.folder and sources.is_answered(
            options.folder, name, expected, video=options.video
        ):
            print(f"{name}: is there already", file=sys.stderr)
            if options.json:
                print(Path(options.folder, f"{name}.json").read_text("utf-8").strip())
            continue
        waiting[name] = location, source
    for name, answer in stream_answers(waiting, how, options, networks):
        try:
            if isinstance(answer, str):
                raise _NoAnswerError(answer)
            answer.facts["source"] = waiting[name][1]
            if options.folder:
                write_answer(answer, waiting[name][0], name, options)
        except (_NoAnswerError, OSError, ValueError) as error:
            failed[name] = explain_error(error)
            continue
        if options.json:
            print(json.dumps(timeline.describe(answer), allow_nan=False), flush=True)
        elif len(found) == 1:
            print_summary(name, answer)
        else:
            print_line(name, answer)
    if options.folder and not options.json:
        print(f"answers: {shorten_path(options.folder)}\n{timeline.STATEMENT}")
    return failed


class _NoAnswerError(Exception):
    """A file could not be read; the message says why."""


def stream_answers(waiting, how, options, networks):
    """Yield (name, `Timeline` or why there is none) for each file, as they come."""
    names = list(waiting)
    here = networks is not None or (len(waiting) == 1 and not options.scheduler)
    if here:
        for name in names:
            yield name, read_here(waiting[name][0], how, networks, title=name)
        return
    from preprocessing.workers.parallel import stream_results  # one file needs none

    tasks = [(str(waiting[name][0]), how) for name in names]
    results = stream_results(
        read_there,
        tasks,
        lost=tell_lost,
        lists_errors=True,
        title="files",
        n_jobs=options.jobs,
        scheduler=options.scheduler,
        limits=LIMITS,
        progress=sys.stderr.isatty(),
    )
    with closing(results):
        for number, answer in results:
            yield names[number], answer


def read_here(location, how, networks, *, title):
    """Return a file's `Timeline`, showing how far it is, or why there is none."""
    bar = open_bar(desc=title, unit="s", disable=None, bar_format=BAR)

    def progress(now_s, of_s):
        bar.total = max(of_s or 0.0, now_s)
        bar.update(max(now_s - bar.n, 0.0))

    with closing(bar):
        try:
            return predict_clip(
                location, networks=networks or load_networks(), progress=progress, **how
            )
        except MemoryError:
            raise
        except Exception as error:  # one file must never stop a run of thousands: it is listed
            return _explain(error)


BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"


def read_there(location, how):
    """Return a file's `Timeline`, in a process of its own."""
    return predict_clip(location, networks=load_networks(), **how)


def tell_lost(reason, location, how):
    """Return why a file has no timeline."""
    return reason.removeprefix("MediaError: ")


def _explain(error):
    kind = type(error).__name__
    known = kind in ("MediaError", "DetectorError") or isinstance(error, OSError)
    return explain_error(error) if known else f"{kind}: {explain_error(error)}"


@cache
def load_networks():
    """Return the shipped networks, loaded once in a process."""
    from modeling.predict import networks

    return networks.load_networks()


def write_answer(answer, location, name, options):
    """Write a file's pictures, table and, last of all, JSON: where that is, all is."""
    from modeling.predict import drawing  # matplotlib takes a second

    path = Path(options.folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.draw_timeline(answer, path.with_name(f"{path.name}.png"))
    if answer.explanations:
        from modeling.predict import explaining

        explaining.draw_explanations(answer, path.with_name(f"{path.name}.explained.png"))
    if options.video and answer.facts["duration_s"]:
        report = drawing.draw_video(location, answer, path.with_name(f"{path.name}.mp4"))
        answer.facts["problems"] += [
            problem for problem in report.problems if problem not in answer.facts["problems"]
        ]
    timeline.write_timeline(answer, options.folder, name)


def print_summary(name, answer):
    """Print a table with a person a row: what share of the time each emotion is displayed."""
    facts, summary = answer.facts, answer.summary
    print(f"\n{name}  ({facts['duration_s']:.1f} s)")
    for problem in facts["problems"]:
        print(f"  {problem}")
    if summary.empty:
        print("  nothing to read: no voice and no face was found")
        return
    words = [word for word in (*EMOTIONS, timeline.UNSURE) if summary[word].max() >= 0.005]
    print("  " + " ".join(f"{title:>10}" for title in ("person", "read", *words, "confidence")))
    for row in summary.to_dict("records"):
        person = row["person"] or ("off-screen" if facts["width"] else "voice")
        cells = [f"{person!s:>10}", f"{row['read_s']:8.1f} s"]
        cells += [f"{row[word]:10.0%}" for word in words]
        print("  " + " ".join([*cells, f"{row['confidence']:10.2f}"]))


def print_line(name, answer):
    """Print a file among many: name, seconds, a person's likeliest emotion each, what was odd."""
    told = []
    for row in answer.summary.to_dict("records"):
        share, best = max((row[word], word) for word in (*EMOTIONS, timeline.UNSURE))
        who = f"{row['person'] or 'voice'}: " if len(answer.summary) > 1 else ""
        told.append(f"{who}{best} {share:.0%} ({row['confidence']:.2f})")
    remarks = [remark for text in answer.table["remarks"] if text for remark in text.split("; ")]
    problems = [own for own in answer.facts["problems"] if own != "no video stream"]  # a recording
    odd = dict.fromkeys([*problems, *remarks])
    line = f"{name:<30} {answer.facts['duration_s']:7.1f} s  {', '.join(told) or 'nothing to read'}"
    print(line + "".join(f"; {remark}" for remark in odd), flush=True)

"""How fast clips become arrays: ours beside decoding alone and beside the usual way, in one run.

    python benchmarks/preprocessing.py [--json FILE] [--rounds 5]
    python benchmarks/preprocessing.py --memory

Per clip: 16 face crops of 64×64, the waveform, log-mels, MFCCs and all named features. Everything
is warm: workers are started, libraries loaded and files in the page cache before the first round.
In every round all contenders run in turn; ratios are the medians of the rounds' ratios, since
the machine may do other things meanwhile.

- *floor*: PyAV decodes every frame of the clip's video and its sound, nothing else.
- *ours*: what the notebooks 11 and 12 do, arrays and journal written to disk.
- *baseline*: cv2 reads all frames, the same SSD network looks at every sampled frame, and librosa
  is called feature by feature, serially in one process with the libraries' own threads.

The real clips are the mp4 files below ``$EMOTION_TEST_DATA/ravdess``; the drawn ones are made
here. ``floor_ratio`` and ``baseline_speedup`` are those of the real clips where they are at hand,
with all cores; the drawn corpus's own stand beside them.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)  # not this folder, in which this file bears the package's name

import av  # noqa: E402
import cv2  # noqa: E402
import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import psutil  # noqa: E402

from benchmarks.contenders import Contenders, describe_work, process_clip  # noqa: E402
from opencv_model import resnet_ssd  # noqa: E402
from preprocessing import analyse, extract, index  # noqa: E402
from preprocessing.clips import decode  # noqa: E402
from preprocessing.corpora import drawn  # noqa: E402
from preprocessing.corpora.drawn.face import draw_face  # noqa: E402
from preprocessing.disk import arrays  # noqa: E402
from preprocessing.faces import crop  # noqa: E402
from preprocessing.workers.isolation import Children, Limits  # noqa: E402

TEST_DATA = Path(os.environ.get("EMOTION_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
N_CORES = joblib.effective_n_jobs(-1)


def find_clips(folder, n_drawn):
    """Return the paths of each corpus's clips by title; the drawn ones are made in the folder."""
    real = sorted((TEST_DATA / "ravdess").rglob("*.mp4"))
    drawn.build(folder / "drawn", n_actors=2, n_takes=1, n_jobs=-1, progress=False)
    made = sorted((folder / "drawn").rglob("*.mp4"))[:n_drawn]
    weights = TEST_DATA / "face_detector" / "opencv_face_detector_uint8.pb"
    if weights.is_file():
        os.environ.setdefault("EMOTION_DETECTOR", str(weights))
    if not real:
        print(f"No real clips below {TEST_DATA / 'ravdess'}: only drawn ones are measured.")
    return {title: paths for title, paths in (("ravdess", real), ("drawn", made)) if paths}


def measure_corpus(paths, children, folder, n_rounds):
    """Return the medians of seconds a clip and of the rounds' ratios, by name."""
    contenders = Contenders(paths, children, folder)
    measures = {
        "floor_1": (contenders.time_floor, 1),
        "floor_all": (contenders.time_floor, N_CORES),
        "ours_1": (contenders.time_ours, 1),
        "ours_all": (contenders.time_ours, N_CORES),
        "baseline": (contenders.time_baseline, None),
    }
    for measure, n_jobs in measures.values():
        measure(n_jobs)  # warms up
    rounds = [{k: measure(n) for k, (measure, n) in measures.items()} for _ in range(n_rounds)]
    found = {k: statistics.median(r[k] for r in rounds) for k in measures}
    found["floor_ratio"] = statistics.median(r["ours_all"] / r["floor_all"] for r in rounds)
    found["baseline_speedup"] = statistics.median(r["baseline"] / r["ours_all"] for r in rounds)
    return found


@contextmanager
def timed(totals, name, functions):
    """Add up the seconds that functions, (module, name) each, take while the block runs."""
    originals = [getattr(*function) for function in functions]

    def wrap(original):
        def call(*arguments, **options):
            started = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                totals[name] = totals.get(name, 0) + time.perf_counter() - started

        return call

    for (module, attribute), original in zip(functions, originals, strict=True):
        setattr(module, attribute, wrap(original))
    try:
        yield
    finally:
        for (module, attribute), original in zip(functions, originals, strict=True):
            setattr(module, attribute, original)


def profile(paths):
    """Return the milliseconds a clip that each part of ours takes, in one process, one thread."""
    detector = resnet_ssd.open_detector("resnet_ssd")
    work, totals = describe_work(detector), {}
    process_clip(0, paths[0], work)
    parts = {
        "decode": [(decode, "read_clip")],
        "detect": [(resnet_ssd, "_run_network")],
        "follow": [(crop, "follow_cheaply")],
        "faces": [(crop, "crop_clip")],
        "spectra and features": [(analyse.spectra, "analyse")],
        "sound quality": [(analyse.spectra, "measure_quality")],
    }
    started = time.perf_counter()
    with (
        timed(totals, "decode", parts["decode"]),
        timed(totals, "detect", parts["detect"]),
        timed(totals, "follow", parts["follow"]),
        timed(totals, "faces", parts["faces"]),
        timed(totals, "spectra and features", parts["spectra and features"]),
        timed(totals, "sound quality", parts["sound quality"]),
    ):
        for row, path in enumerate(paths):
            process_clip(row, path, work)
    elapsed = time.perf_counter() - started
    totals["crop and judge"] = totals.pop("faces") - totals["follow"]
    totals["follow"] -= totals["detect"]
    totals["records, padding"] = elapsed - sum(totals.values())
    return {name: 1000 * seconds / len(paths) for name, seconds in totals.items()}


def measure_memory(sizes=(100, 1000, 10000)):
    """Print the peak of private memory of a corpus of repeated small clips, by its size."""
    print("Peak private memory (not shared, not mapped from files), all processes, MB:")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        clip = folder / "clip.mp4"
        write_tiny_clip(clip)
        for n_clips in sizes:
            os.environ["EMOTION_HOME"] = str(folder / f"home{n_clips}")
            rows = {"clip_id": [f"{i:06d}" for i in range(n_clips)], "video": "clip.mp4"}
            table = pd.DataFrame(rows | {"audio": "clip.mp4", "emotion": "sad", "actor": "1"})
            table.to_csv(folder / "list.csv", index=False)
            index.index_corpus("folder", folder / "list.csv", progress=False)
            choices = extract.Choices(n_frames=16, size=64, detector="haar")
            peaks, started = {}, time.perf_counter()
            for name, work in (
                (
                    "extraction",
                    lambda c=choices: extract.extract_corpus("folder", c, progress=False),
                ),
                ("analysis", lambda: analyse.analyse_corpus("folder", progress=False)),
            ):
                with watch_memory() as peak:
                    work()
                peaks[name] = max(peak) / 1e6
            size = sum(p.stat().st_size for p in arrays.corpus_folder("folder").iterdir())
            print(
                f"{n_clips:6d} clips: extraction {peaks['extraction']:6.0f}, analysis "
                f"{peaks['analysis']:6.0f}; disk {size / n_clips / 1e6:.2f} MB a clip; "
                f"{(time.perf_counter() - started):.0f} s"
            )


def write_tiny_clip(path):
    """Write half a second of a small drawn face with a hum, which costs a few milliseconds."""
    picture = cv2.resize(draw_face(1), (128, 96), interpolation=cv2.INTER_AREA)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.pix_fmt = "yuv420p"
        video.height, video.width = picture.shape[:2]
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for number in range(5):
            moved = np.roll(picture, 4 * number, axis=1)
            container.mux(video.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(video.encode(None))
        hum = 0.3 * np.sin(np.arange(8192) * 0.08).astype(np.float32)
        for start in range(0, len(hum), 1024):
            frame = av.AudioFrame.from_ndarray(hum[None, start : start + 1024], "fltp", "mono")
            frame.rate, frame.pts = 16000, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


@contextmanager
def watch_memory(step_s=0.05):
    """Yield a list that is filled with the private bytes of this process and its children."""
    seen, is_over = [0], threading.Event()

    def watch():
        while not is_over.wait(step_s):
            seen.append(sum(read_private_bytes(p) for p in list_processes()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def list_processes():
    """Return this process and all below it."""
    here = psutil.Process()
    return [here, *here.children(recursive=True)]


def read_private_bytes(process):
    """Return a process's private memory in bytes, without files that it maps."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def print_tables(found, profiles):
    """Print what was found, as plain tables."""
    print(f"\n{N_CORES} cores; ms a clip, medians of the rounds; 16 frames and all audio arrays\n")
    print(
        f"{'':10}{'floor, 1':>10}{'ours, 1':>10}{'floor, all':>12}{'ours, all':>11}{'baseline':>10}"
    )
    for corpus, values in found.items():
        numbers = [values[k] for k in ("floor_1", "ours_1", "floor_all", "ours_all", "baseline")]
        print(
            f"{corpus:10}"
            + "".join(
                f"{1000 * n:{w}.0f}" for n, w in zip(numbers, (10, 10, 12, 11, 10), strict=True)
            )
        )
    print("\nratios, all cores               ours / floor   baseline / ours")
    for corpus, values in found.items():
        print(f"{corpus:32}{values['floor_ratio']:12.2f}{values['baseline_speedup']:18.1f}")
    print("\nwhere the time goes, one process, ms a clip")
    names = list(next(iter(profiles.values())))
    print(f"{'':24}" + "".join(f"{corpus:>10}" for corpus in profiles))
    for name in names:
        print(f"{name:24}" + "".join(f"{profiles[corpus][name]:10.1f}" for corpus in profiles))


def main():
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--rounds", type=int, default=5, help="how often all contenders run")
    parser.add_argument("--memory", action="store_true", help="peak memory by size of the corpus")
    options = parser.parse_args()
    if options.memory:
        return measure_memory()
    found, profiles = {}, {}
    with tempfile.TemporaryDirectory() as folder, closing(Children(Limits())) as children:
        for corpus, paths in find_clips(Path(folder), n_drawn=10).items():
            found[corpus] = measure_corpus(paths, children, folder, options.rounds)
            cv2.setNumThreads(1)
            profiles[corpus] = profile(paths)
            cv2.setNumThreads(-1)
    print_tables(found, profiles)
    first = next(iter(found.values()))
    goals = {name: first[name] for name in ("floor_ratio", "baseline_speedup")}
    if options.json:
        arrays.write_json(options.json, goals | {"corpora": found, "profile_ms": profiles})
    return 0


if __name__ == "__main__":
    sys.exit(main())

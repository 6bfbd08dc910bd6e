"""What an answer costs: a film is read beside decoding alone, in one run.

    python benchmarks/predict.py [--json FILE] [--rounds 3] [--film FILE] [--fer PYTHON]

The film is made here: a drawn actor talks, 1280×720 at 25 pictures a second, with a camera's noise,
H.264 of 2.5 Mbit/s and AAC; ``--film`` takes another. In every round all contenders run in turn,
each with its libraries and networks loaded; ratios are the medians of the rounds' ratios, since the
machine may do other things meanwhile. *CPU* ratios are of the processor's seconds, all threads
together: on a busy machine they say more; on two idle cores, half of one is waited for at best.

- *floor*: PyAV decodes every picture and the sound in one thread each, nothing else.
- *answer*: ``predict_clip``. Goal: at most 3 times the floor.
- *film*: the same, and the film painted and written anew. Goal: a third of the film's length.
- *start*: the command itself, from the start of its process to its table, on the film's first five
  seconds. Goal: 3 s.
- *memory*: the peak of a process that reads the film once, and ten times over. Goal: 10 % more.
- *fer*: the package of that name looks at every picture of the film's first ten seconds, with its
  own model and detector; ``--fer`` names the Python of an environment that has it, since it wants
  other packages than we do. Goal: a tenth of our pictures a second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)  # not this folder, whose files bear names of packages

import av  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.contenders import decode_all  # noqa: E402
from modeling.predict import drawing, networks, predict_clip  # noqa: E402
from preprocessing.corpora.drawn import clip as drawn  # noqa: E402
from preprocessing.corpora.drawn import voice  # noqa: E402
from preprocessing.disk import arrays  # noqa: E402

FPS, SIZE = 25, (1280, 720)
BITS_S = 2_500_000
NOISE = 6.0  # grey levels, standard deviation, of the camera
GOALS = {"answer / floor": 3.0, "film / length": 1 / 3, "start_s": 3.0, "memory, 10 / 1": 1.1}
PEAK = (
    "import sys\n"
    "from modeling.predict import predict_clip\n"
    "predict_clip(sys.argv[1])\n"
    "print(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1])\n"
)
FER = (
    "import importlib.metadata, sys, time\n"
    "import cv2\n"
    "from fer.fer import FER\n"
    "reader, film = FER(mtcnn=False), cv2.VideoCapture(sys.argv[1])\n"
    "reader.detect_emotions(film.read()[1])  # warms up\n"
    "started = time.perf_counter()\n"
    "for _ in range(int(sys.argv[2])):\n"
    "    reader.detect_emotions(film.read()[1])\n"
    "print(importlib.metadata.version('fer'), time.perf_counter() - started)\n"
)


def make_film(path, seconds):
    """Write a film of a drawn actor who talks, of so many seconds."""
    takes = [drawn.Take(1, emotion, 1) for emotion in ("happy", "sad", "angry", "calm", "fearful")]
    acted = [drawn.perform_take(take) for take in takes]
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        picture.width, picture.height, picture.pix_fmt = *SIZE, "yuv420p"
        picture.bit_rate = BITS_S
        sound = container.add_stream("aac", rate=voice.RATE_HZ, layout="mono")
        waveforms = [speech.waveform for _, _, speech in acted]
        waveform = np.resize(np.concatenate(waveforms), seconds * voice.RATE_HZ)
        for image in show_frames(acted, seconds * FPS):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        block = av.AudioFrame.from_ndarray(waveform[None], "fltp", "mono")
        block.sample_rate, block.pts = voice.RATE_HZ, 0
        container.mux(sound.encode(block))
        for stream in (picture, sound):
            container.mux(stream.encode(None))
    return path


def show_frames(acted, n_frames):
    """Yield takes over and over as a camera shows them, uint8 (height, width, 3)."""
    rng = np.random.default_rng(0)
    noises = rng.normal(0, NOISE, (8, SIZE[1], SIZE[0], 1)).astype(np.int16)
    n_shown = 0
    while True:
        for frames, fps, speech in acted:
            for number in range(int(speech.duration_s * FPS)):
                if n_shown == n_frames:
                    return
                frame = frames[min(number * fps // FPS, len(frames) - 1)]
                large = cv2.resize(frame, (SIZE[1] * 4 // 3, SIZE[1]))
                side = (SIZE[0] - large.shape[1]) // 2
                wide = cv2.copyMakeBorder(large, 0, 0, side, side, cv2.BORDER_REPLICATE)
                yield (wide + noises[n_shown % len(noises)]).clip(0, 255).astype(np.uint8)
                n_shown += 1


def join_films(path, source, n_times):
    """Write a film over and over, by its packets."""
    with av.open(str(path), "w") as whole, av.open(str(source)) as first:
        streams = [whole.add_stream_from_template(stream) for stream in first.streams]
        length_s = first.duration / av.time_base + 0.1
        for turn in range(n_times):
            with av.open(str(source)) as part:
                for packet in part.demux():
                    if packet.dts is not None:
                        shift = round(turn * length_s / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = streams[packet.stream_index]
                        whole.mux(packet)
    return path


def cut_film(path, source, seconds):
    """Write a film's first seconds, by its packets."""
    with av.open(str(path), "w") as part, av.open(str(source)) as whole:
        streams = [part.add_stream_from_template(stream) for stream in whole.streams]
        for packet in whole.demux():
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = streams[packet.stream_index]
                part.mux(packet)
    return path


def measure(function, *arguments):
    """Return the seconds that a function takes, and those of the processor, in all threads."""
    started = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.perf_counter() - started[0], time.process_time() - started[1]


def run_python(arguments):
    """Run Python in a process of its own; return what it printed."""
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, check=True, cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    return done.stdout


def paint_film(film, target, shipped):
    """Read a film and write it anew."""
    drawing.draw_video(film, predict_clip(film, networks=shipped), target)


def look_as_fer(python, film, n_pictures):
    """Return the version of the package fer, and its seconds for so many pictures of a film."""
    command = [str(python), "-c", FER, str(film), str(n_pictures)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    version, seconds = said.split()[-2:]
    return version, float(seconds)


def measure_round(film, short, folder, shipped):
    """Return seconds by contender."""
    command = ["-m", "modeling.predict", short, "--out", tempfile.mkdtemp(dir=folder)]
    measured = {
        "floor": measure(decode_all, film),
        "answer": measure(lambda: predict_clip(film, networks=shipped)),
        "film": measure(paint_film, film, folder / "painted.mp4", shipped),
    }
    seconds = {name: own for name, (own, _) in measured.items()}
    seconds |= {f"{name}_cpu": own for name, (_, own) in measured.items()}
    return seconds | {"start": measure(run_python, command)[0]}


def measure_memory(film, folder, n_times=10):
    """Return the peak memory of reading a film once, and over and over, in MB."""
    films = film, join_films(folder / "long.mkv", film, n_times)
    return [int(run_python(["-c", PEAK, path])) / 1024 for path in films]


def summarise(rounds, length_s):
    """Return the medians of the rounds' seconds, and of their ratios."""
    found = {f"{name}_s": statistics.median(own[name] for own in rounds) for name in rounds[0]}
    ratios = {
        "answer / floor": ("answer", "floor"),
        "answer / floor, CPU": ("answer_cpu", "floor_cpu"),
    }
    for name, (own, other) in ratios.items():
        found[name] = statistics.median(each[own] / each[other] for each in rounds)
    return found | {"film / length": found["film_s"] / length_s}


def main():
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--rounds", type=int, default=3, help="how often all contenders run")
    parser.add_argument("--film", type=Path, help="another film than the made one")
    parser.add_argument("--fer", type=Path, help="the Python of an environment with fer")
    parser.add_argument("--seconds", type=int, default=60, help="length of the made film")
    options = parser.parse_args()
    shipped = networks.load_networks()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = options.film or make_film(folder / "film.mp4", options.seconds)
        short = cut_film(folder / "short.mp4", film, 5)
        with av.open(str(film)) as container:
            length_s, n_pictures = container.duration / av.time_base, container.streams[0].frames
        paint_film(short, folder / "painted.mp4", shipped)  # warms up
        rounds = [measure_round(film, short, folder, shipped) for _ in range(options.rounds)]
        found = {"length_s": length_s} | summarise(rounds, length_s)
        found["memory_mb"] = measure_memory(film, folder)
        found["memory, 10 / 1"] = found["memory_mb"][1] / found["memory_mb"][0]
        if options.fer:
            ours = n_pictures / found["answer_s"]
            found["fer"], theirs_s = look_as_fer(options.fer, film, 250)
            found["answer / fer, pictures a second"] = ours / (250 / theirs_s)
        else:
            print("fer is not named: not measured")
    found["load"] = os.getloadavg()[0]
    print(f"\n{os.cpu_count()} cores, load {found['load']:.1f}; medians of {options.rounds} rounds")
    for name, value in found.items():
        goal = f"   goal: at most {GOALS[name]:.2f}" if name in GOALS else ""
        print(f"{name:34} {value if isinstance(value, str | list) else round(value, 3)}{goal}")
    if options.json:
        arrays.write_json(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

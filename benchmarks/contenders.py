"""The contenders of the preprocessing benchmark, in a module that worker processes can import."""

import time
from pathlib import Path

import av
import cv2
import joblib
import librosa
import numpy as np

from opencv_model import resnet_ssd
from preprocessing import analyse, extract
from preprocessing.disk.resumable import ResumableArrays

CHOICES = extract.Choices(n_frames=16, size=64)
WINDOW_S, RATE_HZ = 6.0, 16000
REPEATS = 4
"""How often the clips are in the list: a run of ten would measure its beginning and its end."""

SPECTRA = {"n_mels": 64, "window_ms": 32, "hop_ms": 16, "n_mfcc": 20, "deltas": True}


def decode_all(path):
    """The floor: decode every frame and all sound; return how many frames there are."""
    n_frames = 0
    with av.open(str(path)) as container:
        for stream in container.streams:
            stream.codec_context.thread_count = 1
        for packet in container.demux():
            for frame in packet.decode():
                n_frames += isinstance(frame, av.VideoFrame)
    return n_frames


def describe_work(detector):
    """Return what ours is told to do with each clip."""
    return extract.describe_choices(CHOICES, detector, WINDOW_S, None)["faces"]


def process_clip(row, path, parameters):
    """Ours: one clip's rows of all arrays, and its record."""
    clip = {"video": path.name, "audio": path.name}
    clip |= {f"{kind}_bytes": path.stat().st_size for kind in extract.MODALITIES}
    row, rows, record = extract._extract_clip(row, path.parent, clip, parameters)
    if "waveforms" not in rows or "faces" not in rows:
        raise RuntimeError(f"{path.name}: {record['clip']['reason']}")
    n_samples = round(record["clip"]["window_s"] * RATE_HZ)
    voice = rows["waveforms"][:n_samples]
    _, spectra, numbers = analyse._analyse_voice(row, voice, RATE_HZ, SPECTRA)
    return row, rows | spectra, record | numbers


def read_usually(path, detector):
    """The baseline: what a first notebook on this subject does, one library call after another."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        is_read, frame = capture.read()
        if not is_read:
            break
        frames.append(frame)
    crops = []
    for index in np.linspace(0, len(frames) - 1, CHOICES.n_frames).astype(int):
        frame = frames[index]
        height, width = frame.shape[:2]
        blob = cv2.dnn.blobFromImage(frame, 1.0, (300, 300), (104.0, 177.0, 123.0))
        detector.network.setInput(blob)
        found = detector.network.forward().reshape(-1, 7)
        best = found[found[:, 2].argmax(), 3:7] * [width, height, width, height]
        left, top, right, bottom = np.clip(best, 0, [width, height, width, height]).astype(int)
        grey = cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
        crops.append(cv2.resize(grey, (CHOICES.size, CHOICES.size)))
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        parts = [p for f in container.decode(audio=0) for p in resampler.resample(f)]
    sound = np.concatenate([part.to_ndarray()[0] for part in parts])
    spectrum = {"y": sound, "sr": RATE_HZ, "n_fft": 512, "hop_length": 256}
    mel = librosa.power_to_db(librosa.feature.melspectrogram(**spectrum, n_mels=64))
    mfcc = librosa.feature.mfcc(**spectrum, n_mfcc=20)
    numbers = [mfcc, librosa.feature.delta(mfcc)]
    for feature in ("chroma_stft", "spectral_centroid", "spectral_bandwidth", "spectral_rolloff"):
        numbers.append(getattr(librosa.feature, feature)(**spectrum))
    numbers.append(librosa.feature.spectral_contrast(**spectrum, fmin=200, n_bands=5))
    numbers.append(librosa.feature.tonnetz(y=sound, sr=RATE_HZ))
    numbers.append(librosa.feature.spectral_flatness(y=sound, n_fft=512, hop_length=256))
    numbers.append(librosa.feature.zero_crossing_rate(sound, frame_length=512, hop_length=256))
    numbers.append(librosa.feature.rms(y=sound, frame_length=512, hop_length=256))
    numbers.append(librosa.yin(sound, fmin=60, fmax=500, sr=RATE_HZ))
    return np.stack(crops), mel, [np.mean(number) for number in numbers]


class Contenders:
    """The three contenders on one list of clips; each method gives seconds a clip.

    Args:
        paths: The clips.
        children: Warm workers, one a core.
        folder: Where ours writes.
    """

    def __init__(self, paths, children, folder):
        self.paths, self.children, self.folder = paths * REPEATS, children, Path(folder)
        self.detector = resnet_ssd.open_detector("resnet_ssd")
        self.parameters = describe_work(self.detector)

    def time_floor(self, n_jobs):
        """Seconds a clip that decoding takes."""
        return self._time(n_jobs, decode_all, [(path,) for path in self.paths])

    def time_ours(self, n_jobs):
        """Seconds a clip that ours takes, writing included."""
        tasks = [(row, path, self.parameters) for row, path in enumerate(self.paths)]
        silence = analyse.make_silence(376, RATE_HZ, SPECTRA)
        specs = extract.shape_arrays(len(self.paths), CHOICES, WINDOW_S)
        specs |= {k: ((len(self.paths), *v.shape), v.dtype) for k, v in silence.items()}
        started = time.perf_counter()
        writer = ResumableArrays(self.folder, specs, "benchmark", journal="journal")
        for row, rows, record in self._stream(n_jobs, process_clip, tasks):
            spectra = {name: rows.pop(name) for name in silence}
            writer.write_row(row, rows | analyse._fill_up(spectra, silence), record)
        writer.finish()
        writer.discard_journal()
        return (time.perf_counter() - started) / len(self.paths)

    def time_baseline(self, _):
        """Seconds a clip that the usual way takes, in this process with the libraries' threads."""
        paths, started = self.paths[::REPEATS], time.perf_counter()
        for path in paths:
            read_usually(path, self.detector)
        return (time.perf_counter() - started) / len(paths)

    def _time(self, n_jobs, function, tasks):
        started = time.perf_counter()
        for _ in self._stream(n_jobs, function, tasks):
            pass
        return (time.perf_counter() - started) / len(tasks)

    def _stream(self, n_jobs, function, tasks):
        jobs = (joblib.delayed(self.children.call)(function, task) for task in tasks)
        return joblib.Parallel(
            n_jobs=n_jobs, backend="threading", return_as="generator_unordered", batch_size=1
        )(jobs)

"""Pictures of what the microphone gave, and of one clip's faces and sound together."""

import matplotlib.pyplot as plt
import numpy as np

from preprocessing.plots.style import ACCENT, blank_missing, open_axes, strip_spines

LEVELS_DB = (-100.0, -20.0)  # of every spectrogram, so that the quietest clip looks quietest
LOWEST_HZ = 50.0  # lower edge of the lowest mel band, as in ``spectra.MEL_MIN_HZ``
MAX_FACES = 16


def plot_waveform(waveform, rate_hz, *, ax=None):
    """Draw a waveform, float (samples,), in [-1, 1], over seconds."""
    ax = open_axes(ax, 9, 2)
    ax.plot(np.arange(len(waveform)) / rate_hz, waveform, color=ACCENT, lw=0.5)
    ax.set(xlim=(0, len(waveform) / rate_hz), xlabel="time (s)", ylabel="amplitude\n(full = 1)")
    ax.set_title("Waveform")
    return strip_spines(ax)


def embed_sound(waveform, rate_hz):
    """Return a player of a waveform, float (samples,), as HTML; beyond [-1, 1] it is quieter.

    IPython's own names its data in a ``<source>``, which JupyterLab takes out of a notebook that
    was run elsewhere, such as one just cloned: it would stay silent.
    """
    from IPython.display import HTML, Audio

    waveform = np.asarray(waveform) / np.abs(waveform).max(initial=1.0)
    data = Audio(waveform, rate=rate_hz, normalize=False).src_attr()
    return HTML(f'<audio controls src="{data}"></audio>')


def plot_mel(mel, hop_ms, *, rate_hz=None, bar=True, ax=None):
    """Draw a log-mel spectrogram, (time, mel) in dB, over seconds, its colours from -100 to -20 dB.

    The waveform's ``rate_hz`` labels the bands of ``spectra.log_mel`` in Hz; ``bar`` adds a colour
    bar.
    """
    ax = open_axes(ax, 9, 2.6)
    image = _draw_rows(ax, mel, hop_ms, cmap="magma", vmin=LEVELS_DB[0], vmax=LEVELS_DB[1])
    if bar:
        ax.figure.colorbar(image, ax=ax, label="level (dB re full scale)", pad=0.01)
    ax.set(ylabel="mel band", title="Log-mel spectrogram")
    if rate_hz:
        marks = [hz for hz in (250, 500, 1000, 2000, 4000, 8000, 16000) if hz <= rate_hz / 2]
        low, high = _scale_mel(np.array([LOWEST_HZ, rate_hz / 2]))
        share = (_scale_mel(np.array(marks)) - low) / (high - low)
        height = share * (mel.shape[1] + 1) - 1
        ax.set_yticks(height, marks)
        ax.set_ylabel("mel band (Hz)")
    return ax


def plot_mfcc(mfcc, hop_ms, *, ax=None):
    """Draw cepstral coefficients, (time, coefficient), in standard deviations from their means."""
    ax = open_axes(ax, 9, 2.6)
    rows = (mfcc - mfcc.mean(axis=0)) / np.maximum(mfcc.std(axis=0), 1e-9)
    image = _draw_rows(ax, rows, hop_ms, cmap="RdBu_r", vmin=-3, vmax=3)
    ax.figure.colorbar(image, ax=ax, label="standard deviations", pad=0.01)
    ax.set(ylabel="coefficient", title="MFCC")
    return ax


def plot_clip(
    faces=None, face_times=None, *, waveform=None, rate_hz=None, mel=None, hop_ms=None, title=""
):
    """Draw a clip's faces, waveform and spectrogram above one another, over the same seconds.

    Faces are uint8 (time, height, width) or (time, height, width, 3), zeros (drawn light grey)
    where none was found, their times in seconds;
    waveform and spectrogram are as ``plot_waveform`` and ``plot_mel`` take them. What is missing
    has no panel.
    """
    start, panels = 0.0, {}
    lengths_s = [len(waveform) / rate_hz] if waveform is not None else []
    lengths_s += [len(mel) * hop_ms / 1000] if mel is not None else []
    end = max(lengths_s, default=0.0)
    if faces is not None:
        shown, step_s, (start, end) = lay_faces(face_times, end)
        panels["faces"] = 11.5 * step_s / (end - start)
    panels |= {"waveform": 1.1} if waveform is not None else {}
    panels |= {"mel": 2.0} if mel is not None else {}
    size = (11, sum(panels.values()) + 1.1)
    figure = plt.figure(figsize=size, layout="constrained")
    heights = list(panels.values())
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes = dict(zip(panels, axes[:, 0], strict=True))
    if faces is not None:
        faces = blank_missing(np.asarray(faces))
        plot_faces(faces[shown], face_times[shown], step_s, (start, end), ax=axes["faces"])
    if waveform is not None:
        plot_waveform(waveform, rate_hz, ax=axes["waveform"])
    if mel is not None:
        plot_mel(mel, hop_ms, rate_hz=rate_hz, ax=axes["mel"])
    for ax in axes.values():
        ax.set(title="", xlabel="", xlim=(start, end))
    ax.set_xlabel("time (s)")
    figure.suptitle(title)
    return figure


def lay_faces(times, end_s):
    """Return which faces of a clip are drawn over its seconds, so that none hides another.

    Args:
        times: float (time,), seconds, ascending.
        end_s: Where what is drawn beside them ends.

    Returns:
        int (shown,), the width of one in seconds, and the seconds at which the axis starts and
        ends.
    """
    shown = np.arange(0, len(times), -(-len(times) // MAX_FACES))
    step_s = float(np.median(np.diff(times[shown]))) if len(shown) > 1 else 0.5
    start_s = min(0.0, times[0] - step_s / 2)
    end_s = max(end_s, times[shown[-1]] + step_s / 2)
    return shown, min(step_s, 0.17 * (end_s - start_s)), (start_s, end_s)


def plot_faces(faces, times, step_s, span, *, ax):
    """Draw faces, uint8 (time, height, width[, 3]), each at its second and ``step_s`` wide.

    ``span`` are the seconds at which the axis of time starts and ends.
    """
    options = {"aspect": "auto", "cmap": "gray", "vmin": 0, "vmax": 255}
    for face, middle in zip(faces, times, strict=True):
        ax.imshow(face, extent=(middle - 0.48 * step_s, middle + 0.48 * step_s, 0, 1), **options)
    ax.set(xlim=span, ylim=(0, 1), yticks=[], ylabel="face", box_aspect=step_s / np.ptp(span))
    return strip_spines(ax)


def _draw_rows(ax, rows, hop_ms, **options):
    """Draw (time, value) with time to the right, row k centred at k hops."""
    hop = hop_ms / 1000
    extent = (-0.5 * hop, (len(rows) - 0.5) * hop, 0, rows.shape[1])
    options |= {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    image = ax.imshow(rows.T, extent=extent, **options)
    ax.set(xlim=(0, max(len(rows) - 0.5, 0.5) * hop), xlabel="time (s)")
    return image


def _scale_mel(frequency_hz):
    """Return frequencies on Slaney's mel scale (Auditory Toolbox, 1998)."""
    hz = np.asarray(frequency_hz, dtype=float)
    above = 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)
    return np.where(hz < 1000, 3 * hz / 200, above)

"""Pictures of what the camera gave: sampled frames, boxes, face sequences, detection."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from preprocessing.plots import style


def plot_sampling(times_by_strategy, frame_times, *, ax=None):
    """Draw which instants, in seconds (time,), each sampling strategy takes of a clip's frames."""
    ax = style.open_axes(ax, 9, 1.2 + 0.36 * len(times_by_strategy))
    frame_times = np.asarray(frame_times)
    for row, instants in enumerate(times_by_strategy.values()):
        ax.axhline(row, color="#DDE3EA", lw=1, zorder=0)
        ax.plot(instants, np.full(len(instants), row), "o", color=style.ACCENT, ms=5)
    last = len(times_by_strategy)
    ax.vlines(frame_times, last - 0.3, last + 0.3, color=style.INK, lw=0.7)
    labels = [f"{name} ({len(instants)})" for name, instants in times_by_strategy.items()]
    ax.set_yticks(range(last + 1), [*labels, f"all frames ({len(frame_times)})"])
    ax.set(ylim=(last + 0.6, -0.6), xlabel="time in the clip (s)")
    ax.set_title("Frames that each sampling strategy takes")
    return style.strip_spines(ax)


def plot_frames(frames, times, *, boxes=None, found=None, n_columns=8):
    """Draw frames in reading order, so many a row, each with its second and its face box.

    Args:
        frames: uint8 (time, height, width, 3).
        times: float (time,), seconds.
        boxes: float (time, 4), x1, y1, x2, y2 in pixels; NaN where there is none.
        found: bool (time,); where False, the title says that there is no face.
    """
    n_columns = min(n_columns, len(frames))
    n_rows = -(-len(frames) // n_columns)
    height, width = frames.shape[1:3]
    cell = min(12 / n_columns, 4)
    size = (cell * n_columns, n_rows * (cell * height / width + 0.25) + 0.3)
    figure = plt.figure(figsize=size, layout="constrained")
    axes = np.ravel(figure.subplots(n_rows, n_columns))
    for ax in axes:
        ax.axis("off")
    for number, (ax, frame) in enumerate(zip(axes, frames, strict=False)):
        ax.imshow(frame)
        seen = found is None or bool(found[number])
        if boxes is not None and np.isfinite(boxes[number]).all():
            x1, y1, x2, y2 = boxes[number]
            ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, lw=1.6, ec="#3CFF6B"))
        title, colour = (" s", style.INK) if seen else (" s, no face", style.ALARM)
        ax.set_title(f"{times[number]:.2f}{title}", fontsize=8, pad=2, color=colour)
    figure.suptitle("Sampled frames" + (" and face boxes" if boxes is not None else ""))
    return figure


def plot_contact_sheet(faces, titles, *, emotions=None, every=1, ax=None):
    """Draw the face sequences of several clips, a clip a row, under the numbers of their frames.

    Args:
        faces: uint8 (clip, time, height, width) or (clip, time, height, width, 3); frames of zeros,
            in which no face was found, are drawn light grey.
        titles, emotions: Text (clip,), beside the rows; an emotion becomes a mark in its colour.
        every: 2 shows the first frame, the third, and so on.
    """
    numbers = np.arange(1, faces.shape[1] + 1)[::every]
    faces = style.blank_missing(np.asarray(faces)[:, ::every])
    n_clips, n_times, height, width = faces.shape[:4]
    cell = min(0.75, 11 / n_times)
    ax = style.open_axes(ax, 1.6 + cell * n_times, 0.8 + cell * n_clips * height / width)
    gap = max(height // 24, 1)
    frame = ((0, 0), (0, 0), (0, gap), (0, gap)) + ((0, 0),) * (faces.ndim - 4)
    padded = np.pad(faces, frame, constant_values=255)
    rows = np.concatenate(list(np.moveaxis(padded, 1, 0)), axis=2)
    ax.imshow(np.concatenate(list(rows), axis=0), cmap="gray", vmin=0, vmax=255)
    middles = (np.arange(n_clips) + 0.5) * (height + gap)
    ax.set_xticks((np.arange(n_times) + 0.5) * (width + gap), numbers)
    ax.set_yticks(middles, titles)
    ax.tick_params(length=0)
    if emotions is not None:  # a mark, since some of the colours cannot be read as text
        colours = [style.EMOTION_COLOURS[emotion] for emotion in emotions]
        places = ax.get_yaxis_transform()
        offset = ScaledTranslation(-7 / 72, 0, ax.figure.dpi_scale_trans)
        marks = np.zeros(n_clips), middles
        ax.scatter(*marks, c=colours, marker="s", s=40, clip_on=False, transform=places + offset)
        ax.tick_params(axis="y", pad=14)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="frame", title="Face sequences")
    return ax


def plot_detection(rate, confidence, clips):
    """Draw how surely a face was found in each clip, by actor, and in how many of its frames.

    The frames have no panel of their own where every clip has as many.

    Args:
        rate: float (clip,), share of frames with a face; 0 or NaN where there is none.
        confidence: float (clip,), mean confidence of the detector, 0 to 1.
        clips: DataFrame with ``actor``.
    """
    actors = sorted(clips["actor"].unique())
    rate, confidence = np.nan_to_num(rate), np.asarray(confidence)
    panels = {"faces found (%)": 100 * rate} if np.ptp(rate) else {}
    panels["confidence"] = confidence
    size = (np.clip(3 + 0.4 * len(actors), 7, 13), 0.6 + 2 * len(panels))
    figure = plt.figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (name, values) in zip(axes, panels.items(), strict=True):
        for column, actor in enumerate(actors):
            rows = np.flatnonzero(clips["actor"] == actor)
            x = column + style.spread_points(len(rows), 0.6)
            colours = np.where(rate[rows] > 0, style.ACCENT, style.ALARM)
            ax.scatter(x, values[rows], c=colours, s=10, alpha=0.7)
        style.strip_spines(ax).set_ylabel(name)
    style.label_groups(axes[-1], actors)
    axes[-1].set_xlabel("actor")
    axes[0].set_title(
        f"Faces found in {rate.mean():.0%} of the frames of {len(clips)} clips; "
        f"{(rate == 0).sum()} without a face (red)"
    )
    return figure

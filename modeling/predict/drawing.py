"""Draw a timeline: as a picture, and on the clip that it was read from."""

from functools import partial

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from modeling.predict.answers import Answers, list_people, name_person
from modeling.predict.painting import (
    UNSURE_COLOUR,
    Canvas,
    find_colour,
    find_text_colour,
    paint_shares,
    tell_time,
)
from preprocessing.clips.repaint import repaint_clip
from preprocessing.corpora import EMOTIONS
from preprocessing.disk.files import replace_file
from preprocessing.plots.style import EMOTION_COLOURS, INK

WIDTH_INCHES, DPI = 11.0, 140
MOST_COLUMNS = 400  # of a lane; where there are more windows, a column is the mean of several
STACK_PIXELS = 60
MOST_PEOPLE = 12  # rows of a picture; further people are counted below it
LANES = {"voice": 1.0, "face": 1.0, "both": 1.3}  # heights, from top to bottom


def draw_video(path, timeline, target):
    """Write a clip with boxes, names and a strip of the last ten seconds, as an MP4 file.

    Its sound is the clip's own, untouched where MP4 can hold it. Of sound alone, the strip is all.

    Args:
        path: Path or URL of the clip.
        timeline: What ``predict_clip`` gave for it.
        target: Path of the file to be written.

    Returns:
        A `repaint.Report`: size, number of pictures, what became of the sound, problems.

    Raises:
        MediaError: The clip cannot be read.
    """
    with replace_file(target) as temporary:
        statement = timeline.facts.get("statement", "")
        return repaint_clip(path, temporary, partial(Canvas, timeline), comment=statement)


def draw_timeline(timeline, target):
    """Write a timeline as a PNG: a row a person, what voice, face and both say above each other.

    Voice and face are drawn as stacked posteriors, their shares in the colours of emotions; the
    answer in one colour with its name, *unsure* in grey, nothing to read left white. Where there
    are more windows than can be seen, a column is the mean of several, and the answer's column
    shows the share of each.

    Args:
        timeline: What ``predict_clip`` gave.
        target: Path of the file to be written.
    """
    people = list_people(timeline.table)
    end_s = find_end(timeline)
    shown = people[:MOST_PEOPLE]
    figure = Figure(figsize=(WIDTH_INCHES, 1.5 + 1.25 * max(len(shown), 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(len(shown), 1), 1, sharex=True, squeeze=False)[:, 0]
    columns = lay_columns(timeline, end_s)
    for ax, person in zip(axes, shown, strict=False):
        draw_person(ax, Answers(timeline.table, person), columns)
        name = name_person(person, is_sound=timeline.facts.get("width") == 0)
        ax.set_ylabel(name.replace(" off", "\noff"), color=INK, fontweight="bold")
    if not shown:
        text = ": ".join(["nothing to read", *list_reasons(timeline)])
        axes[0].text(0.5, 0.5, text, ha="center", va="center", transform=axes[0].transAxes)
        axes[0].set_yticks([])
    finish_axes(axes[-1], end_s)
    label_figure(figure, timeline, columns, len(people) - len(shown))
    with replace_file(target) as temporary:
        metadata = {"Description": timeline.facts.get("statement", "")}
        figure.savefig(temporary, format="png", dpi=DPI, metadata=metadata)


def list_reasons(timeline):
    """Return in a list what remarks there are, each once; an empty one where there are none."""
    remarks = [own for text in timeline.table["remarks"] if text for own in text.split("; ")]
    return [", ".join(dict.fromkeys(remarks))] if remarks else []


def find_end(timeline):
    """Return how long a timeline is, in seconds."""
    last_s = float(timeline.table["end_s"].max()) if len(timeline.table) else 0.0
    return max(float(timeline.facts.get("duration_s") or 0.0), last_s, 0.1)


def lay_columns(timeline, end_s):
    """Return the edges of columns in seconds, float64 (column + 1,), or None where all fit."""
    n_windows = len(timeline.table.drop_duplicates(["start_s", "end_s"]))
    return np.linspace(0, end_s, MOST_COLUMNS + 1) if n_windows > MOST_COLUMNS else None


def draw_person(ax, answers, columns):
    """Draw the three lanes of a person: above each other, the answer at the bottom."""
    top, places, names = 0.0, [], []
    for lane, height in LANES.items():
        if lane != "both":
            draw_stack(ax, answers, lane, columns, (top + height, top))
        elif columns is None:
            draw_answers(ax, answers, (top + height, top))
        else:
            draw_answer_shares(ax, answers, columns, (top + height, top))
        places.append(top + height / 2)
        names.append({"both": "answer"}.get(lane, lane))
        top += height + 0.12
    ax.set_ylim(top - 0.12, 0)
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.spines[["top", "right", "left"]].set_visible(False)


def draw_stack(ax, answers, side, columns, place):
    """Draw what one side says over time, as stacked posteriors."""
    posteriors = answers.posteriors[side]
    if columns is not None:
        image = paint_shares(average_columns(answers, posteriors, columns), STACK_PIXELS)
        _show(ax, image, (columns[0], columns[-1]), place)
        return
    image = paint_shares(posteriors, STACK_PIXELS)
    for k, span in enumerate(zip(answers.from_s, answers.to_s, strict=True)):
        if np.isfinite(posteriors[k]).all():
            _show(ax, image[:, k : k + 1], span, place)


def draw_answers(ax, answers, place):
    """Draw each stretch of one answer, with its name where there is room."""
    bottom, top = place
    for from_s, to_s, emotion in answers.list_runs():
        colour = find_colour(emotion)
        hatch = "////" if emotion == "unsure" else None
        ax.barh(
            (top + bottom) / 2,
            to_s - from_s,
            left=from_s,
            height=bottom - top,
            color=colour,
            edgecolor="white",
            linewidth=0.8,
            hatch=hatch,
        )
        ax.annotate(
            emotion,
            ((from_s + to_s) / 2, (top + bottom) / 2),
            ha="center",
            va="center",
            fontsize=9,
            color=find_text_colour(colour),
            gid=f"name {to_s - from_s}",
        )


def draw_answer_shares(ax, answers, columns, place):
    """Draw of each column the share of each answer; unsure lies at the bottom, in grey."""
    names = (*EMOTIONS, "unsure")
    said = np.array([[emotion == name for name in names] for emotion in answers.emotions], float)
    shares = average_columns(answers, said.reshape(-1, len(names)), columns)
    image = paint_shares(shares, STACK_PIXELS, names=names)
    _show(ax, image, (columns[0], columns[-1]), place)


def average_columns(answers, values, columns):
    """Return the mean of values, float64 (answer, n), over each column, NaN where none stands.

    Answers without a value, rows of NaN or of zeros, do not count.
    """
    is_read = np.isfinite(values).all(axis=1) & (np.nansum(values, axis=1) > 0)
    read = np.where(is_read[:, None], values, 0.0)
    amounts = np.column_stack([read, is_read]) * (answers.to_s - answers.from_s)[:, None]
    edges = np.stack([answers.from_s, answers.to_s], axis=1).ravel()
    until = np.cumsum(amounts, axis=0)
    totals = np.stack([until - amounts, until], axis=1).reshape(len(edges), -1)
    at = np.stack([np.interp(columns, edges, total) for total in totals.T], axis=1)
    sums = np.diff(at, axis=0)
    seconds = sums[:, -1:]
    return np.where(seconds > 1e-6, sums[:, :-1] / seconds.clip(1e-6), np.nan)


def finish_axes(ax, end_s):
    """Label the one axis of time."""
    ax.set_xlim(0, end_s)
    ax.set_xlabel("time (s)" if end_s < 90 else "time (min:s)", color=INK)
    if end_s >= 90:
        ax.xaxis.set_major_locator(_choose_ticks(end_s))
        ax.xaxis.set_major_formatter(lambda value, _: tell_time(value))


def _choose_ticks(end_s):
    from matplotlib.ticker import MultipleLocator

    steps = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return MultipleLocator(next((step for step in steps if end_s / step <= 12), end_s / 10))


def label_figure(figure, timeline, columns, n_left_out):
    """Write the title, the legend, and below it what is not seen; names that do not fit go."""
    facts = timeline.facts
    handles = [Patch(color=EMOTION_COLOURS[emotion], label=emotion) for emotion in EMOTIONS]
    handles.append(Patch(facecolor=UNSURE_COLOUR, hatch="////", edgecolor="white", label="unsure"))
    figure.legend(handles=handles, loc="outside lower center", ncols=9, frameon=False, fontsize=9)
    remarks = []
    if columns is not None:
        remarks.append(f"each column is the mean of {columns[1] - columns[0]:.3g} s")
    if n_left_out:
        remarks.append(f"{n_left_out} more people are in the table")
    title = str(facts.get("file", "")) + "".join(f" · {remark}" for remark in remarks)
    figure.suptitle(title, color=INK, fontsize=11)
    figure.draw_without_rendering()
    for ax in figure.axes:
        _drop_names(ax)


def _drop_names(ax):
    """Remove the names that are wider than the stretch that they stand on."""
    seconds_a_pixel = np.diff(ax.get_xlim())[0] / ax.get_window_extent().width
    for text in list(ax.texts):
        if not (text.get_gid() or "").startswith("name "):
            continue
        room_s = float(text.get_gid().split()[1])
        if text.get_window_extent().width * 1.1 * seconds_a_pixel > room_s:
            text.remove()


def _show(ax, image, span, place):
    ax.imshow(image, extent=(*span, *place), aspect="auto", interpolation="nearest")

"""Pictures of what an answer rests on: maps over faces and sound, shares, probes, trees.

Red speaks for the emotion, blue against it; what is measured in nats of log-odds says so.
"""

from io import BytesIO

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from PIL import Image

from preprocessing.plots.sound import lay_faces, plot_faces, plot_mel, plot_waveform
from preprocessing.plots.style import ACCENT, ALARM, EMOTION_COLOURS, INK, open_axes, strip_spines

NATS = "log-odds lost (nats)"
FOR, AGAINST = np.array(to_rgb("#FF4A00")), np.array(to_rgb("#1F7BFF"))
STRONGEST = 0.65
"""How much of a face its map hides where it is largest."""


def overlay_maps(faces, maps):
    """Return faces with their maps in colour, uint8 (time, height, width, 3).

    Args:
        faces: uint8 (time, height, width) or (time, height, width, 3).
        maps: float (time, height, width); above 0 red, below blue, the largest of all strongest.
    """
    faces = np.asarray(faces, float) / 255
    grey = faces if faces.ndim == 4 else np.repeat(faces[..., None], 3, axis=3)
    share = STRONGEST * np.asarray(maps) / max(np.abs(maps).max(), 1e-12)
    colour = np.where(share[..., None] > 0, FOR, AGAINST)
    strength = np.abs(share)[..., None]
    return (255 * (grey * (1 - strength) + colour * strength)).round().astype(np.uint8)


def plot_explained_clip(
    clip, *, title="", face_maps=None, mel_map=None, stretches=None, figure=None
):
    """Draw a clip and its maps above each other, over the same seconds.

    Args:
        clip: With ``faces`` uint8 (time, height, width[, 3]) and their ``times``, or None;
            ``waveform``, ``rate_hz``; ``mel`` (time, mel) in dB, ``hop_ms``.
        title: Of the figure.
        face_maps: By title, float (time, height, width).
        mel_map: Title and float (time, mel), or None.
        stretches: Title, edges in seconds (stretch + 1,) and nats (stretch,), or None.
        figure: An empty one, or None.
    """
    end_s = max(len(clip.waveform) / clip.rate_hz, len(clip.mel) * clip.hop_ms / 1000)
    span, rows, shown = (0.0, end_s), {}, None
    if clip.faces is not None:
        shown, step_s, span = lay_faces(clip.times, end_s)
        drawn = {name: overlay_maps(clip.faces, own) for name, own in (face_maps or {}).items()}
        pictures = drawn or {"face": clip.faces}
        rows = dict.fromkeys(pictures, 8.4 * step_s / np.ptp(span))
    rows |= {"waveform": 0.8} | ({"stretches": 0.9} if stretches else {}) | {"mel": 1.2}
    rows |= {"mel map": 1.2} if mel_map else {}
    figure = figure or plt.figure(figsize=(9, sum(rows.values()) + 1.2), layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=list(rows.values()))
    axes = dict(zip(rows, axes, strict=True))
    if shown is not None:
        for name, own in pictures.items():
            plot_faces(own[shown], clip.times[shown], step_s, span, ax=axes[name])
            axes[name].set_ylabel(name)
    plot_waveform(clip.waveform, clip.rate_hz, ax=axes["waveform"])
    if stretches:
        plot_stretches(*stretches[1:], ax=axes["stretches"])
        axes["stretches"].set_ylabel(f"{stretches[0]}\n(nats)")
    plot_mel(clip.mel, clip.hop_ms, rate_hz=clip.rate_hz, bar=False, ax=axes["mel"])
    if mel_map:
        _draw_mel_map(clip, mel_map[1], axes["mel map"])
        axes["mel map"].set_ylabel(f"{mel_map[0]}\n(Hz)")
    for ax in axes.values():
        ax.set(title="", xlabel="", xlim=span)
    ax.set_xlabel("time (s)")
    figure.align_ylabels(list(axes.values()))
    figure.suptitle(title)
    return figure


def _draw_mel_map(clip, values, ax):
    """Draw a spectrogram in grey with a map in colour above it."""
    plot_mel(clip.mel, clip.hop_ms, rate_hz=clip.rate_hz, bar=False, ax=ax)
    (image,) = ax.images
    image.set_cmap("gray")
    levels = image.norm(image.get_array().astype(float)).clip(0, 1).filled(0)
    coloured = overlay_maps((255 * levels[None]).astype(np.uint8), values.T[None])[0]
    ax.imshow(coloured, extent=image.get_extent(), origin="lower", aspect="auto")


def plot_stretches(edges_s, nats, *, ax=None):
    """Draw what silencing each stretch of a voice costs, over seconds (stretch + 1,)."""
    ax = open_axes(ax, 5, 2.2)
    edges_s, nats = np.asarray(edges_s, float), np.array(nats, float)
    colours = np.where(nats > 0, ALARM, ACCENT)
    ax.bar(edges_s[:-1], nats, 0.94 * np.diff(edges_s), align="edge", color=colours)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set(xlabel="time (s)", ylabel=NATS, xlim=(edges_s[0], edges_s[-1]))
    return strip_spines(ax)


def plot_bands(edges_hz, nats, *, ax=None):
    """Draw what removing each band of frequencies (band + 1,) of a voice costs."""
    ax = open_axes(ax, 3.4, 2.6)
    nats, rows = np.array(nats, float), np.arange(len(nats))
    ax.barh(rows, nats, color=np.where(nats > 0, ALARM, ACCENT))
    ax.axvline(0, color=INK, linewidth=0.8)
    names = [f"{low:g}–{high:g}" for low, high in zip(edges_hz[:-1], edges_hz[1:], strict=True)]
    ax.set_yticks(rows, names, fontsize=8)
    ax.set(xlabel=NATS, ylabel="band removed (Hz)")
    return strip_spines(ax)


def plot_face_map(face, patches, *, ax=None):
    """Draw a face, uint8 (height, width), or none, under its patches (row, column) in nats."""
    ax = open_axes(ax, 3, 3)
    patches = np.array(patches, float)
    limit = max(np.nanmax(np.abs(patches)), 1e-9)
    side = 1 if face is None else len(face)
    extent = (0, side, side, 0)
    if face is not None:
        ax.imshow(face, cmap="gray", vmin=0, vmax=255, extent=extent)
    style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "extent": extent}
    alpha = 1.0 if face is None else STRONGEST * np.nan_to_num(np.abs(patches)) / limit
    picture = ax.imshow(patches, alpha=alpha, interpolation="nearest", **style)
    ax.figure.colorbar(picture, ax=ax, label=NATS, shrink=0.85)
    ax.set_axis_off()
    return ax


def plot_contributions(shares, *, title="", ax=None):
    """Draw how shares of log-odds, by name, add up from the first to their sum.

    ``shares`` are nats; the first, the prior, starts at 0, each of the others where the one before
    it ends.
    """
    ax = open_axes(ax, 4.2, 0.9 + 0.45 * (len(shares) + 1))
    total, names = 0.0, [*shares, "answer"]
    for row, (name, own) in enumerate(shares.items()):
        colour = INK if name == "prior" else ALARM if own > 0 else ACCENT
        ax.barh(row, own, left=total, color=colour, height=0.6)
        total += own
        ax.plot([total, total], [row - 0.3, row + 1.3], color=INK, linewidth=0.8)
        ax.annotate(
            f"{own:+.2f}",
            (max(total, total - own), row),
            (4, 0),
            va="center",
            fontsize=8,
            textcoords="offset points",
        )
    ax.barh(len(shares), total, color=INK, height=0.6)
    odds = 1 / (1 + np.exp(-total))
    ax.annotate(
        f"{total:+.2f} = {odds:.0%}",
        (max(total, 0), len(shares)),
        (4, 0),
        va="center",
        fontsize=8,
        textcoords="offset points",
    )
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(len(names) - 0.4, -0.6), xlabel="log-odds against the rest (nats)", title=title)
    ends = np.cumsum([0.0, *shares.values()])
    room = np.ptp(ends)
    ax.set_xlim(ends.min() - 0.05 * room, ends.max() + 0.5 * room)
    return strip_spines(ax)


def plot_explanation(told, *, figure):
    """Draw what a window's answer rests on, of ``modeling.predict.explaining``.

    ``told`` has ``contributions``, ``rival``, ``voice`` and ``face``, and what is ``shown``.
    """
    axes = figure.subplots(1, 4, width_ratios=[1.25, 1, 1.4, 1.05])
    plot_contributions(told.contributions, title="what each side adds", ax=axes[0])
    if told.face:
        plot_face_map(told.shown.get("face"), told.face["patches"], ax=axes[1])
    if told.voice:
        plot_stretches(told.voice["edges_s"], told.voice["times"], ax=axes[2])
        plot_bands(told.voice["edges_hz"], told.voice["bands"], ax=axes[3])
    titles = ["face without a patch", "voice without a stretch", "voice without a band"]
    for ax, title, is_there in zip(axes[1:], titles, [told.face, *[told.voice] * 2], strict=True):
        ax.set_title(title if is_there else f"{title.split()[0]}: nothing to read", fontsize=10)
        ax.set_axis_off() if not is_there else None
    axes[0].title.set_fontsize(10)
    return figure


def plot_faithfulness(summary, *, title="", figure=None):
    """Draw by how much maps beat their rivals in deletion and insertion, with 95% intervals.

    ``summary`` is that of ``explain.faithfulness.summarise``; filled points hold, empty ones fail.
    """
    maps = list(dict.fromkeys(summary["map"]))
    figure = figure or plt.figure(figsize=(10, 1.3 + 0.55 * len(maps)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    rivals = list(dict.fromkeys(summary["rival"]))
    for ax, way in zip(axes, ("deletion", "insertion"), strict=True):
        for row in summary[summary["way"] == way].itertuples():
            place = rivals.index(row.rival)
            y = maps.index(row.map) + 0.22 * (place - (len(rivals) - 1) / 2)
            colour = (ACCENT, ALARM, INK)[place % 3]
            ax.plot([row.low, row.high], [y, y], color=colour, linewidth=1.6)
            face = colour if row.holds else "white"
            first = row.map == maps[0]
            ax.plot(
                row.gain,
                y,
                "osD"[place % 3],
                color=colour,
                markerfacecolor=face,
                label=f"against {row.rival}" if first else None,
            )
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set(title=way, xlabel="gain of the area (posterior), mean of clips")
        strip_spines(ax)
    axes[0].set_yticks(range(len(maps)), maps)
    axes[0].set_ylim(len(maps) - 0.5, -0.5)
    axes[1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.suptitle(title)
    return figure


def plot_probes(table, *, ax=None):
    """Draw what embeddings know: recall of each probe, and what shuffled values give.

    ``table`` is that of ``explain.probes.probe_runs``.
    """
    runs, things = (list(dict.fromkeys(table[name])) for name in ("run", "what"))
    ax = open_axes(ax, 10, 1.2 + 0.24 * len(runs) * len(things))
    height = 0.8 / len(runs)
    colours = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(runs)))
    for row in table.itertuples():
        number = runs.index(row.run)
        y = things.index(row.what) + (number - (len(runs) - 1) / 2) * height
        first = things.index(row.what) == 0
        ax.barh(
            y, row.recall, 0.9 * height, color=colours[number], label=row.run if first else None
        )
        reach = table.loc[row.Index, "shuffled 95%"]
        ax.plot([reach, reach], [y - height / 2, y + height / 2], color=ALARM, linewidth=1.6)
    for place, what in enumerate(things):
        chance = table.loc[table["what"] == what, "chance"].iloc[0]
        ax.plot([chance, chance], [place - 0.45, place + 0.45], ":", color=INK, linewidth=1)
    ax.set_yticks(range(len(things)), things)
    ax.set(xlim=(0, 1), ylim=(len(things) - 0.5, -0.5), xlabel="unweighted recall, out of fold")
    ax.set_title("What embeddings know (dotted: chance; red: 95% of shuffled values)", loc="left")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return strip_spines(ax)


def plot_lost_without(table, *, ax=None):
    """Draw what each family of features is worth, of ``explain.probes.measure_importance``."""
    ax = open_axes(ax, 7, 1.1 + 0.26 * len(table))
    rows, points = np.arange(len(table)), 100 * table["loss"]
    spread = {"xerr": 100 * table["deviation"], "ecolor": INK, "error_kw": {"linewidth": 0.8}}
    ax.barh(rows, points, color=np.where(points > 0, ACCENT, "#B8C4D0"), **spread)
    ax.axvline(0, color=INK, linewidth=0.8)
    counts = table["n_features"]
    ax.set_yticks(rows, [f"{name} ({n})" for name, n in counts.items()], fontsize=8)
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel="recall lost when shuffled (points)")
    ax.set(title="Named features, shuffled family by family", ylabel="family (features)")
    return strip_spines(ax)


def plot_tree(tree, names, emotions, *, ax=None):
    """Draw a decision tree; each end is in the colour of the emotion that it names."""
    from sklearn.tree import plot_tree as draw_tree  # a second, which the other pictures save

    depth = tree.get_depth()
    ax = open_axes(ax, min(1.6 * 2**depth, 16), 0.95 * (depth + 1))
    options = {"feature_names": list(names), "class_names": list(emotions), "impurity": False}
    boxes = draw_tree(tree, label="none", ax=ax, fontsize=8, **options)
    for box in boxes:
        if (patch := box.get_bbox_patch()) is None:  # the words beside an arrow
            continue
        *question, n_clips, _, said = box.get_text().splitlines()
        box.set_text("\n".join([*question, f"{n_clips} clips", *[said] * (not question)]))
        colour = "#A9B4C0" if question else EMOTION_COLOURS.get(said, INK)
        patch.set(facecolor=0.3 * np.array(to_rgb(colour)) + 0.7, edgecolor=colour)
    return ax


def shrink_figure(figure, *, n_colours=256):
    """Return a figure as a PNG of few colours, bytes, and close it: a third of the room or less."""
    whole, small = BytesIO(), BytesIO()
    figure.savefig(whole, format="png")
    plt.close(figure)
    picture = Image.open(whole).convert("RGB")
    picture.quantize(n_colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()

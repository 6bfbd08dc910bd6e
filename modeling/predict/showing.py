"""Show a clip and what is said of it: in a notebook, and as the picture in the README.

    python -m modeling.predict.showing

writes ``two_people.png`` beside this file: two drawn people who talk in turn.
"""

import base64
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from modeling.predict.answers import Boxes
from preprocessing import index
from preprocessing.clips import locations
from preprocessing.clips.stills import SUFFIXES, read_still
from preprocessing.clips.stream import open_stream
from preprocessing.corpora.drawn import clip, scene
from preprocessing.disk import arrays
from preprocessing.disk.files import replace_file

PICTURE = Path(__file__).with_name("two_people.png")
TURNS = ((1, "surprised"), (2, "neutral"), (1, "happy"), (2, "sad"))
"""Who speaks in the picture, and with which emotion; two sentences a turn."""


def choose_clip(corpus, *, chosen=""):
    """Return the path or URL of the clip to read, and its emotion, "" where that is not known.

    Args:
        corpus: A corpus that notebook 10 has indexed.
        chosen: Path or URL of the clip; empty for one of the corpus.

    Raises:
        FileNotFoundError: There is no such file, or the corpus has not been indexed.
    """
    if chosen:
        path = chosen if locations.is_url(chosen) else Path(arrays.find_home(), chosen).expanduser()
        if isinstance(path, Path) and not path.is_file():
            raise FileNotFoundError(f"No file {chosen}; CLIP is a path or URL, or empty.")
        return path, ""
    clips = arrays.read_clips(arrays.corpus_folder(corpus))
    (first,) = arrays.choose_examples(clips, 1)
    path = find_file(corpus, first)
    return path, clips.set_index("clip_id").loc[first, "emotion"]


def find_file(corpus, clip_id):
    """Return the path or URL of a clip of a corpus, of its picture where it has one."""
    clips = arrays.read_clips(arrays.corpus_folder(corpus)).set_index("clip_id")
    return locations.join(
        index.read_base(corpus), clips.loc[clip_id, "video"] or clips.loc[clip_id, "audio"]
    )


def take_frames(path, times):
    """Return the frames that a clip shows at ``times``, list of uint8 (height, width, 3) RGB.

    Args:
        path: Path or URL of a clip.
        times: Seconds, ascending; after the clip's end the last frame stands.
    """
    if locations.get_path(path).suffix.lower() in SUFFIXES:
        return [read_still(path)[0].convert(None)] * len(times)
    waiting, frames, latest = list(times), [], None
    with open_stream(path, rate_hz=16_000) as stream:
        for part in stream.play():
            if not hasattr(part, "frame"):
                continue
            while waiting and latest is not None and waiting[0] < part.time_s:
                frames.append(latest.convert(None))
                waiting.pop(0)
            latest = part
            if not waiting:
                break
        frames += [latest.convert(None) for _ in waiting if latest is not None]
    return frames


def find_boxes(timeline, times, person=1):
    """Return a person's boxes at some seconds, float64 (time, 4), x1, y1, x2, y2; NaN for none."""
    found = Boxes(timeline.faces, person)
    boxes = [found.find(time_s) or (np.nan,) * 4 for time_s in times]
    x, y, width, height = np.array(boxes).reshape(-1, 4).T
    return np.stack([x, y, x + width, y + height], axis=1)


def embed_video(path, *, most_bytes=4_000_000):
    """Return a video as HTML that JupyterLab and Colab play; of a larger file, where it lies."""
    from IPython.display import HTML

    path = Path(path)
    if path.stat().st_size > most_bytes:
        size_mb = path.stat().st_size / 1e6
        return HTML(
            f"<p>{path.name}: {size_mb:.0f} MB, too large for a notebook; open the file.</p>"
        )
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return HTML(f'<video controls width="480" src="data:video/mp4;base64,{data}"></video>')


def show_person(path, target, networks=None):
    """Read a clip and write a frame of its annotated video above its timeline, as one PNG.

    Returns:
        The clip's `Timeline`.
    """
    from modeling.predict import drawing, predict_clip

    timeline = predict_clip(path, networks=networks)
    with tempfile.TemporaryDirectory() as folder:
        film, lanes = Path(folder, "film.mp4"), Path(folder, "lanes.png")
        drawing.draw_video(path, timeline, film)
        drawing.draw_timeline(timeline, lanes)
        (frame,) = take_frames(film, [0.6 * timeline.facts["duration_s"]])
        stack_pictures([Image.fromarray(frame), Image.open(lanes).convert("RGB")], target)
    return timeline


def stack_pictures(pictures, target, *, width=1100):
    """Write pictures below each other as one PNG, so wide; narrower ones stand in the middle."""
    fitted = [
        own.resize((width, round(own.height * width / own.width))) if own.width > width else own
        for own in pictures
    ]
    sheet = Image.new("RGB", (width, sum(own.height for own in fitted)), "white")
    top = 0
    for own in fitted:
        sheet.paste(own, ((width - own.width) // 2, top))
        top += own.height
    with replace_file(target) as temporary:
        sheet.save(temporary, "PNG", optimize=True)


def list_takes():
    """Return the takes of the picture, in order."""
    return [clip.Take(*turn, repetition) for turn in TURNS for repetition in (1, 2)]


def main():
    """Film two drawn people, read them, write the README's picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "two_people.mp4")
        scene.film_scene(path, list_takes())
        timeline = show_person(path, PICTURE)
    print(timeline.summary.round(2).to_string(index=False))
    print(f"{PICTURE.name}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

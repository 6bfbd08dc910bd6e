"""Paint on the planes of a video: boxes with labels, and a strip of the last seconds below."""

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from modeling.predict.answers import Answers, Boxes, list_people, name_person
from modeling.predict.planes import LUMA, make_even, paint_frame, paste, split_planes
from preprocessing.corpora import EMOTIONS
from preprocessing.plots.style import EMOTION_COLOURS, INK

STRIP_S = 10.0  # that the strip below the picture shows
MOST_ROWS = 4  # people in the strip: those who were read longest
REPEAT_S = 5.0  # after which a name is written again on an answer that lasts
LETTERS = 0.045  # height of text, as a share of the picture's shorter side; 12 pixels at least
UNSURE_COLOUR = "#DADADA"
NOTHING_COLOUR = "#FFFFFF"


def find_colour(emotion):
    """Return the colour of an emotion, of "unsure" and of "" (nothing to read), as "#RRGGBB"."""
    return {"unsure": UNSURE_COLOUR, "": NOTHING_COLOUR}.get(emotion) or EMOTION_COLOURS[emotion]


def find_text_colour(colour):
    """Return white or ink, whichever is the easier to read on a colour (contrast as WCAG 2)."""
    levels = np.array(ImageColor.getrgb(colour)) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return "#FFFFFF" if linear @ LUMA["bt709"] < 0.199 else "#101820"


@lru_cache(maxsize=8)
def open_font(size, *, bold=False):
    """Return DejaVu Sans, which matplotlib brings, in so many pixels."""
    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


def paint_shares(shares, height, names=EMOTIONS):
    """Return posteriors as stacked colours, the first emotion at the top.

    Args:
        shares: float64 (time, emotion), rows that sum to 1, or of NaN: left white.
        height: In pixels.
        names: Of the columns of ``shares``.

    Returns:
        uint8 (height, time, 3).
    """
    colours = np.array([ImageColor.getrgb(find_colour(name)) for name in names], np.uint8)
    edges = np.nancumsum(shares, axis=1)[:, :-1]
    levels = (np.arange(height) + 0.5) / height
    layers = (levels[:, None, None] > edges[None]).sum(axis=2)
    image = colours[layers]
    image[:, np.isnan(shares).any(axis=1)] = 255
    return image


class Canvas:
    """What is painted on a clip of one size. See `repaint.repaint_clip` for how it is called."""

    def __init__(self, timeline, size):
        """Prepare for pictures of ``size``, (width, height) in pixels; height 0: sound alone."""
        self.width, self.shown_height = size
        side = min(size) if self.shown_height else self.width / 2
        self.font_size = max(round(side * LETTERS), 12)
        self.line = max(2 * round(self.font_size / 12), 2)  # thickness of a box, even
        shown_width = timeline.facts.get("width") or self.width
        self.scale = self.width / shown_width
        people = list_people(timeline.table)
        self.answers = {person: Answers(timeline.table, person) for person in people}
        faces = timeline.faces
        numbers = sorted({int(n) for n in faces["person"]}) if self.shown_height else []
        cuts_s = timeline.facts.get("cuts_s", ())
        self.boxes = {person: Boxes(faces, person, cuts_s) for person in numbers}
        self.strip = Strip(self.answers, self.width, self.font_size, large=not self.shown_height)
        self.height = self.shown_height + self.strip.height

    def settle(self, matrix):
        """Take the matrix, "bt709" or "bt601", in which colours are written."""
        self.matrix = matrix
        self.strip.settle(matrix)
        self._make_sprite = lru_cache(maxsize=64)(self._draw_label)
        self._make_colour = lru_cache(maxsize=16)(self._split_colour)

    def paint(self, planes, time_s):
        """Paint what is known of an instant of the clip on the planes of its picture."""
        shown = [planes[0][: self.shown_height], *(p[: self.shown_height // 2] for p in planes[1:])]
        for person, boxes in self.boxes.items():
            box = boxes.find(time_s)
            if box is not None:
                self._paint_person(shown, person, box, time_s)
        lower = [planes[0][self.shown_height :], *(p[self.shown_height // 2 :] for p in planes[1:])]
        self.strip.paint(lower, time_s)

    def _paint_person(self, planes, person, box, time_s):
        emotion, text = "", str(person)
        if person in self.answers:
            answers = self.answers[person]
            index = int(answers.find(time_s))
            if index >= 0 and answers.emotions[index]:
                emotion = answers.emotions[index]
                text += f" {emotion}"
                confidence = answers.confidences[index]
                if emotion != "unsure" and np.isfinite(confidence):
                    text += f" {100 * confidence:.0f}%"
        left, top, width, height = (2 * round(value * self.scale / 2) for value in box)
        right, bottom = min(left + width, self.width), min(top + height, self.shown_height)
        left, top = max(left, 0), max(top, 0)
        if right - left < 2 * self.line or bottom - top < 2 * self.line:
            return
        paint_frame(planes, (left, top, right, bottom), self._make_colours(emotion), self.line)
        sprite = self._make_sprite(text, find_colour(emotion))
        sprite_height, sprite_width = sprite[0].shape
        x = min(left, self.width - sprite_width)
        y = top - sprite_height if top >= sprite_height else top
        paste(planes, sprite, max(x, 0), min(y, self.shown_height - sprite_height))

    def _make_colours(self, emotion):
        return self._make_colour(find_colour(emotion)), self._make_colour(NOTHING_COLOUR)

    def _split_colour(self, colour):
        image = np.broadcast_to(np.array(ImageColor.getrgb(colour), np.uint8), (2, 2, 3))
        return [int(plane[0, 0]) for plane in split_planes(image, self.matrix)]

    def _draw_label(self, text, colour):
        font = open_font(self.font_size, bold=True)
        pad = max(self.font_size // 4, 2)
        width = make_even(font.getlength(text) + 2 * pad + 1)
        height = make_even(1.45 * self.font_size)
        image = Image.new("RGB", (min(width, self.width), height), colour)
        pen = ImageDraw.Draw(image)
        pen.text((pad, height / 2), text, find_text_colour(colour), font, anchor="lm")
        return split_planes(np.asarray(image), self.matrix)


class Strip:
    """The last seconds: a row a person, the answer above what face and voice say of it together."""

    def __init__(self, answers, width, font_size, *, large):
        """Lay out the rows for a picture ``width`` pixels wide."""
        by_length = sorted(answers, key=lambda person: -measure_read(answers[person]))
        kept = set(by_length[:MOST_ROWS])
        self.answers = {person: own for person, own in answers.items() if person in kept}
        self.runs = {person: own.list_runs() for person, own in self.answers.items()}
        self.width, self.font_size = width, font_size
        self.gap = make_even(font_size * 0.3)
        self.band = make_even(font_size * 1.45)
        self.stack = make_even(font_size * (3.5 if large else 1.1))
        self.axis = make_even(font_size * 1.3)
        self.row = self.band + self.stack + self.gap
        self.height = self.gap + self.row * max(len(self.answers), 1) + self.axis
        names = [name_person(person, short=True) for person in self.answers]
        font = open_font(font_size, bold=True)
        text = max([font.getlength(name) for name in names], default=0)
        self.left = make_even(text + 2 * self.gap)
        self.span = self.width - self.left  # pixels of STRIP_S
        self.pixels_a_second = self.span / STRIP_S

    def settle(self, matrix):
        """Draw what does not move, in the colours of a matrix."""
        self.matrix = matrix
        self.header = split_planes(np.asarray(self._draw_header()), matrix)
        self._make_tile = lru_cache(maxsize=3)(
            lambda number: split_planes(np.asarray(self.draw_tile(number)), matrix)
        )

    def paint(self, planes, time_s):
        """Paint the seconds before an instant; the instant itself is the right edge."""
        paste(planes, self.header, 0, 0)
        first = 2 * int(np.floor((time_s - STRIP_S) * self.pixels_a_second / 2))
        number, offset = divmod(first, self.span)
        for k in (number, number + 1):
            tile = self._make_tile(k)
            begin = max(first - k * self.span, 0)
            x = max(k * self.span - first, 0)
            shown = min(self.span - begin, self.span - x)
            if shown > 0:
                part = [
                    tile[0][:, begin : begin + shown],
                    *(plane[:, begin // 2 : (begin + shown) // 2] for plane in tile[1:]),
                ]
                paste(planes, part, self.left + x, 0)

    def _draw_header(self):
        image = self._open_image(self.left)
        pen, font = ImageDraw.Draw(image), open_font(self.font_size, bold=True)
        for top, person in zip(self._list_tops(), self.answers, strict=True):
            place = (self.gap, top + (self.band + self.stack) / 2)
            pen.text(place, name_person(person, short=True), INK, font, anchor="lm")
        return image

    def _open_image(self, width):
        """Return an image of the strip's height, with the line that parts it from the picture."""
        image = Image.new("RGB", (width, self.height), NOTHING_COLOUR)
        ImageDraw.Draw(image).rectangle((0, 0, width, 1), UNSURE_COLOUR)
        return image

    def _list_tops(self):
        return [self.gap + self.row * k for k in range(len(self.answers))]

    def draw_tile(self, number):
        """Return the seconds ``number`` × STRIP_S and following, as an RGB image."""
        image = self._open_image(self.span)
        pen = ImageDraw.Draw(image)
        start_s = number * STRIP_S
        times = start_s + (np.arange(self.span) + 0.5) / self.pixels_a_second
        for top, person in zip(self._list_tops(), self.answers, strict=True):
            self._draw_stack(image, self.answers[person], times, top + self.band)
            self._draw_runs(pen, self.runs[person], start_s, top)
        self._draw_axis(pen, start_s)
        return image

    def _draw_stack(self, image, answers, times, top):
        index = answers.find(times)
        shares = np.where(index[:, None] < 0, np.nan, answers.posteriors["both"][index])
        image.paste(Image.fromarray(paint_shares(shares, self.stack)), (0, top))

    def _draw_runs(self, pen, runs, start_s, top):
        font = open_font(self.font_size)
        for from_s, to_s, emotion in runs:
            x, end = ((at_s - start_s) * self.pixels_a_second for at_s in (from_s, to_s))
            if end <= 0 or x >= self.span:
                continue
            colour = find_colour(emotion)
            pen.rectangle((round(x), top, round(end) - 1, top + self.band - 1), colour)
            pen.line((round(x), top, round(x), top + self.band - 1), "#FFFFFF", 1)
            text_width = font.getlength(emotion) + 2 * self.gap
            while x + text_width <= end:
                place = (x + self.gap, top + self.band / 2)
                pen.text(place, emotion, find_text_colour(colour), font, anchor="lm")
                x += max(REPEAT_S * self.pixels_a_second, text_width)

    def _draw_axis(self, pen, start_s):
        font = open_font(max(round(self.font_size * 0.8), 10))
        step_s = 2 if self.pixels_a_second > 2.5 * self.font_size else 5
        top = self.height - self.axis
        first = int(max(start_s - STRIP_S, 0) // step_s)
        for tick in range(first, int((start_s + 2 * STRIP_S) / step_s) + 1):
            x = (tick * step_s - start_s) * self.pixels_a_second
            pen.line((x, top, x, top + self.axis // 4), INK, 1)
            pen.text((x, top + self.axis * 0.62), tell_time(tick * step_s), INK, font, anchor="mm")


def measure_read(answers):
    """Return for how many seconds a person was read."""
    lengths = answers.to_s - answers.from_s
    return float(sum(s for s, emotion in zip(lengths, answers.emotions, strict=True) if emotion))


def tell_time(seconds):
    """Return seconds as "m:ss" or "h:mm:ss"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

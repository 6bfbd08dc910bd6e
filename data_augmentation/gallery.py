"""Galleries as files, for looking at beside the notebooks; git ignores their folder."""

import io

import matplotlib.pyplot as plt
from IPython.display import Image
from PIL import Image as pillow

from preprocessing.disk import arrays, files

FOLDER = "data_augmentation/gallery"  # below ``arrays.find_home()``
N_COLOURS = 96  # so that none is far from its own (6 of 255 on our spectrograms)


def save_picture(figure, name):
    """Write a figure as ``<name>.png`` into the gallery, whole or not at all, and close it.

    Galleries are many pictures in one. With few colours their files, and the notebooks that show
    them, are a third of the size and look the same. Axes stand for their figure; the picture is
    returned as it was written.
    """
    figure = figure if hasattr(figure, "savefig") else figure.figure
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    picture = pillow.open(drawn).convert("RGB")
    method, dither = pillow.Quantize.MAXCOVERAGE, pillow.Dither.NONE
    picture = picture.quantize(N_COLOURS, method=method, dither=dither)
    path = arrays.find_home() / FOLDER / f"{name}.png"
    with files.replace_file(path) as temporary:
        picture.save(temporary, format="png", optimize=True)
    print("saved", arrays.shorten_path(path))
    return Image(path.read_bytes())

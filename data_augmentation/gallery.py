"""Galleries as files, for looking at beside the notebooks; git ignores their folder."""

from preprocessing import arrays

FOLDER = "data_augmentation/gallery"
"""Where the pictures lie, below ``arrays.find_home()``."""


def save_picture(figure, name):
    """Write a figure as ``<name>.png`` into the gallery, whole or not at all.

    Args:
        figure: A matplotlib figure, or axes of one.
        name: Name of the file without its ending.

    Returns:
        The path, relative to ``arrays.find_home()``.
    """
    path = arrays.find_home() / FOLDER / f"{name}.png"
    figure = figure if hasattr(figure, "savefig") else figure.figure
    with arrays.replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, bbox_inches="tight")
    return arrays.shorten_path(path)

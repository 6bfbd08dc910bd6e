"""Progress bars that leave nothing behind, on a terminal as in a saved notebook."""

import sys

from tqdm import tqdm


def open_bar(**options):
    """Return a bar with tqdm's options; in a notebook it is text, which is gone at the end.

    tqdm's own bar for notebooks is a widget: of a saved notebook, opened again, an error remains.
    """
    if "ipykernel" in sys.modules:
        from IPython import get_ipython

        if hasattr(get_ipython(), "kernel"):
            options |= {"file": _Cell(), "mininterval": 0.5}
    return tqdm(leave=False, **options)


class _Cell:
    """What tqdm writes to: a text below a cell, each in the place of the one before."""

    encoding = "utf-8"

    def __init__(self):
        self.shown = None

    def write(self, text):
        from IPython.display import display

        data = {"text/plain": text.strip()}
        if self.shown:
            self.shown.update(data, raw=True)
        elif data["text/plain"]:
            self.shown = display(data, raw=True, display_id=True)

    def flush(self):
        pass

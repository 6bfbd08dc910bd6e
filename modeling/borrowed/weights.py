"""Find, fetch and verify the weights of networks trained by others, and do without them.

``PRETRAINED = True`` never falls back: it stops and says what to do. ``"if available"`` takes a
stand-in where the real weights cannot be had, says so, and returns a note that must stand beside
every score. ``False`` takes random weights on purpose. A file that is *named* never falls back.
"""

import os
import textwrap
from pathlib import Path

import pooch

from opencv_model.weights import fetch_file

RANDOM_INIT = "random init"
RATE_HZ = 16000
"""Samples per second of what YAMNet and Moonshine hear."""


class PretrainedError(RuntimeError):
    """Pretrained weights are missing or not what they should be; the message says what to do."""


def borrow_network(
    name, load, *, pretrained, advice, draw, stand_in=None, errors=(OSError, ValueError)
):
    """Return a network trained by others, or what stands in for it, and a note.

    Args:
        name: Of the network, for messages.
        load: Function that returns the network with its trained weights.
        pretrained: ``True``, ``"if available"`` or ``False``; see above.
        advice: What to do where it cannot be loaded, as text.
        draw: Function that returns the network with random weights.
        stand_in: Function from why it could not be loaded to another network and its note; without
            one the weights are random.
        errors: What ``load`` raises where the weights cannot be had.

    Returns:
        The network and what must stand beside its scores: ``""`` for the trained weights.

    Raises:
        PretrainedError: The weights are required but not to be had, or a named file is wrong.
        ValueError: ``pretrained`` is none of the three.
    """
    if not (isinstance(pretrained, bool) or pretrained == "if available"):
        raise ValueError(f"PRETRAINED = {pretrained!r}; expected True, 'if available' or False.")
    reason = "PRETRAINED = False"
    if pretrained:
        try:
            return load(), ""
        except PretrainedError:
            raise
        except errors as error:
            kind = type(error).__name__
            if pretrained is True:
                reason = textwrap.shorten(f"{kind}: {error}", 120)
                raise PretrainedError(f"{name} could not be loaded ({reason}). {advice}") from error
            words = kind if isinstance(error, OSError) else textwrap.shorten(str(error), 120)
            reason = f"not loaded: {words}"
            if stand_in:
                return stand_in(reason)
    print(f"{name}: RANDOM INIT ({reason}). PRETRAINED = True would stop and say what to do.")
    return draw(), RANDOM_INIT


def fetch_weights(name, url, checksum, what):
    """Return the path of weights in Keras's cache, downloaded at first use and verified each time.

    Args:
        name: Of the file in ``$KERAS_HOME/models``.
        url, checksum: As for ``fetch_file``.
        what: Words for what is fetched, and how large it is.

    Raises:
        OSError: There is no network, or no right to write.
        ValueError: What arrived, or lies there, has another checksum.
    """
    path = find_weights(name)
    if not path.is_file():
        print(f"{what}, are fetched once ...")
    try:
        return fetch_file(path, url, checksum)
    except OSError as error:
        if not path.is_file():
            raise
        kind, _, wanted = checksum.partition(":")
        found = f"the file in {path.parent.name}/ has {kind} {pooch.file_hash(path, kind)}"
        raise ValueError(f"{found}, not {wanted}") from error


def read_file(path, read, *, what, variable, default, url):
    """Return what a function reads from a file of weights that was named or fetched.

    Raises:
        PretrainedError: The file is absent, of another kind, or damaged.
    """
    if not path.is_file():
        raise PretrainedError(
            f"No file of {what} at {path}. Correct WEIGHTS or {variable}, or set "
            f"WEIGHTS = {default!r} and leave {variable} empty."
        )
    try:
        return read(path)
    except Exception as error:  # a damaged file of each kind raises other types
        text = f"{path.name} cannot be read as {what}: {error}. Fetch it anew: {url}"
        raise PretrainedError(text) from error


def find_weights(name):
    """Return where fetched weights are kept: in Keras's own cache."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home, "models", name)


def check_rate(rate_hz, name="YAMNet"):
    """Raise ValueError unless YAMNet, or Moonshine, can hear waveforms of this rate."""
    if rate_hz != RATE_HZ:
        raise ValueError(
            f"The waveforms have {rate_hz} Hz; {name} hears {RATE_HZ}. Rerun "
            "preprocessing/11_faces.ipynb, whose extract.Choices have that rate unless told."
        )

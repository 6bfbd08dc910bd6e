"""Picture files, as one picture of a film that has no others."""

import io
from functools import partial

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageOps, UnidentifiedImageError

from preprocessing.clips import display, locations
from preprocessing.clips.containers import MediaError
from preprocessing.clips.stream import Picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MAX_BYTES = 1 << 28  # of a picture file


def read_still(location):
    """Return a picture file as a `stream.Picture` at 0 s, upright, and its (width, height).

    Raises:
        MediaError: The file is no picture, is damaged or too large.
    """
    try:
        with locations.open_file(locations.find_location(location)) as file:
            data = file.read(MAX_BYTES + 1)
        if not data:
            raise MediaError("empty file (0 bytes)")
        if len(data) > MAX_BYTES:
            raise MediaError(f"picture file larger than {MAX_BYTES >> 20} MB")
        with Image.open(io.BytesIO(data)) as image:
            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError as error:
        raise MediaError("not a picture of a known kind, or damaged at its start") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"picture cannot be decoded ({error})") from error
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    convert = partial(display.convert_to_rgb, frame, VideoReformatter(), 1.0)
    return Picture(0.0, 0.0, frame, convert), rgb.shape[1::-1]

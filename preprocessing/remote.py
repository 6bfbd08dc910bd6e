"""Files behind URLs (s3, gs, http, memory ...), fetched whole through fsspec.

Clips are small, and an mp4 often has its index at the end: one request for all is faster than many
small ones, and it finds a broken connection before anything is decoded. Credentials are fsspec's.
"""

import io

LARGEST_BYTES = 512 * 2**20
"""Larger files are refused: a clip of a minute needs far less, and workers share the memory."""


class RemoteError(Exception):
    """A URL that cannot be read; the message is a short reason without the URL."""


def is_url(source):
    """Return whether a source is a URL, given as text, and not a path."""
    return isinstance(source, str) and "://" in source


def fetch(url):
    """Return a file behind a URL as io.BytesIO.

    Raises:
        RemoteError: It is missing, out of reach, too large or cut off.
    """
    try:
        import fsspec

        with fsspec.open(url, "rb") as file:
            promised = getattr(file, "size", None)
            if promised is not None and promised > LARGEST_BYTES:
                raise RemoteError(f"larger than {LARGEST_BYTES >> 20} MiB")
            data = file.read() if promised is not None else file.read(LARGEST_BYTES + 1)
    except RemoteError:
        raise
    except ImportError as error:
        raise RemoteError(f"this kind of URL needs a package: {error.name}") from error
    except Exception as error:  # each kind of storage has exceptions of its own
        raise RemoteError(_explain(error)) from error
    if not data:
        raise RemoteError("empty file (0 bytes)")
    if promised is not None and len(data) < promised:
        raise RemoteError(f"cut off: {len(data)} of {promised} bytes came")
    if len(data) > LARGEST_BYTES:
        raise RemoteError(f"larger than {LARGEST_BYTES >> 20} MiB")
    return io.BytesIO(data)


def _explain(error):
    """Return why a fetch failed; never the error's own text, which may hold the URL's secrets."""
    if isinstance(error, FileNotFoundError):
        return "no such file behind this URL"
    if isinstance(error, PermissionError):
        return "access to this URL is refused"
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    if status := getattr(error, "status", None):
        return f"the server answers {status}"
    return f"cannot be fetched ({type(error).__name__})"

"""Where raw clips lie: on this machine (a Path), or at a URL that fsspec reads (a str with "://").

fsspec speaks http and https at once; others want a package of theirs (``s3://``: s3fs, ``gs://``:
gcsfs) and say so. Links may be chained as fsspec writes them: ``simplecache::s3://bucket/ravdess``.
universal-pathlib is no substitute: its names keep a link's query and "%20", it joins "a#1.mp4"
unescaped, and whatever cannot be reached is for it a file that does not exist.
"""

import errno
import io
import os
import posixpath
import re
import stat
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

import fsspec

from preprocessing.clips.web_guard import WEB, ListedUrl, guard_requests

BLOCK_BYTES = 1 << 16  # what one request for a part of a remote file brings
MAX_DEPTH = 16  # folders below a URL: a web server's index may link in circles
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
GONE = (404, 410)
VERSIONS = ("ETag", "etag", "Last-Modified", "LastModified", "updated")
"""What servers call a file's version, the surest first."""

CHAIN = re.compile(r"((?:(?:(?!://|::).)*::)*)(.*?)((?:::.*)?)", re.DOTALL)
"""What stands before, at and after the link of a chained URL that names a path."""


def is_url(location):
    """Return whether a location is a URL rather than a path of this machine."""
    return isinstance(location, str) and "://" in location


def find_location(text):
    """Return what a user's text names: a URL as it is, else an absolute Path without links."""
    return text if is_url(text) else Path(os.path.realpath(Path(text).expanduser()))


def join(base, name):
    """Return the location, Path or URL, of a file that a list in the folder ``base`` names.

    An absolute path or a URL stands for itself; below a URL, a path is never of this machine, and
    no file may lie on a server of one's own network but the list's (``web_guard``).
    """
    if not is_url(base):
        return name if is_url(name) else Path(base, name)
    if not is_url(name):
        before, url, after = _split_chain(base)
        name = quote(name) if url.startswith(WEB) else name
        name = f"{before}{url}{'' if url.endswith('/') else '/'}{name}{after}"
    return ListedUrl(name, base)


def get_parent(location):
    """Return the folder of a file; a URL's query and fragment belong to the file."""
    if not is_url(location):
        return Path(location).parent
    before, url, after = _split_chain(location)
    folder = _drop_query(url).rpartition("/")[0]
    return f"{before}{folder}{'/' if folder.endswith(':/') else ''}{after}"


def get_path(location):
    """Return a location's path alone, for its name and its suffix: a PurePath."""
    if not is_url(location):
        return Path(location)
    url = _split_chain(location)[1]
    path = _drop_query(url).partition("://")[2]
    return PurePosixPath(unquote(path) if url.startswith(WEB) else path)


def get_base(source):
    """Return the folder that a source's relative names start from: a list's own, or the source."""
    if is_url(source):
        is_list = get_path(source).suffix.lower() in TABLE_SUFFIXES
    else:
        source = Path(source)
        is_list = source.is_file() or source.suffix.lower() == ".csv"
    return get_parent(source) if is_list else source


def explain_refusal(base, name):
    """Return why a name in a list at ``base`` is not followed, or an empty string.

    A list on this machine is its user's own and may name any file. A list at a URL is another's:
    it may name files below its own folder and full URLs of the web or of its own kind, but no
    file of this machine and nothing above its folder. Whether a URL leads into one's own network
    shows when it is opened, see ``web_guard``.
    """
    if not is_url(base):
        return ""
    if "::" in name:
        return "a chain of links is not followed from a list at a URL"
    if is_url(name):
        protocol = name.partition("://")[0].lower()
        followed = {*WEB, _split_chain(base)[1].partition("://")[0]}
        return "" if protocol in followed else f"{protocol}:// is not followed from a list at a URL"
    if name.startswith("/") or posixpath.normpath(name).split("/")[0] == "..":
        return "leads out of the folder of the list, which is at a URL"
    return ""


def is_file(location):
    """Return whether there is a file, followed through links."""
    if not is_url(location):
        return Path(location).is_file()
    with _reach(location) as (system, path):
        return system.isfile(path)


def measure_size(location):
    """Return a file's size in bytes, 0 where a web server does not say; OSError if it is absent."""
    return describe_file(location)[0]


def describe_file(location):
    """Return a file's size, as ``measure_size``, and a text that changes when the file does.

    It is the time of change in nanoseconds; of a remote file what its server says of the version,
    ``""`` where it says nothing.
    """
    if not is_url(location):
        found = Path(location).stat()
        return found.st_size, str(found.st_mtime_ns)
    with _reach(location) as (system, path):
        said = system.info(path)
    return said["size"] or 0, next((str(said[name]) for name in VERSIONS if said.get(name)), "")


@contextmanager
def open_file(location):
    """Yield a buffered reader of a file's bytes; of a remote one, little more is fetched than read.

    Raises:
        OSError: There is no such file, it cannot be read, or it is a pipe or a device.
    """
    if not is_url(location):
        if not stat.S_ISREG(mode := Path(location).stat().st_mode) and not stat.S_ISDIR(mode):
            raise OSError(f"{Path(location).name} is a pipe or a device, not a file")
        with Path(location).open("rb") as file:
            yield file
        return
    with _reach(location) as (system, path):
        file = system.open(path, "rb", block_size=BLOCK_BYTES)
    with file, io.BufferedReader(_Remote(file, location)) as reader:
        yield reader


def list_files(folder, *, skips):
    """Return the sorted POSIX names, relative to a folder (Path or URL), of all files below it.

    A linked folder is followed once. A web server is listed by the links of its index pages. What
    ``skips(name)`` is true of is passed over.

    Raises:
        OSError: There is no such folder (FileNotFoundError), it is a file (NotADirectoryError),
            a folder cannot be listed, or the URL cannot be reached.
    """
    names = _find_remote(folder) if is_url(folder) else _walk(Path(folder), skips)
    return sorted(name for name in names if not any(map(skips, name.split("/"))))


class _Remote(io.RawIOBase):
    """A remote file as Python's buffers want it; what goes wrong in reading is an OSError."""

    def __init__(self, file, url):
        self.file, self.url = file, url
        self.seekable, self.seek = file.seekable, file.seek

    def readable(self):
        return True

    def readinto(self, buffer):
        with _clear_errors(self.url):
            data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _walk(source, skips):
    """Yield the files below a local folder, relative to it."""
    if not source.is_dir():
        raise (NotADirectoryError if source.is_file() else FileNotFoundError)(str(source))
    seen = set()
    for here, folders, names in os.walk(source, followlinks=True, onerror=_refuse_folder):
        real = os.path.realpath(here)
        folders[:] = [] if real in seen else sorted(name for name in folders if not skips(name))
        if real not in seen:
            seen.add(real)
            yield from (Path(here, name).relative_to(source).as_posix() for name in names)


def _find_remote(url):
    """Return the files below a URL, relative to it; a list may leave out a link's "%20"."""
    with _reach(url) as (system, path):
        root = path.rstrip("/")
        files = system.find(root, maxdepth=MAX_DEPTH)
    if files in ([root], [root.lstrip("/")]):
        raise NotADirectoryError(url)
    start = len(root.lstrip("/")) + 1 if root.strip("/") else 0
    names = [file.lstrip("/")[start:] for file in files]
    if _split_chain(url)[1].startswith(WEB):
        names = [unquote(name.split("?")[0]) for name in names]
    return {name for name in names if name and ".." not in name.split("/")}


def _split_chain(url):
    return CHAIN.fullmatch(url).groups()


def _drop_query(url):
    return re.split("[?#]", url, maxsplit=1)[0] if url.startswith(WEB) else url


@contextmanager
def _reach(url):
    """Yield the file system of a URL, and its path there; what goes wrong is an OSError."""
    with _clear_errors(url):
        yield fsspec.core.url_to_fs(url, **guard_requests(url))


@contextmanager
def _clear_errors(url):
    """Turn what a remote system's library raises into an OSError that names the URL."""
    try:
        yield
    except Exception as error:  # every protocol's library has errors of its own
        shown = re.sub(r"//[^/@]*@", "//", url.split("?")[0])  # neither password nor query
        cause = error
        if isinstance(error, FileNotFoundError):  # for http, whatever went wrong
            cause = error.__cause__ or error
            absent = isinstance(cause, FileNotFoundError) or not isinstance(
                cause, (OSError, ValueError)
            )
            if absent and getattr(cause, "status", 404) in GONE:
                raise FileNotFoundError(f"{shown} does not exist") from error
        refused = getattr(getattr(cause, "os_error", None), "errno", 0) == errno.EACCES
        cause = cause.os_error.strerror if refused else cause
        reason = getattr(cause, "message", "") or str(cause) or type(cause).__name__
        raise OSError(f"{shown} cannot be read: {reason}") from error


def _refuse_folder(error):
    raise PermissionError(
        f"Cannot list the folder {error.filename}: {error.strerror}. "
        "Give yourself the right to read it (chmod -R u+rX) or leave it out."
    ) from error

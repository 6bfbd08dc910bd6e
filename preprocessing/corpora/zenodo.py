"""Fetch zip files of a Zenodo record: checksummed, resumed where they broke off, unpacked whole.

A folder that is there is done, a zip that is there is not fetched again, a broken-off zip
(``*.partial``) goes on by an HTTP range request. pooch's own DOI support starts a zip of 0.55 GB
anew and knows no mirror; its ``Unzip`` takes a half unpacked folder for a whole one.
"""

import shutil
import stat
import zipfile
from functools import partial
from pathlib import Path

import pooch
import requests

from preprocessing.workers.progress import open_bar

BASE_URL = "https://zenodo.org/api"
CHUNK_BYTES = 1 << 14  # what a broken connection can lose
TIMEOUT_S = 30
MAX_ZIP_BYTES = 1 << 32  # where the record does not say how large a file is
MAX_EXPANSION = 20  # film does not shrink in a zip, sound seldom to a tenth


def fetch_parts(base_url, record, name, folder, parts, *, checksum, by_hand):
    """Fetch a zip file of a record and unpack folders from it; do nothing where all are there.

    Args:
        base_url: Root of the API; ``record`` is a number there, as text, ``name`` a zip file of it.
        folder: Where the zip lies while it is needed; made if absent.
        parts: Dict from a target folder to the compiled pattern of the file names that go there.
        checksum: "md5:...", where it is known without the record.
        by_hand: What to do without network, for the error message.

    Raises:
        ValueError: The file differs from its checksum, lacks a part, or would unpack to more than
            a zip of clips can hold.
        OSError: The file is longer than published.
        ConnectionError: The server cannot be reached, or does not have the file.
    """
    parts = {target: pattern for target, pattern in parts.items() if not target.is_dir()}
    if not parts:
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        n_bytes = MAX_ZIP_BYTES
        if not checksum:
            checksum, n_bytes = _ask_record(record, name, base_url)
        url = f"{base_url}/records/{record}/files/{name}/content"
        files = {"registry": {name: checksum}, "urls": {name: url}}
        store = pooch.create(folder, base_url="", retry_if_failed=2, **files)
        resume = partial(_resume, half=folder / f"{name}.partial", max_bytes=n_bytes)
        path = Path(store.fetch(name, downloader=resume))
    except requests.RequestException as error:
        reason = error if isinstance(error, requests.HTTPError) else type(error).__name__
        raise ConnectionError(
            f"Could not fetch {name} ({reason}). What has come so far is kept: call this again to "
            f"go on. By hand: {by_hand}"
        ) from error
    for target, pattern in parts.items():
        _unpack(path, target, pattern)
    path.unlink()


def _ask_record(record, name, base_url):
    """Return a file's checksum ("md5:...") and size in bytes as its record publishes them."""
    response = requests.get(f"{base_url}/records/{record}", timeout=TIMEOUT_S)
    response.raise_for_status()
    for file in response.json()["files"]:
        if file["key"] == name:
            return file["checksum"], file.get("size") or MAX_ZIP_BYTES
    raise ValueError(f"Zenodo's record {record} has no file {name}.")


def _unpack(path, target, pattern):
    """Unpack the matching files of a zip into one flat folder, which appears when it is whole."""
    half = target.with_name(target.name + ".partial")
    shutil.rmtree(half, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            chosen = _choose_members(archive, path, target, pattern)
            half.mkdir(parents=True)
            for short, member in chosen.items():
                with archive.open(member) as packed, (half / short).open("wb") as file:
                    shutil.copyfileobj(packed, file)  # zipfile stops at the size declared
    except zipfile.BadZipFile as error:
        shutil.rmtree(half, ignore_errors=True)
        raise ValueError(
            f"{path.name} is broken: {error}. Delete it and call this again."
        ) from error
    half.rename(target)


def _choose_members(archive, path, target, pattern):
    """Return the members to unpack, by their own names: without paths, nothing lands elsewhere."""
    files = {
        member.filename.rsplit("/", 1)[-1]: member
        for member in archive.infolist()
        if not stat.S_ISLNK(member.external_attr >> 16)
    }
    chosen = {short: member for short, member in files.items() if pattern.fullmatch(short)}
    if not chosen:
        raise ValueError(f"{path.name} holds no file for {target.name}: found {list(files)[:3]}")
    declared, packed = sum(member.file_size for member in chosen.values()), path.stat().st_size
    if declared > MAX_EXPANSION * packed:
        raise ValueError(
            f"{path.name} has {packed} bytes and would unpack to {declared}: more than "
            f"{MAX_EXPANSION} times its size is no zip of clips. Nothing was unpacked."
        )
    return chosen


def _resume(url, output_file, store, *, half, max_bytes):
    """Download a file for pooch, going on from the end of what has come so far."""
    have = half.stat().st_size if half.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code != requests.codes.requested_range_not_satisfiable:
            response.raise_for_status()
            _append(response, half, have if response.status_code == 206 else 0, max_bytes)
        elif response.headers.get("Content-Range") != f"bytes */{have}":
            half.unlink()
            raise requests.ConnectionError("the partial file is longer than the whole")
    shutil.move(half, output_file)


def _append(response, half, have, max_bytes):
    """Write what comes after the first ``have`` bytes; a server may also start anew (0)."""
    total = have + int(response.headers.get("Content-Length", 0))
    with (
        half.open("ab" if have else "wb") as file,
        open_bar(total=total, initial=have, unit="B", unit_scale=True, desc=half.stem) as bar,
    ):
        for chunk in response.iter_content(CHUNK_BYTES):
            file.write(chunk)
            bar.update(len(chunk))
            if file.tell() > max_bytes:
                raise OSError(  # not ValueError: pooch would fetch it twice more
                    f"{half.stem} is longer than the {max_bytes} bytes expected: not the "
                    f"published file. Delete {half.name} and try again."
                )

"""Fetch zip files of a Zenodo record: checksummed, resumed where they broke off, unpacked whole.

Zenodo's record lists each file's size and MD5; pooch downloads to a temporary name, compares, and
renames. Three levels make a restart cheap: a folder that is there is done, a zip that is there is
not fetched again, and a broken-off zip (``*.partial``) goes on by an HTTP range request. pooch's
own DOI support starts a zip of 0.55 GB anew and knows no mirror; its ``Unzip`` takes a half
unpacked folder for a whole one and has no limit of size.
"""

import shutil
import stat
import zipfile
from pathlib import Path

import pooch
import requests
from tqdm.auto import tqdm

BASE_URL = "https://zenodo.org/api"
CHUNK_BYTES = 1 << 14  # what a broken connection can lose
TIMEOUT_S = 30
MAX_ZIP_BYTES = 1 << 32  # where the record does not say how large a file is
MAX_EXPANSION = 20  # film does not shrink in a zip, sound seldom to a tenth


def fetch_parts(record, name, folder, parts, *, base_url, checksum, by_hand):
    """Fetch a zip file of a record and unpack folders from it; do nothing where all are there.

    Args:
        record: The record's number, as text.
        name: The zip file's name.
        folder: Where the zip lies while it is needed; made if absent.
        parts: Dict from a target folder to the compiled pattern of the file names that go there.
        base_url: Root of the API.
        checksum: "md5:...", where it is known better than by the record.
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
        n_bytes = None
        if not checksum:
            checksum, n_bytes = _ask_record(record, name, base_url)
        url = f"{base_url}/records/{record}/files/{name}/content"
        files = {"registry": {name: checksum}, "urls": {name: url}}
        store = pooch.create(folder, base_url="", retry_if_failed=2, **files)
        resumer = _Resumer(folder / f"{name}.partial", n_bytes or MAX_ZIP_BYTES)
        path = Path(store.fetch(name, downloader=resumer))
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
    """Return a file's checksum ("md5:...") and size (or None) as its record publishes them."""
    response = requests.get(f"{base_url}/records/{record}", timeout=TIMEOUT_S)
    response.raise_for_status()
    for file in response.json()["files"]:
        if file["key"] == name:
            return file["checksum"], file.get("size")
    raise ValueError(f"Zenodo's record {record} has no file {name}.")


def _unpack(path, target, pattern):
    """Unpack the matching files of a zip into one flat folder, which appears when it is whole."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            chosen = _choose_members(archive, path, target, pattern)
            partial.mkdir(parents=True)
            for short, member in chosen.items():
                with archive.open(member) as packed, (partial / short).open("wb") as file:
                    shutil.copyfileobj(packed, file)  # zipfile stops at the size declared
    except zipfile.BadZipFile as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise ValueError(
            f"{path.name} is broken: {error}. Delete it and call this again."
        ) from error
    partial.rename(target)


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
        largest = max(chosen.values(), key=lambda member: member.file_size)
        raise ValueError(
            f"{path.name} has {packed} bytes and would unpack to {declared}, of which "
            f"{largest.filename} {largest.file_size}: more than {MAX_EXPANSION} times its size is "
            "no zip of clips. Nothing was unpacked."
        )
    return chosen


class _Resumer:
    """A pooch downloader that keeps what has come of a file and goes on from its end."""

    def __init__(self, partial, max_bytes):
        self.partial, self.max_bytes = partial, max_bytes

    def __call__(self, url, output_file, store):
        """Download ``url`` by way of the partial file, then move that to ``output_file``."""
        have = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                response.raise_for_status()
                self._append(response, have if response.status_code == 206 else 0)
            elif response.headers.get("Content-Range") != f"bytes */{have}":
                self.partial.unlink()
                raise requests.ConnectionError("the partial file is longer than the whole")
        shutil.move(self.partial, output_file)

    def _append(self, response, have):
        """Write what comes after the first ``have`` bytes; a server may also start anew (0)."""
        total = have + int(response.headers.get("Content-Length", 0))
        title = self.partial.stem
        with (
            self.partial.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=title) as bar,
        ):
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > self.max_bytes:
                    raise OSError(  # not ValueError: pooch would fetch it twice more
                        f"{title} is longer than the {self.max_bytes} bytes expected: not the "
                        f"published file. Delete {self.partial.name} and try again."
                    )

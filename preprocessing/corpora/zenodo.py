"""Fetch zip files of a Zenodo record: checksummed, resumed where they broke off, unpacked whole.

Zenodo's record lists each file's size and MD5; pooch downloads to a temporary name, compares, and
renames. Three levels make a restart cheap: a folder that is there is done, a zip that is there is
not fetched again, and a broken-off zip (``*.partial``) goes on by an HTTP range request.
"""

import shutil
import zipfile
from pathlib import Path

import pooch
import requests
from tqdm.auto import tqdm

BASE_URL = "https://zenodo.org/api"
CHUNK_BYTES = 1 << 14  # what a broken connection can lose
TIMEOUT_S = 30


def fetch_parts(record, name, folder, parts, *, base_url, known, keep_zip, by_hand):
    """Fetch a zip file of a record and unpack folders from it; do nothing where all are there.

    Args:
        record: The record's number, as text.
        name: The zip file's name.
        folder: Where the zip lies while it is needed.
        parts: Dict from a target folder to the compiled pattern of the file names that go there.
        base_url: Root of the API.
        known: Dict from file name to "md5:..."; goes before what the record says.
        keep_zip: Leave the zip file in ``folder``.
        by_hand: What to do without network, for the error message.

    Raises:
        ValueError: The file differs from its checksum, or lacks a part.
        ConnectionError: The server cannot be reached, or does not have the file.
    """
    parts = {target: pattern for target, pattern in parts.items() if not target.is_dir()}
    if not parts:
        return
    url = f"{base_url}/records/{record}/files/{name}/content"
    try:
        checksum = known.get(name) or read_checksums(record, base_url=base_url).get(name)
        if checksum is None:
            raise ValueError(f"Zenodo's record {record} has no file {name}.")
        path = fetch_file(url, Path(folder, name), checksum=checksum)
    except requests.RequestException as error:
        reason = error if isinstance(error, requests.HTTPError) else type(error).__name__
        raise ConnectionError(
            f"Could not fetch {name} ({reason}). What has come so far is kept: call this again to "
            f"go on. By hand: {by_hand}"
        ) from error
    for target, pattern in parts.items():
        unpack(path, target, pattern=pattern)
    if not keep_zip:
        path.unlink()


def read_checksums(record, *, base_url=BASE_URL):
    """Return each file's checksum ("md5:...") as a Zenodo record publishes them.

    Raises:
        requests.RequestException: The record cannot be read.
    """
    response = requests.get(f"{base_url}/records/{record}", timeout=TIMEOUT_S)
    response.raise_for_status()
    return {file["key"]: file["checksum"] for file in response.json()["files"]}


def fetch_file(url, path, *, checksum):
    """Return ``path`` once it holds the verified file, fetching what is not there yet.

    Args:
        url: Where from.
        path: Where to; ``<path>.partial`` holds what has come so far.
        checksum: "md5:..." or "sha256:...".

    Raises:
        ValueError: The file differs from its checksum.
        requests.RequestException: The server cannot be reached; two more tries were made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    store = pooch.create(
        path.parent,
        base_url="",
        registry={path.name: checksum},
        urls={path.name: url},
        retry_if_failed=2,
    )
    partial = path.with_name(path.name + ".partial")
    return Path(store.fetch(path.name, downloader=_Resumer(partial)))


def unpack(path, target, *, pattern):
    """Unpack the matching files of a zip into one flat folder, which appears when it is whole.

    Only a member's own name is used, never its path, so nothing lands outside ``target``.

    Args:
        path: The zip file.
        target: The folder to make; must not exist.
        pattern: Compiled pattern that a file name must match entirely.

    Raises:
        ValueError: No member matches.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        names = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
        chosen = {short: name for short, name in names.items() if pattern.fullmatch(short)}
        if not chosen:
            raise ValueError(
                f"{path.name} holds no file for {target.name}: found {list(names)[:3]}"
            )
        partial.mkdir(parents=True)
        for short, name in chosen.items():
            with archive.open(name) as packed, (partial / short).open("wb") as file:
                shutil.copyfileobj(packed, file)
    partial.rename(target)


class _Resumer:
    """A pooch downloader that keeps what has come of a file and goes on from its end."""

    def __init__(self, partial):
        self.partial = partial

    def __call__(self, url, output_file, store):
        """Download ``url`` by way of the partial file, then move that to ``output_file``."""
        have = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self._check_whole(response, have)
            else:
                response.raise_for_status()
                self._append(response, have if response.status_code == 206 else 0)
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

    def _check_whole(self, response, have):
        """Accept a partial file that has every byte already; drop one that has more."""
        if response.headers.get("Content-Range") != f"bytes */{have}":
            self.partial.unlink()
            raise requests.ConnectionError("the partial file is longer than the whole")

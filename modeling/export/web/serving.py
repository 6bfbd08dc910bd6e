"""Put the page's folder together, and serve it on this machine alone.

    python -m modeling.export web                  # http://127.0.0.1:8770
    python -m modeling.export web --out site       # the folder alone: any web server serves it

The folder holds the page, the shipped networks as ONNX, the face detector, and onnxruntime-web out
of the package that Microsoft publishes at npm, fetched once and checked.
"""

import argparse
import os
import shutil
import sys
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from modeling.borrowed.weights import fetch_weights
from opencv_model.weights import DetectorError
from preprocessing.disk import arrays
from preprocessing.disk.folders import find_home

VERSION = "1.30.0"
SHA512 = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What a page needs of the package: onnxruntime in WebAssembly, 14 MB."""

PAGE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: mediastream:; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def main(arguments=None):
    """Write the folder and serve it until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m modeling.export web",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8770, help="of 127.0.0.1")
    parser.add_argument("--out", default="", help="write the folder here, and do not serve it")
    options = parser.parse_args(arguments)
    folder = Path(options.out) if options.out else Path(find_home(), "results", "export", "web")
    try:
        gather_site(folder)
    except (OSError, ValueError) as error:
        print(f"onnxruntime-web {VERSION} cannot be had: {error}", file=sys.stderr)
        return 2
    if options.out:
        print(f"{folder}: {sum(1 for own in folder.rglob('*') if own.is_file())} files")
        return 0
    server = make_server(folder, options.port)
    print(f"Open http://127.0.0.1:{server.server_port} in a browser; Ctrl-C ends it.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


def gather_site(folder):
    """Write the page with all that it loads into a folder.

    Raises:
        OSError: onnxruntime-web cannot be fetched.
        ValueError: What arrived is not what Microsoft published.
    """
    from modeling.predict import networks  # brings what prepares clips along

    folder.mkdir(parents=True, exist_ok=True)
    for path in PAGE.iterdir():
        if path.suffix in (".html", ".css", ".js"):
            shutil.copyfile(path, folder / path.name)
    unpack_runtime(folder / "ort")
    for name in networks.NAMES:
        shutil.copyfile(networks.FOLDER / f"{name}.onnx", folder / f"{name}.onnx")
    shipped = networks.load_networks()
    facts = {
        "emotions": shipped.emotions,
        "expressions": shipped.expressions,
        "temperatures": shipped.temperatures,
        "unsure_below": shipped.unsure_below,
        "networks": [*networks.NAMES, *add_detector(folder)],
    }
    arrays.write_json(folder / "facts.json", facts)


def add_detector(folder):
    """Write the face detector into a folder; return its name in a list, empty without weights."""
    from modeling.export import detector

    try:
        detector.write_detector(folder / "detector.onnx")
    except DetectorError as error:
        print(f"without the face detector, whoever looks places a square: {error}")
        return []
    return ["detector"]


def unpack_runtime(folder):
    """Write onnxruntime-web's files into a folder; fetched once, from npm's registry."""
    registry = os.environ.get("NPM_CONFIG_REGISTRY") or "https://registry.npmjs.org/"
    name = f"onnxruntime-web-{VERSION}.tgz"
    url = f"{registry.rstrip('/')}/onnxruntime-web/-/{name}"
    package = fetch_weights(name, url, f"sha512:{SHA512}", f"onnxruntime-web {VERSION}: 40 MB")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package) as archive:
        for file in FILES:
            source = archive.extractfile(f"package/dist/{file}")
            with arrays.replace_file(folder / file) as temporary, temporary.open("wb") as target:
                shutil.copyfileobj(source, target)


class Handler(SimpleHTTPRequestHandler):
    """Serves files, and lets the page ask no other host."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self):
        """Add the page's policy."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_):
        """Say nothing of each request."""


def make_server(folder, port):
    """Return a server of a folder on this machine alone; port 0 takes a free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))

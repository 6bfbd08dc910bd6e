"""Takes a network along: a folder that needs nothing of this repository.

    python -m modeling.export shipped/voice --to onnx --out voice
    python -m modeling.export results/drawn-audio_conv2d/2026… --to litert --out conv2d --int8
    python -m modeling.export web --port 8770

``web`` serves a page on this machine that runs the shipped networks in the browser. Exit status: 0
when all went well, 2 when the arguments are wrong.
"""

import argparse
import sys


def main(arguments=None):
    """Export a network, or serve the page; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["web"]:
        from modeling.export.web import serving

        return serving.main(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m modeling.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("network", help="shipped/NAME, or a run: a folder of results/")
    parser.add_argument("--to", required=True, choices=["litert", "onnx"])
    parser.add_argument("--out", required=True, help="folder of the bundle")
    parser.add_argument("--int8", action="store_true", help="weights in 8 bits")
    parser.add_argument("--length", type=int, default=0, help="fix a free time axis (LiteRT)")
    options = parser.parse_args(arguments)
    from modeling.export import bundle, sources

    try:
        source = sources.find_source(options.network)
        chosen = {"to": options.to, "int8": options.int8, "length": options.length}
        path = bundle.write_bundle(source, options.out, **chosen)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{source.origin}: {source.contains}")
    print(f"{path.parent}: {', '.join(sorted(each.name for each in path.parent.iterdir()))}")
    return 0

"""Serve the page on this machine alone: ``make demo`` calls this."""

import argparse
import sys

from modeling.predict.page.jobs import Allowed


def main(arguments=None):
    """Serve until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m modeling.predict.page", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="of 127.0.0.1")
    parser.add_argument("--megabytes", type=int, default=500, help="of a clip, at most")
    parser.add_argument("--minutes", type=float, default=10.0, help="of a clip, at most")
    options = parser.parse_args(arguments)
    try:
        import uvicorn

        from modeling.predict.page.server import create_app
    except ModuleNotFoundError as error:
        print(f"{error}: run make demo, which installs requirements-demo.txt", file=sys.stderr)
        return 2
    allowed = Allowed(n_bytes=options.megabytes * 1_000_000, length_s=60 * options.minutes)
    print(f"Open http://127.0.0.1:{options.port} in a browser; Ctrl-C ends it.", flush=True)
    uvicorn.run(
        create_app(allowed=allowed),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        server_header=False,
        limit_concurrency=64,
        timeout_graceful_shutdown=3,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

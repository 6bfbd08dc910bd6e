"""The page's server: takes clips, tells how far they are, hands out answers; live, too.

It is meant for one machine, 127.0.0.1. A name server of a stranger may point at that address, so
the name in ``Host`` is checked, and other sites' pages may neither read nor send anything.
"""

import json
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from modeling.predict.page.jobs import Allowed, FullError, Jobs, find_upload, list_colours
from modeling.predict.page.live import Sessions

HERE = Path(__file__).parent
HOSTS = ["127.0.0.1", "localhost"]
ASSETS = {"": "index.html", "app.js": "app.js", "live.js": "live.js"}
ASSETS |= {"style.css": "style.css", "worklet.js": "worklet.js"}
ANSWERS = {"csv": "text/csv", "mp4": "video/mp4", "json": "application/json"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MOST_LIVE_BYTES = 4_000_000  # of one request


def predict_upload(path, progress):
    """Return the timeline of a clip, by the shipped networks."""
    from modeling.predict import predict_clip

    return predict_clip(path, progress=progress)


def create_app(predictor=predict_upload, *, open_reader=None, allowed=None):
    """Return the application.

    Args:
        predictor: Function of a module, of a path and ``progress``, that gives a timeline.
        open_reader: Function that gives what reads a camera, see `live.LiveReader`; None takes the
            shipped networks.
        allowed: `jobs.Allowed`; None takes the usual limits.
    """
    allowed = allowed or Allowed()

    @asynccontextmanager
    async def lifespan(app):
        app.state.jobs = Jobs(predictor, allowed)
        app.state.sessions = Sessions(open_reader)
        yield
        app.state.jobs.close()

    routes = [
        Route("/", send_asset),
        Route("/limits", send_limits),
        Route("/colours", send_colours),
        Route("/clips", take_clip, methods=["POST"]),
        Route("/clips/{key}", tell_job),
        Route("/clips/{key}", delete_job, methods=["DELETE"]),
        Route("/clips/{key}/answer.{kind}", send_answer),
        Route("/live", take_live, methods=["POST"]),
        Route("/{name}", send_asset),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
            Middleware(Guard),
        ],
        exception_handlers={HTTPException: tell_error},
    )


class Guard:
    """Refuses what other sites' pages send, and adds `HEADERS` to every answer."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        own = f"{scope['scheme']}://{sent.get('host', '')}"
        is_foreign = sent.get("origin", own) != own
        is_foreign |= sent.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if is_foreign and scope["method"] not in ("GET", "HEAD"):
            await Response("This page takes nothing from other sites.", 403)(scope, receive, send)
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        await self.app(scope, receive, send_with_headers)


async def tell_error(request, error):
    """Return an error's words as JSON."""
    return JSONResponse({"reason": error.detail}, error.status_code)


async def send_asset(request):
    """Send one of the page's own files."""
    asked = request.path_params.get("name", "")
    if asked == "favicon.ico":  # browsers ask for it unasked
        return Response(status_code=204)
    name = ASSETS.get(asked)
    if name is None:
        raise HTTPException(404, "There is nothing here.")
    return FileResponse(HERE / name)


async def send_limits(request):
    """Send what may be asked for."""
    allowed = request.app.state.jobs.allowed
    return JSONResponse({"n_bytes": allowed.n_bytes, "length_s": allowed.length_s})


async def send_colours(request):
    """Send the colours of emotions and of what is written on them."""
    return JSONResponse(list_colours())


async def take_clip(request):
    """Take a clip, the body of the request, and put it into the queue."""
    jobs = request.app.state.jobs
    refusal = f"This file is larger than {jobs.allowed.n_bytes / 1e6:.4g} MB, the page's limit."
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > jobs.allowed.n_bytes:
        raise HTTPException(413, refusal)
    try:
        job = jobs.open(request.query_params.get("name", "clip"))
    except FullError as error:
        raise HTTPException(503, str(error)) from error
    n_bytes = 0
    try:
        with find_upload(job).open("wb") as upload:
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > jobs.allowed.n_bytes:
                    raise HTTPException(413, refusal)
                await run_in_threadpool(upload.write, chunk)
        if not n_bytes:
            raise HTTPException(400, "This file is empty.")
    except BaseException:  # a visitor who goes away, too
        jobs.forget(job)
        raise
    jobs.submit(job)
    return JSONResponse(jobs.describe(job), 202)


def find_job(request):
    """Return the job that a request names; 404 where there is none any more."""
    job = request.app.state.jobs.known.get(request.path_params["key"])
    if job is None:
        raise HTTPException(404, "This clip is not known any more; give it again.")
    return job


async def tell_job(request):
    """Send how far a clip is."""
    return JSONResponse(request.app.state.jobs.describe(find_job(request)))


async def delete_job(request):
    """Delete a clip's answer."""
    request.app.state.jobs.forget(find_job(request))
    return Response(status_code=204)


async def send_answer(request):
    """Send an answer's table, film or numbers."""
    job, kind = find_job(request), request.path_params["kind"]
    path = job.folder / f"answer.{kind}"
    if kind not in ANSWERS or job.state != "done" or not path.is_file():
        raise HTTPException(404, "There is no such answer.")
    name = f"{Path(job.name).stem}.{kind}"
    way = "attachment" if "download" in request.query_params else "inline"
    return FileResponse(path, media_type=ANSWERS[kind], filename=name, content_disposition_type=way)


async def take_live(request):
    """Take half a second of a camera and a microphone; send what is displayed now.

    The body is a line of JSON, {"session", "rate_hz", "pictures": [[seconds, bytes], …], "sound":
    bytes, "sound_s"}, and then the bytes: JPEG files, and mono samples, int16, little-endian.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_LIVE_BYTES:
            raise HTTPException(413, "This is more than half a second of a camera.")
    head, _, rest = bytes(body).partition(b"\n")
    try:
        facts = json.loads(head)
        answer = await run_in_threadpool(request.app.state.sessions.read, facts, rest)
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(400, f"This is no half second of a camera: {error}") from error
    except FullError as error:
        raise HTTPException(503, str(error)) from error
    except ImportError as error:
        raise HTTPException(501, f"Live reading is not installed: {error}") from error
    return JSONResponse(answer)

"""JupyterLab as users have it: a server, and a notebook in a real browser, driven by its menus."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.browser.conftest import find_free_port, wait_for
from tests.conftest import REPOSITORY

SCREENSHOTS = REPOSITORY / "build" / "browser"
PATIENCE_MS = 60_000
BUSY = """() => {
    const {content, sessionContext} = jupyterapp.shell.currentWidget;
    const code = content.widgets.filter(cell => cell.model.type === 'code');
    return sessionContext.kernelDisplayStatus !== 'idle'
        || code.some(cell => cell.model.executionState !== 'idle');
}"""
PICTURES = "#jp-main-dock-panel .jp-OutputArea img"


@contextmanager
def serve_laboratory(folder, settings, environment):
    """Serve a folder's notebooks on this machine alone; yield the address.

    All cells stand in the page, also those that nobody has scrolled to: ``windowingMode``.
    """
    own = settings / "settings" / "@jupyterlab" / "notebook-extension"
    own.mkdir(parents=True)
    (own / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    environment = os.environ | environment
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(settings / name.lower())
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(settings / "settings")
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(settings / "workspaces")
    port = find_free_port()
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", "--LabApp.news_url="]
    options += [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token="]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
    with (settings / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def open_notebook(browser, address, path):
    """Yield a notebook, open in a tab of its own; when it fails there, keep a picture of the page.

    Args:
        browser: Of playwright.
        address: As `serve_laboratory` gives it.
        path: Of the notebook, within the served folder.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(f"{address}/tree/{path}?reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=PATIENCE_MS)
        notebook = Notebook(page)
        notebook.wait_until_idle()
        yield notebook
    except BaseException:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        picture = SCREENSHOTS / f"{Path(path).stem}.png"
        page.screenshot(path=picture)
        print(f"what the browser shows: {picture}")
        raise
    finally:
        page.close()


class Notebook:
    """An open notebook: what a user does with it, and what is seen."""

    def __init__(self, page):
        self.page = page

    def choose(self, menu, command):
        """Choose an entry of a menu, and say yes where it asks."""
        bar = self.page.locator("#jp-MainMenu")
        bar.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def restart(self):
        """Restart the kernel and clear all outputs."""
        self.choose("Kernel", "kernelmenu:restart-and-clear")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(PICTURES).first.wait_for(state="detached", timeout=PATIENCE_MS)
        self.wait_until_idle()

    def run_all(self, *, most_s):
        """Run all cells; return the seconds until the first picture and until the end."""
        started = time.perf_counter()
        self.choose("Run", "runmenu:run-all")
        self.page.locator(PICTURES).first.wait_for(timeout=1000 * most_s)
        seen = time.perf_counter()
        self.wait_until_idle(most_s)
        return seen - started, time.perf_counter() - started

    def wait_until_idle(self, most_s=60):
        """Wait until no cell runs or waits; it is looked at twice, as one may follow another."""
        ended = time.monotonic() + most_s
        n_idle = 0
        while n_idle < 3:
            assert time.monotonic() < ended, f"still busy after {most_s} s"
            n_idle = 0 if self.page.evaluate(BUSY) else n_idle + 1
            self.page.wait_for_timeout(200)

    def reopen(self):
        """Save the notebook, leave the page and open it again, the kernel gone."""
        self.choose("File", "docmanager:save")
        self.page.wait_for_function(
            "!jupyterapp.shell.currentWidget.context.model.dirty", timeout=PATIENCE_MS
        )
        self.choose("Kernel", "kernelmenu:shutdown")
        self.page.wait_for_function(
            "!jupyterapp.shell.currentWidget.sessionContext.session?.kernel", timeout=PATIENCE_MS
        )
        self.page.reload()
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=PATIENCE_MS)
        self.wait_until_idle()

    def list_failures(self):
        """Return what stands in red below cells: errors, and what libraries log."""
        kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
        red = ", ".join(f'.jp-OutputArea [data-mime-type="{kind}"]' for kind in kinds)
        return self.page.locator(red).all_inner_texts()

    def count_outputs(self):
        """Return how many outputs there are of each kind, and fail where one is broken."""
        counts = self.page.evaluate(
            """() => {
                const counts = {}, broken = [];
                for (const output of document.querySelectorAll('.jp-OutputArea-output')) {
                    const kind = output.dataset.mimeType;
                    counts[kind] = (counts[kind] || 0) + 1;
                    if (/displaying widget|Loading widget|script error/i.test(output.innerText))
                        broken.push(output.innerText);
                }
                for (const image of document.querySelectorAll('.jp-OutputArea img'))
                    if (!image.complete || !image.naturalWidth) broken.push(image.outerHTML);
                return [counts, broken];
            }"""
        )
        assert not counts[1]
        return counts[0]

    def play_media(self):
        """Play each video and sound, muted, until it moves; return their lengths in seconds."""
        return self.page.evaluate(
            """async () => {
                const lengths = [];
                for (const media of document.querySelectorAll('.jp-OutputArea video, audio')) {
                    media.muted = true;
                    await Promise.race([media.play(), new Promise(end => setTimeout(end, 5000))]);
                    for (let wait = 0; wait < 50 && media.currentTime < 0.2; wait++)
                        await new Promise(end => setTimeout(end, 100));
                    const moves = media.readyState >= 2 && media.currentTime >= 0.2;
                    lengths.push(moves ? media.duration : 0);
                    media.pause();
                }
                return lengths;
            }"""
        )

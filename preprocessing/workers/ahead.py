"""A generator that works ahead, in a thread of its own, while what it yields is used."""

import queue
import threading
from contextlib import contextmanager

END = object()


@contextmanager
def work_ahead(items, *, n_ahead):
    """Yield an iterator over the items of a generator that is up to ``n_ahead`` of them ahead.

    What the generator raises is raised where its item would be. When the block ends the thread
    has ended, and the generator is closed, wherever it was.
    """
    waiting, is_over = queue.Queue(n_ahead), threading.Event()

    def put(item):
        while not is_over.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
        return None

    def work():
        try:
            for item in items:
                put((item, None))
                if is_over.is_set():
                    break
            put((END, None))
        except BaseException as error:  # raised again by the one that reads
            put((END, error))
        finally:
            items.close()

    def take():
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        is_over.set()
        thread.join()

"""In a notebook, the line of an error of ours stands above its traceback, not only below.

Our messages say what was found, what was expected and what to do; who reads a notebook should not
have to scroll past the frames of libraries to find that.
"""

import sys

OURS = ("opencv_model", "preprocessing", "data_augmentation", "modeling")
RED, PLAIN = "\x1b[1;31m", "\x1b[0m"


def show_lines_first():
    """Let the notebook that imports us, if one does, show our errors so; all else stays."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell and not shell.custom_exceptions:
        shell.set_custom_exc((Exception,), _show_error)


def _show_error(shell, kind, error, trace, tb_offset=None):
    """Show an error as IPython does; where it is ours, below its own line."""
    if is_ours(kind, trace) and str(error):
        lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
        first = f"{RED}{kind.__name__}: {error}{PLAIN}"
        error._render_traceback_ = lambda: [first, *lines]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)


def is_ours(kind, trace):
    """Return whether a class of ours, or code of ours that says why, raised an error."""
    while trace.tb_next:
        trace = trace.tb_next
    modules = kind.__module__, trace.tb_frame.f_globals.get("__name__", "")
    return any(module.split(".")[0] in OURS for module in modules)

"""The best trial as what ``make run`` takes."""

from preprocessing.disk import arrays


def write_recipe(folder, settings, *, differs_from, always):
    """Write ``recipe.txt`` in a search's folder, for ``make run P=@.../recipe.txt``; return it.

    Args:
        folder: Of the search.
        settings: All parameters of a trial by name.
        differs_from: The notebook's own; what is the same is not written.
        always: Names of those that are written even so: what was searched.

    Returns:
        The words of the file and its path.
    """
    kept = {
        name: value
        for name, value in settings.items()
        if name in always or value != differs_from[name]
    }
    words, path = say_parameters(kept), folder / "recipe.txt"
    with arrays.replace_file(path) as temporary:
        temporary.write_text(words + "\n", "utf-8")
    return words, path


def say_parameters(parameters):
    """Return parameters as words NAME=VALUE, as the command line reads them."""
    return " ".join(f"{name}={_quote(value)}" for name, value in parameters.items())


def _quote(value):
    """Return a value as one word: a text as it is, anything else as Python writes it."""
    text = value if isinstance(value, str) else repr(value)
    return f'"{text}"' if not text or set(text) & set(" '") else text

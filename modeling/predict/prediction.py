"""The one call: a file becomes a timeline."""

from modeling.predict.judging import tell
from modeling.predict.reading import read_file


def predict_clip(
    path,
    *,
    window_s=3.0,
    step_s=0.5,
    by="window",
    adapt=False,
    explain=False,
    networks=None,
    detector=None,
    progress=None,
):
    """Return the `Timeline` of a video, a recording or a picture, of any length.

    Args:
        path: Path or URL.
        window_s, step_s: Length of a window, and from one's start to the next one's, in seconds.
        by: "window", or "utterance" to read from pause to pause.
        adapt: Read each person anew, as one who is known from all of the file.
        explain: Say too what the surest answer of each person rests on (`Timeline.explanations`);
            the file is read a second time, as far as that answer.
        networks: What reads; None loads the shipped ones, see `networks.load_networks`.
        detector: What finds faces, see `opencv_model.resnet_ssd`; None opens the usual one.
        progress: Function that is told how many seconds were read, and of how many (or None).

    Raises:
        preprocessing.clips.containers.MediaError: The file holds nothing that can be read.
        ValueError: An option is out of its range.
    """
    if networks is None:
        from modeling.predict.networks import load_networks

        networks = load_networks()
    options = {"window_s": window_s, "step_s": step_s, "by": by, "adapt": adapt}
    reading = read_file(path, networks, detector=detector, progress=progress, **options)
    timeline = tell(reading, networks)
    timeline.facts["parameters"] = options | ({"explain": True} if explain else {})
    if explain:
        from modeling.predict.explaining import explain_timeline

        explain_timeline(timeline, path, reading, networks)
    return timeline

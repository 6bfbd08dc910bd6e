"""What a corpus does not allow, said before hours are spent on it."""

MIN_ACTORS = 3  # fewer cannot train, validate and test on different people
MIN_CLIPS = 100  # fewer test on so few that an interval spans nearly everything
HALVES = {"video": "picture", "audio": "voice"}


def list_limits(clips):
    """Return in sentences what the notebooks will leave out, or cannot do, with these clips.

    ``clips`` are a DataFrame with the columns of ``corpora.COLUMNS``, text.
    """
    limits = []
    emotions, actors = set(clips["emotion"]), set(clips["actor"])
    if len(emotions) < 2:
        limits.append(
            f"All clips show one emotion ({', '.join(emotions)}): there is nothing to tell apart, "
            "and notebooks 30 to 60 have nothing to do."
        )
    if len(actors) < MIN_ACTORS:
        limits.append(_limit_actors(clips, actors))
    elif len(emotions) > 1:
        limits += _limit_emotions(clips)
    limits += [_limit_half(clips, kind) for kind in HALVES if (clips[kind] == "").any()]
    if len(clips) < MIN_CLIPS:
        limits.append(
            f"{len(clips)} clips are few: the notebooks run, but any score may be chance; "
            "look at its interval."
        )
    return limits


def _limit_actors(clips, actors):
    """Return what one or two actors do not allow."""
    n_statements = len(set(clips["statement"]) - {""})
    people = f"{len(actors)} actor{'s' * (len(actors) > 1)}"
    if n_statements > 1:
        return (
            f"{people}: nobody can be tested who was not trained on. The test is a statement that "
            "was not trained on, by the same people; scores for strangers will be lower."
        )
    return (
        f"{people} and {n_statements} statements: no honest test is possible, and notebooks 30 to "
        f"60 stop. Add clips of {MIN_ACTORS} actors, or fill in the column statement."
    )


def _limit_emotions(clips):
    """Return which emotions so few actors show that some fold cannot train on or test them."""
    shown_by = clips.groupby("emotion")["actor"].unique()
    return [
        f"{emotion} is shown by {len(own)} of {clips['actor'].nunique()} actors only: some folds "
        "cannot train on it, or not test it; its recall is left out where it is not tested."
        for emotion, own in shown_by.items()
        if len(own) < MIN_ACTORS
    ]


def _limit_half(clips, kind):
    """Return what clips without a picture, or without a voice, do not allow."""
    missing = clips[clips[kind] == ""]
    whole = sorted(set(missing["actor"]) - set(clips.loc[clips[kind] != "", "actor"]))
    people = f", all of actors {', '.join(whole[:8])}{' …' * (len(whole) > 8)}" if whole else ""
    if len(missing) == len(clips):
        return f"No clip has a {HALVES[kind]}: the notebooks that need one are skipped."
    return (
        f"{len(missing)} of {len(clips)} clips have no {HALVES[kind]}{people}: branches that need "
        "one leave them out; a fusion judges them by the other half."
    )

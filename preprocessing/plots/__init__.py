"""Pictures of a corpus, of its faces and of its sound.

Every function takes arrays and ``ax``, the axes to draw on, by default new ones, and returns it (or
a new figure of several panels); none shows, saves or changes a global style.
"""

from preprocessing.plots.corpus import (
    PART_COLOURS,
    plot_actor_table,
    plot_class_balance,
    plot_feature_by_emotion,
    plot_folds,
)
from preprocessing.plots.faces import (
    plot_contact_sheet,
    plot_detection,
    plot_frames,
    plot_sampling,
)
from preprocessing.plots.sound import embed_sound, plot_clip, plot_mel, plot_mfcc, plot_waveform
from preprocessing.plots.style import EMOTION_COLOURS

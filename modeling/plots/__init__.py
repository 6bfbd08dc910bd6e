"""Pictures of a training, of what a run gets right, of how runs compare, and of what decides.

Every function takes arrays and ``ax=None`` (``figure=None`` where there are several panels) and
returns it; none shows, saves or changes a global style. Labels are names of emotions or positions
among them. Colours and order of the emotions are those of ``preprocessing.plots``.
"""

from modeling.plots.adaptation import plot_answers, plot_heard, plot_variances
from modeling.plots.analysis import (
    plot_alikeness,
    plot_degradation,
    plot_expressions,
    plot_layers,
    plot_leak,
    plot_mean_course,
    plot_mean_faces,
    plot_mels,
    plot_weights,
)
from modeling.plots.explaining import (
    plot_contributions,
    plot_explained_clip,
    plot_faithfulness,
    plot_lost_without,
    plot_probes,
    plot_tree,
    shrink_figure,
)
from modeling.plots.exports import plot_exports
from modeling.plots.scores import (
    plot_by_actor,
    plot_confusion,
    plot_coverage,
    plot_embedding,
    plot_groups,
    plot_history,
    plot_recall_table,
    plot_reliability,
    plot_scores,
    plot_sides,
    plot_test,
)
from modeling.plots.search import plot_importance, plot_parallel, plot_trials

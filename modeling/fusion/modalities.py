"""The late fusion of notebook 50: average within a modality, multiply across modalities.

Branches that hear the same voice err together, and a product of them would be far too sure; voice
and face err apart, and their product lets the surer one decide. So the calibrated branches of a
modality are averaged, the average is calibrated, the modalities are multiplied (Hinton 2002), and
the product is calibrated: one temperature each (Guo et al. 2017), fitted on the validation clips.
"""

from dataclasses import dataclass

from modeling.fusion import experts
from modeling.fusion.heads import group_branches


@dataclass(frozen=True)
class ModalityProduct:
    """A fitted late fusion.

    Attributes:
        emotions: Names of the classes in order.
        temperatures: Of each modality's average by its name, and of the product, ``"all"``.
    """

    emotions: tuple
    temperatures: dict

    def fuse(self, tables):
        """Return one table of predictions made of branches' calibrated ones.

        Args:
            tables: Table of predictions by branch, of one fold; branches may be missing.

        Raises:
            LeakError, ValueError: See ``fusion.align_predictions``.
        """
        averages = [
            experts.heat_predictions(average, self.emotions, self.temperatures[kind])
            for kind, average in _average_modalities(tables, self.emotions)
        ]
        fused = experts.fuse_predictions(averages, self.emotions)
        return experts.heat_predictions(fused, self.emotions, self.temperatures["all"])


def fit_product(tables, emotions):
    """Return a late fusion fitted on the validation clips.

    Args:
        tables: Table of calibrated predictions by branch, of one fold, all parts; what a branch
            judges is read off its name (``joint.group_branches``).
        emotions: Names of the classes in order.

    Returns:
        ``ModalityProduct``.

    Raises:
        ValueError: No validation clip.
    """
    temperatures, averages = {}, []
    for kind, average in _average_modalities(tables, emotions):
        average, temperatures[kind] = experts.calibrate_predictions(average, emotions)
        averages.append(average)
    product = experts.fuse_predictions(averages, emotions)
    _, temperatures["all"] = experts.calibrate_predictions(product, emotions)
    return ModalityProduct(tuple(emotions), temperatures)


def _average_modalities(tables, emotions):
    """Return pairs of a modality's name and the mean of its branches' predictions."""
    mean = experts.average_posteriors
    return [
        (kind, experts.fuse_predictions([tables[name] for name in names], emotions, fuse=mean))
        for kind, names in group_branches(tables).items()
    ]

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
        groups: Names of the branches by modality.
        temperatures: Of each modality's average by its name, and of the product, ``"all"``.
    """

    emotions: tuple
    groups: dict
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
            for kind, average in _average_modalities(tables, self.groups, self.emotions)
        ]
        fused = experts.fuse_predictions(averages, self.emotions)
        return experts.heat_predictions(fused, self.emotions, self.temperatures["all"])


def fit_product(tables, found, emotions):
    """Return a late fusion fitted on the validation clips.

    Args:
        tables: Table of calibrated predictions by branch, of one fold, all parts.
        found: Facts of their runs by branch, which say each one's modality.
        emotions: Names of the classes in order.

    Returns:
        ``ModalityProduct``.

    Raises:
        ValueError: No validation clip.
    """
    groups, temperatures, averages = group_branches(found), {}, []
    for kind, average in _average_modalities(tables, groups, emotions):
        average, temperatures[kind] = experts.calibrate_predictions(average, emotions)
        averages.append(average)
    product = experts.fuse_predictions(averages, emotions)
    _, temperatures["all"] = experts.calibrate_predictions(product, emotions)
    return ModalityProduct(tuple(emotions), groups, temperatures)


def _average_modalities(tables, groups, emotions):
    """Return pairs of a modality's name and the mean of its branches' predictions."""
    mean = experts.average_posteriors
    there = {kind: [tables[n] for n in names if n in tables] for kind, names in groups.items()}
    return [
        (kind, experts.fuse_predictions(own, emotions, fuse=mean))
        for kind, own in there.items()
        if own
    ]

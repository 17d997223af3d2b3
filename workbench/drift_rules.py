"""What a verdict of drift goes by: how false alarms are shared out, and how many rows tell anything at all.

Pure, and light: pages judge what was measured by other thresholds, and need nothing of what measures it.
"""

from __future__ import annotations

from statistics import NormalDist

# Of a feature's share of false alarms, what each channel may spend; the rest is for data that are broken.
WEIGHTS = {"mean": 0.25, "std": 0.15, "distribution": 0.1, "missing": 0.3, "range": 0.1, "unseen": 0.1}
# A window that slides on is looked at again and again. Over one full window of new rows the largest of all those looks
# passes a far bound z about z^2 times as often as a single look does (Pickands 1969); z is about 4.5 here.
LOOKS = 20
# Channels that see only values like those the model has learnt from.
FAMILIAR = ("mean", "std", "distribution")
# What a shift must be, in standard deviations, to be seen in any case; with fewer rows the verdict is insufficient.
RESOLUTION = 1.0


def least(level: float) -> float:
    """Independent rows whose mean tells a shift of RESOLUTION from chance, whatever the reference.

    >>> round(least(0.05 / WEIGHTS["mean"]), 2)
    3.84
    """
    return (NormalDist().inv_cdf(level * WEIGHTS["mean"] / 2) / RESOLUTION) ** 2

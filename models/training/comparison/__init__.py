"""What generated pairs are worth to a matting network with few labels: arms of equal optimiser
steps.

The claim of arXiv 2305.02981 at a size that a CPU can check. Some portraits have labels, the others
are pictures only. A labeller, trained on the few, labels the pictures; StyleMatteGAN draws others.
Each arm trains a StyleMatte, from scratch or (`--from-labeller`, as the cycle does) from the
labeller on, over the same backgrounds and with the same augmentation. Run as
`python -m models.training.comparison`; docs/reports/claim.md has the order of commands.
"""

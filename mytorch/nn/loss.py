"""Loss functions.  Handout 2.5 and Appendix B."""

from mytorch.nn import functional as F
from mytorch.nn.module import Module


class CrossEntropyLoss(Module):
    """The cross-entropy loss of logits, averaged over the batch.

    Shape: logits (N, C) and labels (N,) to a 0-d tensor.  See ``functional.cross_entropy``.

    Source: handout 2.5; torch.nn.CrossEntropyLoss.
    """

    def forward(self, predicted, target):
        return F.cross_entropy(predicted, target)

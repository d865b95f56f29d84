"""What students get wrong in this homework."""

import numpy as np

from judging.mistakes import mistake

mistake("softplus-is-exp", "1.1", "The logarithm is missing.",
        dict(softplus=lambda a: 1 + np.exp(a)))
mistake("softplus-sign", "1.2", "Your exponent lacks its minus.",
        dict(softplus_gradient=lambda a, g: g / (1 + np.exp(a))))

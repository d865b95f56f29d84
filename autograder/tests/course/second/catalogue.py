"""What students get wrong in this homework."""

from judging.mistakes import mistake

mistake("softplus-is-exp", "1.1", "The logarithm is missing.", softplus="1 + np.exp(a)")
mistake("softplus-sign", "1.2", "Your exponent lacks its minus.",
        softplus_gradient="g / (1 + np.exp(a))")

"""The catalogue of common mistakes: how the grader tells a student which one it was.

A mistake is the right set of formulas (``test_autograd.py``, ``test_mlp.py``) with one or a
few replaced by what students write instead.  It is recognised in a failed check when the
check's reference, made of those formulas, gives exactly what the submission gave.
"""

from types import SimpleNamespace

import numpy as np

from checks import FORMULAS, alike
from test_mlp import ALPHA, EPS

MISTAKES = []


class Mistake:
    """A known mistake.

    Attributes:
        id (str): its name in the report.
        problem (str): the handout's problem that it belongs to.
        message (str): what to tell the student.
        variants (list of SimpleNamespace): the formulas as one gets them wrong.
    """

    def __init__(self, id, problem, message, *variants):
        self.id = id
        self.problem = problem
        self.message = "%s Handout %s." % (message, problem)
        self.variants = [SimpleNamespace(**dict(vars(FORMULAS), **wrong)) for wrong in variants]

    def gives(self, check, inputs, values):
        """Whether the submission's values are what this mistake leads to."""
        return any(_agrees(check, inputs, values, formulas) for formulas in self.variants)


def _agrees(check, inputs, values, formulas):
    try:
        wrong = check.expected(inputs, formulas)
    except (ValueError, TypeError, IndexError):  # this mistake cannot get as far as an answer
        return False
    scored = [name for name in wrong if name not in check.advice]
    return all(alike(values.get(name), wrong[name]) for name in scored)


def recognise(check, inputs, values):
    """The known mistake that leads to these values; None if there is none, or more than one.

    The mistakes of the check's own problem come first; those of other problems count where
    none of these fits, because what is wrong in Linear shows in SGD too.
    """
    candidates = [mistake for mistake in MISTAKES if mistake.gives(check, inputs, values)]
    own = [mistake for mistake in candidates if check.problem.startswith(mistake.problem)]
    fitting = own or candidates
    return fitting[0] if len(fitting) == 1 else None


def mistake(id, problem, message, *variants):
    MISTAKES.append(Mistake(id, problem, message, *variants))


# ---- 1.1 Basic operations

mistake("sub-sign", "1.1.1",
        "Your gradient for b is the right one with its sign flipped: d(a-b)/db is -1.",
        dict(sub_gradients=lambda a, b, g: (g, g)))
mistake("mul-swapped", "1.1.2",
        "Your two gradients are swapped: d(ab)/da is b, and d(ab)/db is a.",
        dict(mul_gradients=lambda a, b, g: (g * a, g * b)))
mistake("upstream-forgotten", "1.1",
        "You forgot to multiply by the gradient that comes in: backward returns "
        "grad_output times the derivative (the chain rule).",
        dict(sub_gradients=lambda a, b, g: (np.ones_like(a), -np.ones_like(b))),
        dict(mul_gradients=lambda a, b, g: (b, a)),
        dict(div_gradients=lambda a, b, g: (1 / b, -a / b ** 2)))
mistake("div-sign", "1.1.3",
        "Your gradient for b lacks its minus: d(a/b)/db is -a/b^2.",
        dict(div_gradients=lambda a, b, g: (g / b, g * a / b ** 2)))
mistake("div-b-like-a", "1.1.3",
        "Your gradient for b is 1/b, which is the one for a: d(a/b)/db is -a/b^2.",
        dict(div_gradients=lambda a, b, g: (g / b, g / b)))
mistake("div-b-not-squared", "1.1.3",
        "Your gradient for b is -a/b; the b has to be squared: d(a/b)/db is -a/b^2.",
        dict(div_gradients=lambda a, b, g: (g / b, -g * a / b)))
mistake("div-swapped", "1.1.3",
        "Your two gradients are swapped: d(a/b)/da is 1/b, and d(a/b)/db is -a/b^2.",
        dict(div_gradients=lambda a, b, g: (-g * a / b ** 2, g / b)))

# ---- 1.2 Autograd

mistake("output-requires-grad", "1.2",
        "The output of an operation requires grad as soon as one of its inputs does; "
        "set its requires_grad, in Function.apply() or in forward (Appendix A.1).",
        dict(output_requires_grad=lambda *inputs: False))
mistake("output-is-leaf", "1.2",
        "The output of an operation on a gradient-enabled input is no leaf; set is_leaf=False, in "
        "Function.apply() or in forward (Appendix A.1).",
        dict(output_is_leaf=lambda *inputs: True))
mistake("output-flags", "1.2",
        "The output's requires_grad and is_leaf are left as they are for a constant; "
        "set both from the inputs, in Function.apply() or in forward (Appendix A.1).",
        dict(output_requires_grad=lambda *inputs: False, output_is_leaf=lambda *inputs: True))
mistake("grad-overwritten", "1.2",
        "Each new gradient replaces the one before: AccumulateGrad has to add, with += "
        "(section 0.1.6).",
        dict(paths=lambda *gradients: gradients[-1], accumulate=lambda earlier, new: new),
        dict(paths=lambda *gradients: gradients[0], accumulate=lambda earlier, new: new),
        dict(accumulate=lambda earlier, new: new))
mistake("first-path-only", "1.2",
        "Only one path is followed: backward() has to visit every parent in next_functions, and "
        "a tensor that is used twice gets both gradients (section 0.1.6).",
        dict(paths=lambda *gradients: gradients[0]), dict(paths=lambda *gradients: gradients[-1]))
mistake("grad-on-intermediates", "1.2",
        "Intermediate results keep a gradient; only leaves do, a BackwardFunction just passes it "
        "on (Appendix A.1).",
        dict(kept=lambda kind, gradient: None if kind == "constant" else gradient))
mistake("grad-on-constants", "1.2",
        "A tensor that does not require grad got one; its place in the parent list is None and "
        "nothing is passed to it (Appendix A.1).",
        dict(kept=lambda kind, gradient: None if kind == "intermediate" else gradient))
mistake("grad-on-everything", "1.2",
        "Every tensor keeps a gradient, constants and intermediate results too; only "
        "gradient-enabled leaves do (Appendix A.1).",
        dict(kept=lambda kind, gradient: gradient))
mistake("seed-zeros", "1.2",
        "backward() starts from zeros, so that every gradient is 0; it starts from ones, the "
        "gradient of a tensor with respect to itself (section 0.1.5, step 1).",
        dict(seed=np.zeros_like))
mistake("seed-data", "1.2",
        "backward() starts from the tensor's own data; it starts from ones of the same shape, the "
        "gradient of a tensor with respect to itself (section 0.1.5, step 1).",
        dict(seed=lambda data: data))
mistake("grad-is-array", "1.2",
        "The numbers are right, but .grad is a NumPy array; it has to be a Tensor (Appendix A).",
        dict(grad_is_a=lambda: "ndarray"))
mistake("grad-in-graph", "1.2",
        "The numbers are right, but .grad requires grad itself, so that a graph hangs on to it; "
        "store a Tensor with requires_grad=False (section 0.1.5, step 4).",
        dict(grad_is_in_a_graph=lambda: True))

# ---- 2.1 Linear

mistake("weight-not-transposed", "2.1",
        "The weight is stored as (in, out) or not transposed: weight has the shape "
        "(out_features, in_features), and the layer computes x W^T + b.",
        dict(linear=lambda x, w, b: x @ w + b),
        dict(weight_shape=lambda n_in, n_out: (n_in, n_out)),
        dict(linear=lambda x, w, b: x @ w + b, weight_shape=lambda n_in, n_out: (n_in, n_out)))
mistake("bias-left-out", "2.1", "The bias is left out: the layer computes x W^T + b.",
        dict(linear=lambda x, w, b: x @ w.T))
mistake("bias-gradient-not-summed", "2.1",
        "The gradient of the bias is not summed over the batch: broadcasting used each bias once "
        "for every row, so unbroadcast() has to add up the rows.",
        dict(linear_gradients=lambda x, w, g: (g @ w, g.T @ x, g)))
mistake("bias-gradient-averaged", "2.1",
        "The gradient of the bias is averaged over the batch; it is the sum over the rows.",
        dict(linear_gradients=lambda x, w, g: (g @ w, g.T @ x, g.mean(axis=0))))
mistake("unbroadcast-keeps-dimension", "2.1",
        "The gradient of the bias has the shape (1, out) instead of (out,): unbroadcast() has to "
        "drop the axes that broadcasting had added (no keepdims).",
        dict(linear_gradients=lambda x, w, g: (g @ w, g.T @ x, g.sum(axis=0, keepdims=True))))
mistake("layers-skipped", "2.1",
        "Sequential leaves a layer out: the output of each layer is the input of the next, and "
        "the last one's output is returned.",
        dict(sequence=lambda layers: layers[1:]), dict(sequence=lambda layers: layers[:-1]))
mistake("layers-reversed", "2.1", "Sequential calls its layers from the last to the first.",
        dict(sequence=lambda layers: layers[::-1]))

# ---- 2.2 ReLU

mistake("relu-one-at-zero", "2.2",
        "Your derivative of ReLU is 1 at 0; it is 0 there (use >, not >=).",
        dict(relu_gradient=lambda z, g: np.where(z >= 0, g, 0)))
mistake("relu-passes-all", "2.2",
        "Your ReLU passes every gradient on; where its input was not positive, the derivative is "
        "0.",
        dict(relu_gradient=lambda z, g: g))
mistake("relu-sign-of-gradient", "2.2",
        "Your ReLU looks at the sign of the gradient; what counts is the sign of its input in "
        "forward, which has to be saved there.",
        dict(relu_gradient=lambda z, g: np.where(g > 0, g, 0)))

# ---- 2.3 SGD

mistake("sgd-uphill", "2.3", "The step goes uphill: W - lr * gradient, with a minus.",
        dict(sgd=lambda w, g, lr: w + lr * g))
mistake("sgd-lr-ignored", "2.3", "The learning rate is ignored: W - lr * gradient.",
        dict(sgd=lambda w, g, lr: w - g))
mistake("sgd-lr-squared", "2.3", "The learning rate is applied twice: W - lr * gradient.",
        dict(sgd=lambda w, g, lr: w - lr * lr * g))
mistake("sgd-unchanged", "2.3",
        "The weights do not change: step() has to assign to param.data; a copy that is updated is "
        "lost.",
        dict(sgd=lambda w, g, lr: w))
mistake("sgd-in-graph", "2.3",
        "After step() the weight is the output of an operation and no leaf any more: compute with "
        ".data, so that nothing is added to the graph.",
        dict(parameter_is_leaf=lambda: False))
mistake("sgd-clears-gradient", "2.3",
        "step() clears the gradients; that is what zero_grad() is for.",
        dict(after_step=lambda g: None), dict(after_step=np.zeros_like))

# ---- 2.4 BatchNorm


def _normalise(x, gamma, beta, mean, root):
    return gamma * (x - mean) / root + beta


def _partial_gradients(through_mean, through_var):
    """The gradients of BatchNorm with the mean or the variance taken for a constant."""
    def gradients(x, gamma, g):
        right = FORMULAS.batchnorm_gradients(x, gamma, g)
        inverse_std = 1 / np.sqrt(x.var(axis=0) + EPS)
        x_hat = (x - x.mean(axis=0)) * inverse_std
        flow = g - through_mean * g.mean(axis=0) - through_var * x_hat * (g * x_hat).mean(axis=0)
        return (gamma * inverse_std * flow,) + right[1:]
    return gradients


mistake("bn-unbiased-normalise", "2.4",
        "You normalise with the unbiased variance (divided by m - 1); equation 4 divides by m. "
        "The unbiased one is for the running estimate.",
        dict(batchnorm=lambda x, gamma, beta: _normalise(
            x, gamma, beta, x.mean(axis=0), np.sqrt(x.var(axis=0, ddof=1) + EPS))))
mistake("bn-biased-running", "2.4",
        "The running variance is updated with the biased variance (divided by m); equation 7 "
        "divides by m - 1.",
        dict(running_update=lambda mean, var, x: (
            (1 - ALPHA) * mean + ALPHA * x.mean(axis=0),
            (1 - ALPHA) * var + ALPHA * x.var(axis=0))))
mistake("bn-eps-outside", "2.4",
        "eps is added to the root; it belongs inside: sqrt(var + eps).",
        dict(batchnorm=lambda x, gamma, beta: _normalise(
            x, gamma, beta, x.mean(axis=0), x.std(axis=0) + EPS)))
mistake("bn-eps-missing", "2.4", "eps is missing: divide by sqrt(var + eps).",
        dict(batchnorm=lambda x, gamma, beta: _normalise(
            x, gamma, beta, x.mean(axis=0), x.std(axis=0))))
mistake("bn-alpha-exchanged", "2.4",
        "alpha and 1 - alpha are exchanged: running = (1 - alpha) * running + alpha * batch, with "
        "alpha = momentum = 0.1.",
        dict(running_update=lambda mean, var, x: (
            ALPHA * mean + (1 - ALPHA) * x.mean(axis=0),
            ALPHA * var + (1 - ALPHA) * x.var(axis=0, ddof=1))))
mistake("bn-running-not-updated", "2.4",
        "The running estimates never change; in training each batch moves them.",
        dict(running_update=lambda mean, var, x: (mean, var)))
mistake("bn-running-updated-in-eval", "2.4",
        "The running estimates change in evaluation; only training may move them.",
        dict(running_after_eval=lambda mean, var, x: FORMULAS.running_update(mean, var, x)),
        dict(running_after_eval=lambda mean, var, x: FORMULAS.running_update(mean, var, x),
             batchnorm_eval=lambda x, gamma, beta, mean, var: FORMULAS.batchnorm_eval(
                 x, gamma, beta, *FORMULAS.running_update(mean, var, x))))
mistake("bn-batch-statistics-in-eval", "2.4",
        "In evaluation you normalise with the batch's own mean and variance; the running "
        "estimates take their place there.",
        dict(batchnorm_eval=lambda x, gamma, beta, mean, var: FORMULAS.batchnorm(x, gamma, beta)),
        dict(batchnorm_eval=lambda x, gamma, beta, mean, var: FORMULAS.batchnorm(x, gamma, beta),
             running_after_eval=lambda mean, var, x: FORMULAS.running_update(mean, var, x)))
mistake("bn-gamma-left-out", "2.4", "gamma is left out: y = gamma * x_hat + beta.",
        dict(batchnorm=lambda x, gamma, beta: FORMULAS.batchnorm(x, 1, beta)))
mistake("bn-beta-left-out", "2.4", "beta is left out: y = gamma * x_hat + beta.",
        dict(batchnorm=lambda x, gamma, beta: FORMULAS.batchnorm(x, gamma, 0)))
mistake("bn-wrong-axis", "2.4",
        "Mean and variance are taken over the features of a row; they are taken over the batch, "
        "one for each feature (axis 0).",
        dict(batchnorm=lambda x, gamma, beta: _normalise(
            x, gamma, beta, x.mean(axis=1, keepdims=True),
            np.sqrt(x.var(axis=1, keepdims=True) + EPS))))
mistake("bn-mean-constant", "2.4",
        "Your gradient takes the mean for a constant; it depends on x too, so compute it with "
        "operations of the graph.",
        dict(batchnorm_gradients=_partial_gradients(0, 1)))
mistake("bn-var-constant", "2.4",
        "Your gradient takes the variance for a constant; it depends on x too, so compute it with "
        "operations of the graph.",
        dict(batchnorm_gradients=_partial_gradients(1, 0)))
mistake("bn-statistics-constant", "2.4",
        "Your gradient takes mean and variance for constants; both depend on x, so compute them "
        "with operations of the graph.",
        dict(batchnorm_gradients=_partial_gradients(0, 0)))
mistake("bn-running-var-zero", "2.4", "running_var starts at 0; it starts at 1.",
        dict(running_start=lambda features: (np.zeros(features), np.zeros(features))))

# ---- 2.5 Cross entropy


def _softmax(logits):
    return np.exp(FORMULAS.log_softmax(logits))


mistake("xe-sum", "2.5", "The losses are summed; divide by the batch size N.",
        dict(cross_entropy=lambda log_p, target:
             FORMULAS.cross_entropy(log_p, target) * len(log_p),
             cross_entropy_gradient=lambda logits, target:
             FORMULAS.cross_entropy_gradient(logits, target) * len(logits)),
        dict(cross_entropy=lambda log_p, target:
             FORMULAS.cross_entropy(log_p, target) * len(log_p)))
mistake("xe-divided-by-classes", "2.5",
        "The sum of the losses is divided by the number of classes C; divide by the batch size N.",
        dict(cross_entropy=lambda log_p, target:
             FORMULAS.cross_entropy(log_p, target) * len(log_p) / log_p.shape[1],
             cross_entropy_gradient=lambda logits, target:
             FORMULAS.cross_entropy_gradient(logits, target) * len(logits) / logits.shape[1]),
        dict(cross_entropy=lambda log_p, target:
             FORMULAS.cross_entropy(log_p, target) * len(log_p) / log_p.shape[1]))
mistake("xe-gradient-not-averaged", "2.5",
        "Your gradient lacks the factor 1/N: the loss is a mean over the batch (Appendix B.2).",
        dict(cross_entropy_gradient=lambda logits, target:
             FORMULAS.cross_entropy_gradient(logits, target) * len(logits)))
mistake("xe-no-log-sum-exp", "2.5",
        "Large logits overflow to inf or nan: subtract each row's maximum first, the log-sum-exp "
        "trick of Appendix B.1.",
        dict(log_softmax=lambda x: np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))))
mistake("xe-wrong-axis", "2.5",
        "The softmax runs over the batch (axis 0); it runs over the classes of a row (axis 1).",
        dict(log_softmax=lambda x: FORMULAS.log_softmax(x.T).T))
mistake("xe-sign", "2.5",
        "The sign is wrong: the loss is minus the mean log-probability of the right class, and "
        "its gradient (softmax - one_hot) / N.",
        dict(cross_entropy=lambda log_p, target: -FORMULAS.cross_entropy(log_p, target),
             cross_entropy_gradient=lambda logits, target:
             -FORMULAS.cross_entropy_gradient(logits, target)),
        dict(cross_entropy=lambda log_p, target: -FORMULAS.cross_entropy(log_p, target)),
        dict(cross_entropy_gradient=lambda logits, target:
             -FORMULAS.cross_entropy_gradient(logits, target)))
mistake("xe-target-ignored", "2.5",
        "The labels are ignored: of each row, only the log-probability of the right class counts.",
        dict(cross_entropy=lambda log_p, target: -log_p.mean()),
        dict(cross_entropy=lambda log_p, target: -log_p.sum() / len(log_p)))
mistake("xe-softmax-alone", "2.5",
        "Your gradient is the softmax alone; subtract 1 at the right class (Appendix B.2).",
        dict(cross_entropy_gradient=lambda logits, target: _softmax(logits) / len(logits)),
        dict(cross_entropy_gradient=lambda logits, target: _softmax(logits)))

# ---- 2.6 Momentum

mistake("momentum-forgotten", "2.6",
        "The velocity is forgotten between steps, so that momentum has no effect: keep it in "
        "self.momentums.",
        dict(momentum_step=lambda w, v, g, lr, beta: (w - lr * g, v)))
mistake("momentum-uphill", "2.6",
        "The step goes uphill: velocity = beta * velocity - lr * gradient.",
        dict(momentum_step=lambda w, v, g, lr, beta: (w + beta * v + lr * g, beta * v + lr * g)))
mistake("momentum-lr-ignored", "2.6",
        "The learning rate is left out: velocity = beta * velocity - lr * gradient.",
        dict(momentum_step=lambda w, v, g, lr, beta: (w + beta * v - g, beta * v - g)))
mistake("momentum-not-scaled", "2.6",
        "The velocity is not scaled by beta: velocity = beta * velocity - lr * gradient.",
        dict(momentum_step=lambda w, v, g, lr, beta: (w + v - lr * g, v - lr * g)))
mistake("momentum-on-gradient", "2.6",
        "beta is applied to the gradient: velocity = beta * velocity - lr * gradient, the gradient "
        "as it is.",
        dict(momentum_step=lambda w, v, g, lr, beta: (w + v - beta * lr * g, v - beta * lr * g)),
        dict(momentum_step=lambda w, v, g, lr, beta: (w + beta * v - (1 - beta) * lr * g,
                                                      beta * v - (1 - beta) * lr * g)))
mistake("momentum-nesterov", "2.6",
        "This is Nesterov's momentum; here the weight moves by the velocity alone.",
        dict(momentum_step=lambda w, v, g, lr, beta: (w + beta * (beta * v - lr * g) - lr * g,
                                                      beta * v - lr * g)))
mistake("momentum-shared", "2.6",
        "All parameters share one velocity; each needs its own, in self.momentums.",
        dict(velocity_of=lambda index: 0))

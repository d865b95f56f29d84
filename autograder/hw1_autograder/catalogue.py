"""The catalogue of common mistakes in this homework, problem by problem."""

from judging.checks import FORMULAS
from judging.explain import NOT_WRITTEN
from judging.mistakes import CONSTANTS, mistake
from test_mlp import ALPHA, EPS

CONSTANTS.update(ALPHA=ALPHA, EPS=EPS)

# ---- 1.1 Basic operations

mistake("sub-sign", "1.1.1", "Your gradient for b is the right one with its sign flipped: "
        "d(a-b)/db is -1.", sub_gradients="g, g")
mistake("mul-swapped", "1.1.2", "Your two gradients are swapped: d(ab)/da is b, and d(ab)/db is a "
        "(or a and b were saved in the other order).", mul_gradients="g * a, g * b")
mistake("upstream-forgotten", "1.1", "You forgot to multiply by the gradient that comes in: "
        "backward returns grad_output times the derivative (the chain rule).",
        sub_gradients="np.ones_like(a), -np.ones_like(b)", mul_gradients="b, a",
        div_gradients="1 / b, -a / b ** 2")
mistake("upstream-forgotten-once", "1.1", "One of your two gradients is not multiplied by the "
        "gradient that comes in: backward returns grad_output times the derivative for both.",
        sub_gradients=["g, -np.ones_like(b)", "np.ones_like(a), -g"],
        mul_gradients=["b, g * a", "g * b, a"],
        div_gradients=["1 / b, -g * a / b ** 2", "g / b, -a / b ** 2"])
mistake("operator-calls-another", "1.1", "The operator of Tensor calls another function than the "
        "one of its name.", operator_calls=["'Add'", "'Sub'", "'Mul'", "'Div'"])
mistake("operator-hands-one-twice", "1.1", "The operator hands its function the same tensor twice: "
        "it has self and other.", *[dict(operator_hands=twice, operator_is_in_the_graph="False")
                                    for twice in ("a, a", "b, b")])
mistake("operator-outside-the-graph", "1.1", "The operator computes the right numbers, but not "
        "through the function's apply() of both operands: its output, or one of them, has no place "
        "in the graph, as with a + b.", operator_is_in_the_graph="False")
mistake("sub-reversed", "1.1.1", "What is computed is b - a, not a - b.", sub="b - a")
mistake("div-reversed", "1.1.3", "What is computed is b / a, not a / b.", div="b / a")
mistake("div-rounded", "1.1.3", "The quotient is rounded down: a / b, not a // b.", div="a // b")
mistake("mul-like-add", "1.1.2", "Your gradients are those of a + b: d(ab)/da is b, and d(ab)/db "
        "is a.", mul_gradients="g, g")
mistake("mul-own-factor", "1.1.2", "Both gradients hold the same factor: d(ab)/da is b, and "
        "d(ab)/db is a.", mul_gradients=["g * a, g * a", "g * b, g * b", "g * a * b, g * a * b"])
mistake("div-sign", "1.1.3", "Your gradient for b lacks its minus: d(a/b)/db is -a/b^2.",
        div_gradients="g / b, g * a / b ** 2")
mistake("div-b-like-a", "1.1.3", "Your gradient for b is 1/b, which is the one for a: d(a/b)/db "
        "is -a/b^2.", div_gradients="g / b, g / b")
mistake("div-b-not-squared", "1.1.3", "Your gradient for b is -a/b or -(a/b)^2; b has to be "
        "squared, and nothing else: d(a/b)/db is -a/b^2.",
        div_gradients=["g / b, -g * a / b", "g / b, -g * (a / b) ** 2"])
mistake("mul-matmul", "1.1.2", "What is computed is the matrix product a @ b; the product here is "
        "element by element, a * b.",
        dict(mul="a @ b", mul_gradients="g @ b, g @ a"),
        dict(mul="a @ b", mul_gradients="g @ b.T, a.T @ g"), mul=["a @ b", "np.dot(a, b)"],
        mul_gradients=["g @ b, g @ a", "g @ b.T, a.T @ g"])
mistake("div-saved-swapped", "1.1.3", "a and b are exchanged in backward: they were saved in "
        "another order than they are unpacked.", div_gradients="g / a, -g * b / a ** 2")
mistake("div-swapped", "1.1.3", "Your two gradients are swapped: d(a/b)/da is 1/b, and d(a/b)/db "
        "is -a/b^2.", div_gradients="-g * a / b ** 2, g / b")

# ---- 1.2 Autograd

mistake("output-requires-grad", "1.2", "The output of an operation requires grad as soon as one "
        "of its inputs does (not only if all do); set its requires_grad, in Function.apply() or "
        "in forward (Appendix A.1).",
        dict(output_requires_grad="False", output_has_node="False"), output_requires_grad="False")
mistake("output-if-all", "1.2", "The output requires grad only if all inputs do; it does as soon "
        "as one of them does (any, not all; Appendix A.1).",
        *[dict(output_requires_grad="all(inputs)", output_has_node=node, **leaf)
          for node in ("True", "False") for leaf in ({}, dict(output_is_leaf="not all(inputs)"))])
mistake("output-if-one-input", "1.2", "The output requires grad only if one certain input does, "
        "such as the last that was looked at; it does as soon as any of them does (Appendix A.1).",
        *[dict(output_requires_grad="inputs[-1]", output_has_node=node, **leaf)
          for node in ("True", "False") for leaf in ({}, dict(output_is_leaf="not inputs[-1]"))])
mistake("output-always-requires-grad", "1.2", "The output requires grad although no input does; "
        "it does only if one of the inputs requires grad (Appendix A.1).",
        dict(output_requires_grad="True", output_is_leaf="False"), output_requires_grad="True")
mistake("output-is-leaf", "1.2", "The output of an operation on a gradient-enabled input is no "
        "leaf; set is_leaf=False, in Function.apply() or in forward (Appendix A.1).",
        output_is_leaf="True")
mistake("output-never-leaf", "1.2", "The output of an operation on constants is a leaf too: "
        "is_leaf is False only where an input requires grad (Appendix A.1).",
        output_is_leaf="False")
mistake("output-flags", "1.2", "The output's requires_grad and is_leaf are left as they are for a "
        "constant; set both from the inputs, in Function.apply() or in forward (Appendix A.1).",
        dict(output_requires_grad="False", output_is_leaf="True"))
mistake(NOT_WRITTEN, "1.2", "the output of an operation has no node in grad_fn, and neither "
        "requires_grad nor is_leaf is set (the rest of Function.apply(), Appendix A.1).",
        dict(output_requires_grad="False", output_is_leaf="True", output_has_node="False"))
BELONGS = ("what forward keeps belongs into ctx, not on the class or in a global name, where the "
           "next call replaces it.")
mistake("state-on-class", "1.2", "The second product's values are used for the first one's "
        "gradients: " + BELONGS, product_gradients="d, c")
mistake("unbroadcast-sums-equal-shapes", "1.1", "The gradient is summed although the shapes are "
        "equal: unbroadcast() sums only what was broadcast.", summed="grad.sum(axis=0)")
for problem, words, changed in (
        ("1.1", "operation's", [dict(operands_kept="g[0], g[0]", summed=way)
                                for way in ("grad", "grad.sum(axis=0)")]),
        ("2.2", "ReLU's", [dict(relu_kept="other")]),
        ("2.4", "batch's", [dict(batch_kept="other")]),
        ("2.5", "loss'", [dict(loss_kept=kept) for kept in ("other", "(other[0], own[1])")])):
    mistake("state-on-class", problem, f"The second {words} values are used for the first one's "
            "gradient: " + BELONGS, *changed)
mistake("grad-is-array", "1.2", "The numbers are right, but .grad is a NumPy array; it has to be "
        "a Tensor (Appendix A).", grad_is_an_array="True")
mistake("grad-in-graph", "1.2", "The numbers are right, but .grad requires grad itself, so that a "
        "graph hangs on to it; store a Tensor with requires_grad=False (section 0.1.5, step 4).",
        grad_is_in_a_graph="True")

# ---- 2.1 Linear

mistake("weight-not-transposed", "2.1", "The weight is stored as (in, out) or not transposed: "
        "weight has the shape (out_features, in_features), and the layer computes x W^T + b.",
        dict(linear="x @ w + b", weight_shape="n_in, n_out"), linear="x @ w + b",
        weight_shape="n_in, n_out")
mistake("bias-shape", "2.1", "The bias has one number for each output: (out_features,).",
        bias_shape=["(n_in,)", "(1,)"])
mistake("bias-left-out", "2.1", "The bias is left out: the layer computes x W^T + b.",
        linear="x @ w.T")
mistake("bias-subtracted", "2.1", "The bias does not count once: the layer computes x W^T + b.",
        linear=["x @ w.T - b", "x @ w.T + 2 * b"])
mistake("weight-gradient-averaged", "2.1", "The gradient of the weight is averaged over the "
        "batch; it is the sum over the rows.",
        linear_gradients=["g @ w, g.T @ x / len(x), g.sum(axis=0)",
                          "g @ w, g.T @ x / len(x), g.mean(axis=0)"])
mistake("unbroadcast-sums-all", "2.1", "The gradient of the bias is the sum over all entries; sum "
        "over the rows alone.",
        linear_gradients=["g @ w, g.T @ x, g.sum()",
                          "g @ w, g.T @ x, np.full(g.shape[1], g.sum())"])
mistake("unbroadcast-takes-one-row", "2.1", "The gradient of the bias is that of one row; it is "
        "the sum over the rows.",
        linear_gradients=["g @ w, g.T @ x, g[0]", "g @ w, g.T @ x, g[-1]"])
mistake("bias-gradient-averaged", "2.1", "The gradient of the bias is averaged over the batch; it "
        "is the sum over the rows.", linear_gradients="g @ w, g.T @ x, g.mean(axis=0)")
mistake("layers-skipped", "2.1", "Sequential leaves a layer out: the output of each layer is the "
        "input of the next, and the last one's output is returned.",
        sequence=["layers[1:]", "layers[:-1]", "[]"])
mistake("layers-reversed", "2.1", "Sequential calls its layers from the last to the first.",
        sequence="layers[::-1]")

# ---- 2.2 ReLU

mistake("relu-one-at-zero", "2.2", "Your derivative of ReLU is 1 at 0; it is 0 there (use >, not "
        ">=).", relu_gradient="np.where(z >= 0, g, 0)")
mistake("relu-passes-all", "2.2", "Your ReLU passes every gradient on; where its input was not "
        "positive, the derivative is 0.", relu_gradient="g")
mistake("relu-half-at-zero", "2.2", "Your derivative of ReLU is 1/2 at 0; it is 0 there.",
        relu_gradient="np.where(z > 0, g, np.where(z == 0, g / 2, 0))")
mistake("relu-upstream-forgotten", "2.2", "You forgot to multiply by the gradient that comes in: "
        "grad_output where z > 0, else 0.",
        relu_gradient=["np.where(z > 0, 1., 0)", "np.where(z >= 0, 1., 0)"])
mistake("relu-gradient-times-input", "2.2", "Your ReLU multiplies the gradient by its output; the "
        "derivative is 1 where z > 0, else 0.",
        relu_gradient=["np.where(z > 0, g * z, 0)", "g * z"])
mistake("relu-gradient-other-side", "2.2", "Your ReLU passes the gradient on where z < 0, and "
        "stops it where z > 0.", relu_gradient=["np.where(z > 0, 0, g)", "np.where(z < 0, g, 0)"])
mistake("relu-absolute", "2.2", "forward gives |z|; ReLU(z) is 0 where z is negative.",
        dict(relu="np.abs(z)", relu_gradient="g * np.sign(z)"), relu="np.abs(z)")
mistake("relu-other-side", "2.2", "forward keeps the negative entries and clears the positive "
        "ones; it is the other way round.",
        dict(relu="np.minimum(z, 0)", relu_gradient="np.where(z < 0, g, 0)"),
        relu="np.minimum(z, 0)")
mistake("relu-step", "2.2", "forward gives 1 where z > 0; ReLU(z) is z there.", relu="(z > 0) * 1.")
mistake("relu-leaky", "2.2", "forward lets a part of the negative entries through; ReLU(z) is 0 "
        "there.",
        *[dict(relu=f"np.where(z > 0, z, {k} * z)", relu_gradient=f"np.where(z > 0, g, {k} * g)")
          for k in (0.01, 0.1, 0.2)])
mistake("relu-sign-of-gradient", "2.2", "Your ReLU looks at the sign of the gradient; what counts "
        "is the sign of its input in forward, which has to be saved there.",
        relu_gradient="np.where(g > 0, g, 0)")

# ---- 2.3 SGD

mistake("sgd-uphill", "2.3", "The step goes uphill: W - lr * gradient, with a minus.",
        sgd="w + lr * g")
mistake("sgd-lr-ignored", "2.3", "The learning rate is ignored: W - lr * gradient.", sgd="w - g")
mistake("sgd-lr-squared", "2.3", "The learning rate is applied twice: W - lr * gradient.",
        sgd="w - lr * lr * g")
mistake("sgd-lr-fixed", "2.3", "The step has a fixed learning rate, whatever lr is given: use "
        "self.lr.", sgd=["w - 0.1 * g", "w - 0.01 * g", "w - 0.001 * g"])
mistake("sgd-unchanged", "2.3", "The parameters do not change: step() has to assign the new "
        "values to param.data, and the step must not be 0.", sgd="w")
mistake("sgd-no-weight", "2.3", "The new weight is the step alone: W - lr * gradient.",
        sgd=["-lr * g", "lr * g"])
mistake("sgd-momentum", "2.3", "There is momentum although none is asked for (it is 0.0 where it "
        "is not given): use self.momentum.",
        stepping=lambda f, lr, momentum, count: FORMULAS.stepping(f, lr, 0.9, count))
mistake("sgd-in-graph", "2.3", "After step() the weight is the output of an operation and no leaf "
        "any more: compute with .data, so that nothing is added to the graph.",
        parameter_is_leaf="False")
mistake("only-first-parameter-moves", "2", "Only the first parameter moves: the loop over the "
        "parameters ends too early (a return, or a break, inside it).", moves="index == 0")
mistake("only-last-parameter-moves", "2", "Only the last parameter moves: the update stands after "
        "the loop over the parameters, not inside it.", moves="index == count - 1")

# ---- 2.4 BatchNorm


def _normalised(mean="x.mean(axis=0)", var="((x - {mean}) ** 2).mean(axis=0)",
                root="np.sqrt({var} + EPS)"):
    """Write equations 3 to 6 with another mean, variance or root."""
    root = root.replace("{var}", var).replace("{mean}", mean)
    return f"gamma * (x - {mean}) / ({root}) + beta"


def _either(mean, var):
    """Write them with the mean, the variance or both wrong."""
    return [_normalised(mean, var), _normalised(mean), _normalised(var=var)]


def _moved(old, new):
    """Write a running estimate after a batch."""
    return f"(1 - ALPHA) * {old} + ALPHA * {new}"


def _partial_gradients(through_mean, through_var):
    """Write the gradients of BatchNorm with other shares of the flow through mean and variance."""
    std = "np.sqrt(x.var(axis=0) + EPS)"
    x_hat = f"(x - x.mean(axis=0)) / {std}"
    flow = (f"g - {through_mean} * g.mean(axis=0)"
            f" - {through_var} * {x_hat} * (g * {x_hat}).mean(axis=0)")
    return f"(gamma / {std} * ({flow}),) + batchnorm_gradients(x, gamma, g)[1:]"


def _affine_gradients(gamma, beta):
    """Write the gradients of BatchNorm with other ones for gamma and beta."""
    return (f"(lambda dx, dgamma, dbeta: (dx, {gamma}, {beta}))"
            "(*batchnorm_gradients(x, gamma, g))")


BOTH_MOVED = "running_mean(mean, x), running_var(var, x)"

mistake("bn-unbiased-normalise", "2.4", "You normalise with the unbiased variance (divided by m - "
        "1); equation 4 divides by m. The unbiased one is for the running estimate.",
        batchnorm=_normalised(var="x.var(axis=0, ddof=1)"))
mistake("bn-biased-running", "2.4", "The running variance is updated with the biased variance "
        "(divided by m, as equations 11 and 14 have it); equation 7 divides by m - 1, as PyTorch "
        "does.", running_var=_moved("var", "x.var(axis=0)"))
mistake("bn-eps-outside", "2.4", "eps is added to the root; it belongs inside: sqrt(var + eps).",
        batchnorm=_normalised(root="np.sqrt({var}) + EPS"))
mistake("bn-eps-missing", "2.4", "eps is missing: divide by sqrt(var + eps).",
        batchnorm=_normalised(root="np.sqrt({var})"))
mistake("bn-alpha-exchanged", "2.4", "alpha and 1 - alpha are exchanged: running = (1 - alpha) * "
        "running + alpha * batch, with alpha = momentum = 0.1.",
        dict(running_mean="ALPHA * mean + (1 - ALPHA) * x.mean(axis=0)",
             running_var="ALPHA * var + (1 - ALPHA) * x.var(axis=0, ddof=1)"),
        running_mean="ALPHA * mean + (1 - ALPHA) * x.mean(axis=0)",
        running_var="ALPHA * var + (1 - ALPHA) * x.var(axis=0, ddof=1)")
mistake("bn-running-not-updated", "2.4", "The running estimates never change; in training each "
        "batch moves them.", dict(running_mean="mean", running_var="var"))
mistake("bn-running-var-not-updated", "2.4", "running_var never changes; in training each batch "
        "moves it.", running_var="var")
mistake("bn-running-mean-not-updated", "2.4", "running_mean never changes; in training each batch "
        "moves it.", running_mean="mean")
mistake("bn-running-no-decay", "2.4", "The running estimates do not decay: running = (1 - alpha) "
        "* running + alpha * batch, and the factor 1 - alpha is missing.",
        dict(running_mean="mean + ALPHA * x.mean(axis=0)",
             running_var="var + ALPHA * x.var(axis=0, ddof=1)"),
        running_mean="mean + ALPHA * x.mean(axis=0)",
        running_var="var + ALPHA * x.var(axis=0, ddof=1)")
mistake("bn-running-no-alpha", "2.4", "The batch's statistics are added without the factor alpha: "
        "running = (1 - alpha) * running + alpha * batch.",
        dict(running_mean="(1 - ALPHA) * mean + x.mean(axis=0)",
             running_var="(1 - ALPHA) * var + x.var(axis=0, ddof=1)"))
mistake("bn-running-replaced", "2.4", "The running estimates are those of the last batch; each "
        "batch moves them only by alpha: running = (1 - alpha) * running + alpha * batch.",
        dict(running_mean="x.mean(axis=0)", running_var="x.var(axis=0, ddof=1)"),
        dict(running_mean="x.mean(axis=0)", running_var="x.var(axis=0)"))
mistake("bn-running-std", "2.4", "running_var is updated with the standard deviation; it takes "
        "the variance, without a root.",
        running_var=[_moved("var", std) for std in (
            "x.std(axis=0)", "x.std(axis=0, ddof=1)", "np.sqrt(x.var(axis=0) + EPS)")])
mistake("bn-running-shared", "2.4", "The batch of another layer moves the running estimates too: "
        "each layer has its own, self.running_mean, not on the class.",
        moved_by="[*batches, 2 * batches[-1]]")
mistake("bn-running-sum", "2.4", "The running estimates take a sum over the batch; they take the "
        "mean, and the variance.",
        running_var=_moved("var", "x.var(axis=0) * len(x)"),
        running_mean=_moved("mean", "x.sum(axis=0)"))
mistake("bn-running-mean-of-all", "2.4", "The running estimates take the mean over the whole "
        "batch, a single number; there is one for each feature (axis 0).",
        *[dict(running_mean=_moved("mean", "x.mean()"), running_var=_moved("var", var))
          for var in ("x.var(ddof=1)", "x.var()")])
mistake("bn-running-exchanged", "2.4", "running_mean and running_var are exchanged: each is moved "
        "by the other's statistic.",
        *[dict(start, running_mean=_moved("mean", var), running_var=_moved("var", "x.mean(axis=0)"))
          for var in ("x.var(axis=0, ddof=1)", "x.var(axis=0)")
          for start in ({}, dict(running_start="np.ones(n), np.zeros(n)"))])
mistake("bn-running-less-one", "2.4", "1 is subtracted from the variance, not from m: divide the "
        "sum of the squares by (m - 1), in parentheses.",
        running_var=_moved("var", "(x.var(axis=0) - 1)"))
mistake("bn-running-divided-twice", "2.4", "The variance for the running estimate is divided by m "
        "and by m - 1; it is the sum of the squares, divided by m - 1 alone: var * m / (m - 1).",
        running_var=_moved("var", "x.var(axis=0) / (len(x) - 1)"))
mistake("bn-divided-by-features", "2.4", "The sums are divided by the number of features "
        "(shape[1]); m is the number of rows (shape[0]).",
        batchnorm=[_normalised("x.sum(axis=0) / x.shape[1]",
                               "((x - {mean}) ** 2).sum(axis=0) / x.shape[1]"),
                   _normalised(var="x.var(axis=0) * len(x) / x.shape[1]")])
mistake("bn-size-fixed", "2.4", "The number of rows is fixed in the code: m is x.shape[0].",
        dict(running_mean=_moved("mean", "x.sum(axis=0) / 4"), running_var=_moved(
            "var", "((x - x.sum(axis=0) / 4) ** 2).sum(axis=0) / 3")),
        running_var=_moved("var", "x.var(axis=0) * 4 / 3"))
mistake("bn-running-updated-in-eval", "2.4", "The running estimates change in evaluation; only "
        "training may move them.",
        dict(running_after_eval=BOTH_MOVED,
             batchnorm_eval=f"batchnorm_eval(x, gamma, beta, {BOTH_MOVED})"),
        running_after_eval=BOTH_MOVED)
mistake("bn-batch-statistics-in-eval", "2.4", "In evaluation you normalise with the batch's own "
        "mean and variance; the running estimates take their place there.",
        dict(batchnorm_eval="batchnorm(x, gamma, beta)", running_after_eval=BOTH_MOVED),
        batchnorm_eval="batchnorm(x, gamma, beta)")
mistake("bn-eval-no-affine", "2.4", "In evaluation gamma, beta or both are left out: y = gamma * "
        "x_hat + beta there too.",
        batchnorm_eval=["batchnorm_eval(x, 1, 0, mean, var)",
                        "batchnorm_eval(x, gamma, 0, mean, var)",
                        "batchnorm_eval(x, 1, beta, mean, var)"])
mistake("bn-eval-no-root", "2.4", "In evaluation the square root is missing: divide by "
        "sqrt(running_var + eps).", batchnorm_eval="gamma * (x - mean) / (var + EPS) + beta")
mistake("bn-eval-eps", "2.4", "In evaluation eps is missing, or added to the root: divide by "
        "sqrt(running_var + eps).", batchnorm_eval=[
            f"gamma * (x - mean) / (np.sqrt(var) + {eps}) + beta" for eps in ("0", "EPS")])
mistake("bn-eval-exchanged", "2.4", "In evaluation the two running estimates are exchanged.",
        batchnorm_eval=["batchnorm_eval(x, gamma, beta, var, mean)",
                        "gamma * (x - var) / (mean + EPS) + beta"])
mistake("bn-eval-as-is", "2.4", "In evaluation x is not normalised: subtract running_mean and "
        "divide by sqrt(running_var + eps).",
        batchnorm_eval=["gamma * x + beta", "x", "gamma * (x - mean) + beta",
                        "gamma * x / np.sqrt(var + EPS) + beta"])
mistake("bn-eval-half", "2.4", "In evaluation one of the two statistics is the batch's own; both "
        "running estimates take their place there.",
        batchnorm_eval=["batchnorm_eval(x, gamma, beta, x.mean(axis=0), var)",
                        "batchnorm_eval(x, gamma, beta, mean, x.var(axis=0))"])
mistake("bn-gamma-left-out", "2.4", "gamma is left out: y = gamma * x_hat + beta.",
        batchnorm="batchnorm(x, 1, beta)")
mistake("bn-beta-left-out", "2.4", "beta is left out: y = gamma * x_hat + beta.",
        batchnorm="batchnorm(x, gamma, 0)")
mistake("bn-wrong-axis", "2.4", "Mean, variance or both are taken over the features of a row "
        "(axis 1); they are taken over the batch, one for each feature (axis 0).",
        batchnorm=_either("x.mean(axis=1, keepdims=True)",
                          "((x - {mean}) ** 2).mean(axis=1, keepdims=True)"))
mistake("bn-statistics-of-all", "2.4", "Mean, variance or both are taken over all entries, rows "
        "and features together, or divided by the number of all; there is one of each for every "
        "feature, over the batch (axis 0).",
        batchnorm=_either("x.mean()", "((x - {mean}) ** 2).mean()")
        + _either("x.sum() / len(x)", "((x - {mean}) ** 2).sum() / len(x)") + [
            _normalised("x.sum(axis=0) / x.size", "((x - {mean}) ** 2).sum(axis=0) / x.size"),
            _normalised("x.sum(axis=0) / x.size"), _normalised(var="x.var(axis=0) / x.shape[1]")])
mistake("bn-no-root", "2.4", "The square root is missing: divide by sqrt(var + eps).",
        batchnorm=_normalised(root="{var} + EPS"))
mistake("bn-std-for-var", "2.4", "The root is taken twice, or of the standard deviation: divide "
        "by sqrt(var + eps).", batchnorm=_normalised(root="np.sqrt(np.sqrt({var}) + EPS)"))
mistake("bn-eps-wrong", "2.4", "eps is not 1e-5, which is the default in __init__: use self.eps.",
        batchnorm=[_normalised(root="np.sqrt({var} + %s)" % eps)
                   for eps in (1e-3, 1e-4, 1e-6, 1e-7, 1e-8)])
mistake("bn-mean-alone-divided", "2.4", "Only the mean is divided by the root: (x - mean) / "
        "sqrt(var + eps), with parentheses.",
        batchnorm="gamma * (x - x.mean(axis=0) / np.sqrt(x.var(axis=0) + EPS)) + beta",
        batchnorm_eval="gamma * (x - mean / np.sqrt(var + EPS)) + beta")
mistake("bn-beta-scaled", "2.4", "beta is multiplied by gamma: y = gamma * x_hat + beta.",
        batchnorm="batchnorm(x, gamma, gamma * beta)")
mistake("bn-sign", "2.4", "The sign of x_hat is wrong: x - mean, not mean - x.",
        batchnorm="batchnorm(x, -gamma, beta)",
        batchnorm_eval="batchnorm_eval(x, -gamma, beta, mean, var)")
mistake("bn-mean-not-subtracted", "2.4", "The mean is not subtracted: x_hat = (x - mean) / "
        "sqrt(var + eps).", batchnorm="gamma * x / np.sqrt(x.var(axis=0) + EPS) + beta")
mistake("bn-variance-not-divided", "2.4", "The sum of the squares is not divided by m, or the "
        "mean is not: both are means over the batch (equations 3 and 4).",
        batchnorm=[_normalised(var="x.var(axis=0) * len(x)"), _normalised("x.sum(axis=0)")])
mistake("bn-variance-not-centred", "2.4", "The variance is the mean of x^2; subtract the mean "
        "before you square (equation 4).", batchnorm=_normalised(var="(x ** 2).mean(axis=0)"))
mistake("bn-running-in-training", "2.4", "In training you normalise with the running estimates, or "
        "with one of them; there the batch's own mean and variance count.",
        batchnorm=[f"batchnorm_eval(x, gamma, beta, {mean}, {var})" for mean, var in (
            ("0", "1"), ("running_mean(0, x)", "running_var(1, x)"),
            ("running_mean(0, x)", "x.var(axis=0)"), ("x.mean(axis=0)", "running_var(1, x)"))])
mistake("bn-affine-exchanged", "2.4", "gamma and beta are exchanged: y = gamma * x_hat + beta.",
        batchnorm="batchnorm(x, beta, gamma)")
mistake("bn-affine-left-out", "2.4", "gamma and beta are left out: y = gamma * x_hat + beta.",
        batchnorm="batchnorm(x, 1, 0)")
IN_GRAPH = "so compute it with operations of the graph, or add its term to your formula."
mistake("bn-mean-constant", "2.4", "Your gradient takes the mean for a constant; it depends on x "
        "too, " + IN_GRAPH,
        batchnorm_gradients=_partial_gradients(0, 1))
mistake("bn-var-constant", "2.4", "Your gradient takes the variance for a constant; it depends on "
        "x too, " + IN_GRAPH,
        batchnorm_gradients=_partial_gradients(1, 0))
mistake("bn-statistics-constant", "2.4", "Your gradient takes mean and variance for constants; "
        "both depend on x, so compute them with operations of the graph.",
        batchnorm_gradients=_partial_gradients(0, 0))
mistake("bn-terms", "2.4", "A term of your gradient of x has another factor. It is gamma / "
        "sqrt(var + eps) * (grad - mean(grad) - x_hat * mean(grad * x_hat)), with means over the "
        "batch, each divided by m.",
        batchnorm_gradients=[_partial_gradients(*shares) for share in (
            "len(x)", "len(x) / x.shape[1]", "-1") for shares in (
                (share, 1), (1, share), (share, share))])
mistake("bn-gamma-gradient", "2.4", "The gradient of gamma is the sum of grad * x_hat over the "
        "batch, that of beta the sum of grad: one of them is averaged, or lacks x_hat.",
        batchnorm_gradients=[_affine_gradients(gamma, beta) for gamma, beta in (
            ("dgamma / len(x)", "dbeta / len(x)"), ("dgamma / len(x)", "dbeta"),
            ("dgamma", "dbeta / len(x)"), ("dbeta", "dbeta"))])
mistake("bn-gradient-without-gamma", "2.4", "The gradient of x lacks the factor gamma.",
        batchnorm_gradients="batchnorm_gradients(x, 1, g)[:1] + "
                            "batchnorm_gradients(x, gamma, g)[1:]")
mistake("bn-running-var-zero", "2.4", "running_var starts at 0; it starts at 1.",
        running_start="np.zeros(n), np.zeros(n)")

# ---- 2.5 Cross entropy

SHIFTED = "(x - x.max(axis=1, keepdims=True))"


def _scaled(factor):
    """Write the loss, its gradient or both times a factor of N rows and C classes."""
    value, gradient = (
        {name: f"(lambda N, C: {name}({arguments}) * {factor})(*{of}.shape)"}
        for name, arguments, of in (("cross_entropy", "log_p, target", "log_p"),
                                    ("cross_entropy_gradient", "x, target", "x")))
    return dict(value, **gradient), value, gradient


def _averaged_or_not(*gradients):
    """Write gradients of the logits divided by N, and not divided."""
    return [f"({gradient}) / {count}" for gradient in gradients for count in ("len(x)", "1")]


mistake("xe-sum", "2.5", "The losses are summed; divide by the batch size N.", *_scaled("N")[:2])
mistake("xe-divided-by-classes", "2.5", "The sum of the losses, or the gradient, is divided "
        "by the number of classes C; divide by the batch size N.", *_scaled("N / C"))
mistake("xe-divided-by-all", "2.5", "The sum of the losses, or the gradient, is divided by N * "
        "C; divide by the batch size N.", *_scaled("1 / C"))
mistake("xe-divided-twice", "2.5", "The mean is taken twice, of the losses or in the gradient: "
        "divide by the batch size N once.",
        *_scaled("1 / N"))
mistake("xe-size-fixed", "2.5", "The number of rows is fixed in the code: divide by the batch size "
        "N, logits.shape[0].", cross_entropy="cross_entropy(log_p, target) * len(log_p) / 3")
mistake("xe-gradient-not-averaged", "2.5", "Your gradient lacks the factor 1/N: the loss is a "
        "mean over the batch (Appendix B.2).", _scaled("N")[2])
mistake("xe-no-log-sum-exp", "2.5", "Large logits lead to inf or nan: subtract each row's maximum "
        "first, and take no logarithm of a softmax, which may be 0: x - max - log(sum(exp(x - "
        "max))), Appendix B.1.",
        log_softmax="np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))")
mistake("xe-small-constant-in-log", "2.5", "A small constant in the logarithm (or a bound on what "
        "goes into it) keeps the loss of large logits too small: x - max - log(sum(exp(x - "
        "max))), Appendix B.1.",
        log_softmax=[f"np.log(softmax(x) + {k})" for k in (
            1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20)])
mistake("xe-maximum-not-added-back", "2.5", "The maximum that was subtracted is not added back: "
        "log sum exp(x) = max + log sum exp(x - max), Appendix B.1.",
        log_softmax="log_softmax(x) + x.max(axis=1, keepdims=True)")
mistake("xe-exponentials-not-shifted", "2.5", "The exponentials are those of the logits; subtract "
        "the maximum there too: shifted - log(sum(exp(shifted))), Appendix B.1.",
        log_softmax=f"{SHIFTED} - np.log(np.exp(x).sum(axis=1, keepdims=True))")
mistake("xe-maximum-of-the-batch", "2.5", "The maximum that is subtracted is taken over the batch "
        "(axis 0); it is each row's own (axis 1, keepdims=True).",
        log_softmax="log_softmax(x - x.max(axis=0))")
mistake("xe-wrong-axis", "2.5", "The softmax runs over the batch (axis 0); it runs over the "
        "classes of a row (axis 1).", log_softmax="log_softmax(x.T).T")
mistake("xe-softmax-over-all", "2.5", "The softmax runs over all entries; it runs over the "
        "classes of a row (axis 1).", log_softmax="log_softmax(x.reshape(1, -1)).reshape(x.shape)")
mistake("xe-sum-over-all", "2.5", "The sum of the exponentials runs over all entries, or over the "
        "batch; it runs over the classes of a row (axis 1).",
        log_softmax=[f"{SHIFTED} - np.log(np.exp({SHIFTED}).sum(axis={axis}, keepdims=True))"
                     for axis in (None, 0)])
mistake("xe-gradient-in-all-rows", "2.5", "1 is subtracted in whole columns, [:, target] -= 1; "
        "subtract it at one entry of each row: [np.arange(N), target] -= 1.",
        cross_entropy_gradient=_averaged_or_not(
            "softmax(x) - np.isin(np.arange(x.shape[1]), target)"))
mistake("xe-gradient-added", "2.5", "1 is added at the right class; it is subtracted there: "
        "(softmax - one_hot) / N.",
        cross_entropy_gradient=_averaged_or_not("softmax(x) + one_hot(target, x)"))
mistake("xe-sign", "2.5", "The sign is wrong: the loss is minus the mean log-probability of the "
        "right class, and its gradient (softmax - one_hot) / N.", *_scaled("-1"))
mistake("xe-no-log", "2.5", "The logarithm is missing: the loss is minus the mean log-probability "
        "of the right class.",
        dict(log_softmax="softmax(x)", cross_entropy="-cross_entropy(log_p, target)"),
        log_softmax=["softmax(x)", "x",
                     f"{SHIFTED} - np.exp({SHIFTED}).sum(axis=1, keepdims=True)"])
mistake("xe-softmax-twice", "2.5", "The softmax is taken twice.",
        log_softmax="log_softmax(softmax(x))")
mistake("xe-target-ignored", "2.5", "The labels are ignored: of each row, only the "
        "log-probability of the right class counts.",
        cross_entropy=["-log_p.mean()", "-log_p.sum() / len(log_p)", "-log_p.sum()"])
mistake("xe-argmax", "2.5", "The class with the largest logit is taken in place of the label.",
        cross_entropy="cross_entropy(log_p, log_p.argmax(axis=1))",
        cross_entropy_gradient="cross_entropy_gradient(x, x.argmax(axis=1))")
mistake("xe-columns", "2.5", "All rows are indexed with all labels, log_p[:, target]; take one "
        "entry of each row: log_p[np.arange(N), target].",
        cross_entropy=[f"-log_p[:, target].{mean}" for mean in (
            "mean()", "sum() / len(log_p)", "sum()")])
mistake("xe-softmax-alone", "2.5", "Your gradient is the softmax alone; subtract 1 at the right "
        "class (Appendix B.2).", cross_entropy_gradient=_averaged_or_not("softmax(x)"))
mistake("xe-log-softmax-in-gradient", "2.5", "Your gradient takes the log-softmax, or the logits, "
        "for the softmax: (softmax - one_hot) / N (Appendix B.2).",
        cross_entropy_gradient=_averaged_or_not(
            "log_softmax(x) - one_hot(target, x)", "x - one_hot(target, x)"))
mistake("xe-one-hot-alone", "2.5", "Your gradient lacks the softmax: (softmax - one_hot) / N, "
        "Appendix B.2 (or exp was computed outside the graph, from an array).",
        cross_entropy_gradient=_averaged_or_not("-one_hot(target, x)"))
mistake("xe-upstream-forgotten", "2.5", "The gradient that comes in is left out: multiply "
        "(softmax - one_hot) / N by it.", through_loss="gradient")

# ---- 2.6 Momentum

PLAIN_STEP = dict(momentum_step="w - lr * g, v")

mistake(NOT_WRITTEN, "2.6", "each step is - lr * gradient, and self.momentum is not used.",
        dict(PLAIN_STEP, velocities="{'velocities': 'unused'}"))
mistake("momentum-not-stored", "2.6", "Each step is - lr * gradient, as all velocities in "
        "self.momentums stay 0: store each there, self.momentums[i] = ...",
        dict(PLAIN_STEP, velocities="{'velocities': 'used, not stored'}"))
mistake("momentum-forgotten", "2.6", "Momentum has no effect, each step is - lr * gradient: "
        "self.momentums holds a velocity that is not used, or not the one that is changed "
        "(self.momentums[i] = ..., no append).",
        dict(PLAIN_STEP, velocities="{'velocities': 'stored'}"))
mistake("momentum-fixed", "2.6", "The velocity is scaled by 0.9 whatever momentum is given: use "
        "self.momentum.", momentum_step="w + 0.9 * v - lr * g, 0.9 * v - lr * g")
mistake("momentum-unchanged", "2.6", "The parameters do not change: either nothing is assigned to "
        "param.data, or the velocity stays at 0 because - lr * gradient is not in it.",
        momentum_step="w, v")
mistake("momentum-one-step-late", "2.6", "The weight moves by the velocity of the step before: "
        "first the velocity, then the weight.", momentum_step="w + v, beta * v - lr * g")
mistake("momentum-last-step-only", "2.6", "The velocity that is kept is - lr * gradient alone; "
        "what is used and kept is beta * velocity - lr * gradient.",
        momentum_step="w + beta * v - lr * g, -lr * g")
mistake("momentum-lr-twice", "2.6", "lr is applied twice: it is in the velocity already, W + "
        "velocity.", momentum_step="w + lr * (beta * v - lr * g), beta * v - lr * g")
mistake("momentum-velocity-not-reversed", "2.6", "The old velocity counts with the wrong sign: "
        "velocity = beta * velocity - lr * gradient, and the weight moves by + velocity.",
        momentum_step=["w - beta * v - lr * g, -beta * v - lr * g",
                       "w - beta * v - lr * g, beta * v + lr * g",
                       "w - beta * v - lr * g, beta * v - lr * g"])
mistake("momentum-no-weight", "2.6", "The new weight is the velocity alone: W + velocity.",
        momentum_step="beta * v - lr * g, beta * v - lr * g")
mistake("momentum-uphill", "2.6", "The step goes uphill: velocity = beta * velocity - lr * "
        "gradient, and the weight moves by + velocity.",
        momentum_step=["w + beta * v + lr * g, beta * v + lr * g",
                       "w - (beta * v - lr * g), beta * v - lr * g"])
mistake("momentum-lr-ignored", "2.6", "The learning rate is left out: velocity = beta * velocity "
        "- lr * gradient.",
        momentum_step=["w + beta * v - g, beta * v - g",
                       "w + beta * v - (1 - beta) * g, beta * v - (1 - beta) * g"])
mistake("momentum-not-scaled", "2.6", "The velocity is not scaled by beta: velocity = beta * "
        "velocity - lr * gradient.", momentum_step="w + v - lr * g, v - lr * g")
mistake("momentum-on-gradient", "2.6", "beta is applied to the gradient: velocity = beta * "
        "velocity - lr * gradient, the gradient as it is.",
        momentum_step=["w + v - beta * lr * g, v - beta * lr * g",
                       "w + beta * v - (1 - beta) * lr * g, beta * v - (1 - beta) * lr * g"])
mistake("momentum-nesterov", "2.6", "This is Nesterov's momentum; here the weight moves by the "
        "velocity alone.",
        momentum_step="w + beta * (beta * v - lr * g) - lr * g, beta * v - lr * g")
mistake("momentum-shared", "2.6", "All parameters share one velocity; each needs its own, "
        "self.momentums[i].", dict(velocity_of="0", velocity_kept="0"), velocity_kept="0")

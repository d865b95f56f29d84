"""Problems 2.1 to 2.6: what is asked of the layers, the loss and the optimizer.

Built as ``test_autograd.py`` is.  Where a part can be asked by itself, it is: ReLU without
Linear, step() with gradients set by hand; a network is asked once for each part.

N rows go in; x (N, F), weight (out, in), bias (out,).
"""

import numpy as np

from judging.checks import ANY, check, formula, formulas, title
from test_autograd import REQUIRES_GRAD, numbers, positive

# What the layers rest on: the operations, as far as they are used, and the engine.
FORWARD = {"1.1.1": ("forward", "a - b"), "1.1.2": ("forward", "a * b"),
           "1.1.3": ("forward", "a / b"), "1.2.1": ()}
BACKWARD = {"1.1.1": ANY, "1.1.2": ANY, "1.1.3": ANY, **REQUIRES_GRAD,
            "1.2.2": ("a.grad", "b.grad", "a.grad is an array, no Tensor"), "1.2.4": ("a.grad",),
            "1.2.5": ("a.grad", "b.grad"), "1.2.6": ("a.grad", "c.grad"),
            "1.2.7": ("gradients of a * b",), "1.2.8": ("a.grad", "b.grad"), "1.2.9": ("a.grad",)}
LINEAR = {"2.1.1": ("one layer", "two layers")}
NETWORK = {**BACKWARD, "2.1": ANY}


def some(rng, **shapes):
    return {name: numbers(rng, *shape) for name, shape in shapes.items()}


# ---- 2.1 Linear

title("2.1", "Linear layer")


formulas(
    linear=lambda x, w, b: x @ w.T + b,
    linear_gradients=lambda x, w, g: (g @ w, g.T @ x, g.sum(axis=0)),
    weight_shape=lambda n_in, n_out: (n_out, n_in),
    bias_shape=lambda n_in, n_out: (n_out,),
    sequence=lambda layers: layers)  # the order in which Sequential calls its layers


@formula
def network(f, x, w1, b1, w2, b2, gradient=np.ones_like, relu=False):
    """Return what two linear layers give, and their gradients where ``gradient(out)`` comes in."""
    z = f.linear(x, w1, b1)
    h = f.relu(z) if relu else z
    out = f.linear(h, w2, b2)
    grad_h, *second = f.linear_gradients(h, w2, gradient(out))
    _, *first = f.linear_gradients(x, w1, f.relu_gradient(z, grad_h) if relu else grad_h)
    return out, first + second


PARAMETERS = ("one.weight", "one.bias", "two.weight", "two.bias")  # as ``parameters`` has them
GRADIENTS = tuple(f"{name}.grad" for name in PARAMETERS)


def two_layers(rng):
    return some(rng, x=(3, 2), w1=(2, 2), b1=(2,), w2=(2, 2), b2=(2,))


@check("2.1", "Linear forward, one layer and two in a Sequential",
       {"one layer": 2, "two layers": 1, "shapes of Linear(3, 5)": 1}, after=FORWARD)
class LinearForward:
    inputs = two_layers
    advice = {"the weights are as they were":
              "Linear's forward changes its weight; transpose in the graph, weight.T(), which "
              "makes a new tensor (handout 2.1)"}

    def scenario(x, w1, b1, w2, b2):
        one, two, new = linear(w1, b1), linear(w2, b2), Linear(3, 5)
        weight, bias = np.shape(new.weight.data), np.shape(new.bias.data)
        return {"shapes of Linear(3, 5)": f"{weight}, {bias[-1:]}",
                "one layer": one(Tensor(x)),
                "two layers": Sequential(one, two)(Tensor(x)),
                "the weights are as they were":
                    holds(one.weight, w1) and holds(two.weight, w2)}

    def reference(f, x, w1, b1, w2, b2):
        out = x
        for layer in f.sequence([(w1, b1), (w2, b2)]):
            out = f.linear(out, *layer)
        return {"shapes of Linear(3, 5)": f"{f.weight_shape(3, 5)}, {f.bias_shape(3, 5)}",
                "one layer": f.linear(x, w1, b1), "two layers": out}


@check("2.1", "Linear backward, one layer (through a logarithm)",
       {"x.grad": 1, "weight.grad": 2, "bias.grad": 1}, after={**BACKWARD, **LINEAR})
class LinearBackward:
    def inputs(rng):
        return {"x": positive(rng, 3, 2), "w": positive(rng, 4, 2), "b": positive(rng, 4)}

    def scenario(x, w, b):
        layer, x = linear(w, b), Tensor(x, requires_grad=True)
        layer(x).log().backward()
        return {"x.grad": x.grad, "weight.grad": layer.weight.grad,
                "bias.grad": layer.bias.grad}

    def reference(f, x, w, b):
        grad_x, grad_w, grad_b = f.linear_gradients(x, w, 1 / f.linear(x, w, b))
        return {"x.grad": grad_x, "weight.grad": grad_w, "bias.grad": grad_b}


@check("2.1", "Linear backward, two layers in a Sequential", 2,
       after={**BACKWARD, **LINEAR})
class LinearBackwardTwoLayers:
    inputs = two_layers

    def scenario(x, w1, b1, w2, b2):
        one, two = linear(w1, b1), linear(w2, b2)
        Sequential(one, two)(Tensor(x, requires_grad=True)).backward()
        return gradients(one, two)

    def reference(f, x, w1, b1, w2, b2):
        return dict(zip(GRADIENTS, f.network(f, x, w1, b1, w2, b2)[1]))


# ---- 2.2 ReLU

title("2.2", "ReLU")


formulas(
    relu=lambda z: np.where(z > 0, z, 0),
    relu_gradient=lambda z, g: np.where(z > 0, g, 0),
    relu_kept=lambda z, other: z)  # what backward takes for z when another ReLU ran since


def of_both_signs(rng):
    """Draw three numbers above 0 and three below."""
    return positive(rng, 2, 3) * rng.permutation([1, 1, 1, -1, -1, -1]).reshape(2, 3)


@check("2.2", "ReLU forward", 1, after=FORWARD)
class ReluForward:
    advice = {"z is as it was":
              "ReLU's forward changes the array of its input; whoever else uses that tensor gets "
              "other numbers: make a new array (handout 2.2)"}

    def inputs(rng):
        return {"z": of_both_signs(rng)}

    def scenario(z):
        z = Tensor(z)
        before = np.array(z.data)
        return {"out": ReLU()(z),
                "z is as it was": bool((z.data == before).all())}

    def reference(f, z):
        return {"out": f.relu(z)}


@check("2.2", "ReLU backward, then its derivative at exactly 0",
       {"z.grad": 2, "derivative at 0": 1}, after=BACKWARD)
class ReluBackward:
    unscored = ("out",)
    advice = {"grad_output is as it was":
              "ReLU's backward changes the array of the gradient that comes in, which may belong "
              "to another operation too: make a new one (handout 2.2)"}

    def inputs(rng):
        return {"z": of_both_signs(rng), "c": positive(rng, 2, 3)}

    def scenario(z, c):
        z = Tensor(z, requires_grad=True)
        zero = Tensor(np.zeros(1), requires_grad=True)
        out, at_zero = ReLU()(z), ReLU()(zero)
        (out + Tensor(c)).log().backward()
        at_zero.backward()
        return {"out": out, "z.grad": z.grad, "derivative at 0": zero.grad,
                "grad_output is as it was": leaves_its_gradient_alone(out)}

    def reference(f, z, c):
        kept = f.relu_kept(z, np.zeros(1))
        return {"out": f.relu(z), "z.grad": f.relu_gradient(kept, 1 / (f.relu(z) + c)),
                "derivative at 0": f.relu_gradient(np.zeros(1), np.ones(1))}


@check("2.2", "Linear, ReLU, Linear in a Sequential, forward and backward", 1, after=NETWORK)
class ReluNetwork:
    def inputs(rng):
        """Draw odd eighths as bias: W x is a multiple of 1/4, so that nothing is near 0."""
        arrays = {name: rng.permutation(np.delete(np.arange(-6, 7), 6))[:6] / 2
                  for name in ("x", "w1", "w2")}
        return {"x": arrays["x"].reshape(3, 2), "w1": arrays["w1"].reshape(3, 2),
                "b1": rng.permutation([-1.125, 0.625, 0.375]),
                "w2": arrays["w2"].reshape(2, 3), "b2": numbers(rng, 2)}

    def scenario(x, w1, b1, w2, b2):
        one, two = linear(w1, b1), linear(w2, b2)
        out = Sequential(one, ReLU(), two)(Tensor(x, requires_grad=True))
        out.backward()
        return {"out": out, **gradients(one, two)}

    def reference(f, x, w1, b1, w2, b2):
        out, found = f.network(f, x, w1, b1, w2, b2, relu=True)
        return {"out": out, **dict(zip(GRADIENTS, found))}


# ---- 2.3 SGD and 2.6 momentum: twice the same two checks

title("2.3", "Stochastic gradient descent")


formulas(
    sgd=lambda w, g, lr: w - lr * g,
    moves=lambda index, count: True,  # whether step() moves the parameter of this index
    parameter_is_leaf=lambda: True,
    # A fact that tells momentum not begun from one that has no effect; it is none of the expected
    # values, as an optimizer may keep its velocities anywhere.
    velocities=lambda: {},
    velocity_of=lambda index: index,  # the velocity that is used for the parameter of this index
    velocity_kept=lambda index: index)  # and the one that is replaced


@formula
def momentum_step(w, v, g, lr, beta):
    """Return the new weight and the new velocity."""
    v = beta * v - lr * g
    return w + v, v


@formula
def stepping(f, lr, momentum, count):
    """Make a function that moves this many parameters by their gradients: one step."""
    velocities = dict.fromkeys(range(count), 0.)

    def step(parameters, gradients):
        moved = []
        for i, (w, g) in enumerate(zip(parameters, gradients)):
            if momentum is None:
                new = f.sgd(w, g, lr)
            else:
                v = velocities[f.velocity_of(i)]
                new, velocities[f.velocity_kept(i)] = f.momentum_step(w, v, g, lr, momentum)
            moved.append(new if f.moves(i, count) else w)
        return moved
    return step


def ask_of_steps(problem, name, points, count, options, replacing):
    """Add the check of an optimizer with these options by itself."""
    @check(problem, f"{name}: {count} steps, with gradients set by hand", points, replacing)
    class ByHand:
        advice = {".grad is left to zero_grad()":
                  "step() changes the gradients that it uses; clearing is what zero_grad() is for"}

        def inputs(rng):
            """Draw gradients of positive numbers: their mean is not 0."""
            g = positive(rng, {"two": 2, "three": 3}[count], 2)
            return dict(some(rng, w=(2,), b=(1,)), g=g, **options)

        def scenario(w, b, g, lr, momentum):
            w, b = (Tensor(p, requires_grad=True, is_parameter=True) for p in (w, b))
            optimizer = SGD([w, b], lr=lr, momentum=momentum)
            for grad in g:
                w.grad, b.grad = Tensor(grad.copy()), Tensor(2 * grad[:1])
                optimizer.step()
            return {"w": w, "b": b, "w.is_leaf": bool(w.is_leaf),
                    "velocities": velocities(optimizer),
                    ".grad is left to zero_grad()": holds(w.grad, g[-1])}

        def reference(f, w, b, g, lr, momentum=None):
            step = f.stepping(f, lr, momentum, 2)
            for grad in g:
                w, b = step([w, b], [grad, 2 * grad[:1]])
            leaf = {"w.is_leaf": f.parameter_is_leaf()} if momentum is None else {}
            return {"w": w, "b": b, **leaf, **f.velocities()}


def ask_of_training(problem, name, points, options, replacing):
    """Add the check of an optimizer with these options that trains a network."""
    @check(problem, f"{name}: two linear layers, two steps", points, replacing, after=NETWORK)
    class Network:
        def inputs(rng):
            return dict(some(rng, x=(2, 3, 2), w1=(2, 2), b1=(2,), w2=(1, 2), b2=(1,)), **options)

        def scenario(x, w1, b1, w2, b2, lr, momentum):
            one, two = linear(w1, b1), linear(w2, b2)
            net = Sequential(one, two)
            optimizer = SGD(net.parameters(), lr, momentum)
            for batch in x:
                optimizer.zero_grad()
                net(Tensor(batch, requires_grad=True)).backward()
                optimizer.step()
            return {**parameters(one, two),
                    "velocities": velocities(optimizer)}

        def reference(f, x, w1, b1, w2, b2, lr, momentum=None):
            step, p = f.stepping(f, lr, momentum, 4), [w1, b1, w2, b2]
            for batch in x:
                p = step(p, f.network(f, batch, *p)[1])
            return {**dict(zip(PARAMETERS, p)), **f.velocities()}


WITHOUT_MOMENTUM = {", momentum)": ")", ", momentum=momentum": ""}
ask_of_steps("2.3", "SGD", {"w": 3, "b": 3, "w.is_leaf": 1}, "two", {"lr": 0.3}, WITHOUT_MOMENTUM)
ask_of_training("2.3", "SGD", 3, {"lr": 0.3}, WITHOUT_MOMENTUM)


# ---- 2.4 BatchNorm

title("2.4", "Batch normalization")
EPS, ALPHA = 1e-5, 0.1


formulas(
    # In training: equations 3 to 6.
    batchnorm=lambda x, gamma, beta:
        gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS) + beta,
    running_start=lambda n: (np.zeros(n), np.ones(n)),
    moved_by=lambda batches: batches,  # what moves the estimates of a layer, not of another
    running_mean=lambda mean, x: (1 - ALPHA) * mean + ALPHA * x.mean(axis=0),  # equation 8
    # Equations 7 and 9.
    running_var=lambda var, x: (1 - ALPHA) * var + ALPHA * x.var(axis=0, ddof=1),
    batch_kept=lambda x, other: x,  # what backward takes for x when another batch came since
    batchnorm_eval=lambda x, gamma, beta, mean, var:
        gamma * (x - mean) / np.sqrt(var + EPS) + beta,
    running_after_eval=lambda mean, var, x: (mean, var))


@formula
def batchnorm_gradients(x, gamma, g):
    inverse_std = 1 / np.sqrt(x.var(axis=0) + EPS)
    x_hat = (x - x.mean(axis=0)) * inverse_std
    grad_x = gamma * inverse_std * (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))
    return grad_x, (g * x_hat).sum(axis=0), g.sum(axis=0)


def spread(rng):
    """Draw (4, 2) numbers, each column varying so much that eps does not matter."""
    columns = [[-30, -8, 6, 19], [-14, -1, 12, 27]]
    x = np.stack([rng.permutation(column) for column in columns], axis=-1)
    return x * rng.integers(5, 16) / 10


def batch(rng):
    return {"x": spread(rng), "gamma": rng.permutation([0.5, 0.8]),
            "beta": 1.5 + positive(rng, 2)}


@check("2.4", "BatchNorm forward in training; eps where x hardly varies",
       {"out": 2, "out of x / 10000": 1}, after=FORWARD)
class BatchNormForward:
    inputs = batch
    advice = {"x is as it was":
              "BatchNorm changes the array of its input (x.data -= mean?); make a new one "
              "(handout 2.4)"}

    def scenario(x, gamma, beta):
        given = Tensor(x.copy())
        return {"out": batchnorm(gamma, beta)(given),
                "x is as it was": holds(given, x),
                "out of x / 10000": batchnorm(gamma, beta)(Tensor(x / 10000))}

    def reference(f, x, gamma, beta):
        return {"out": f.batchnorm(x, gamma, beta),
                "out of x / 10000": f.batchnorm(x / 10000, gamma, beta)}


@check("2.4", "BatchNorm backward (through a logarithm)",
       {"x.grad": 2, "gamma.grad": 1, "beta.grad": 1}, after=BACKWARD)
class BatchNormBackward:
    inputs = batch
    unscored = ("out",)
    advice = {"operations keep nothing on their classes":
              "{} is set by each call of an operation, and read in backward: what backward "
              "needs belongs into ctx, not on the class, where the next call replaces it "
              "(handout 0.1.5)"}

    def scenario(x, gamma, beta):
        bn, x = batchnorm(gamma, beta), Tensor(x, requires_grad=True)
        out, before = bn(x), on_classes()
        bn(Tensor(2 * x.data[::-1]))
        replaced = replaced_since(before)
        out.log().backward()
        return {"x.grad": x.grad, "gamma.grad": flat(bn.gamma.grad),
                "beta.grad": flat(bn.beta.grad), "out": out,
                "operations keep nothing on their classes": replaced}

    def reference(f, x, gamma, beta):
        out = f.batchnorm(x, gamma, beta)
        grad_x, grad_gamma, grad_beta = f.batchnorm_gradients(
            f.batch_kept(x, 2 * x[::-1]), gamma, 1 / out)
        return {"x.grad": grad_x, "gamma.grad": grad_gamma, "beta.grad": grad_beta, "out": out}


@check("2.4", "BatchNorm: the running estimates after two batches",
       {"running_mean": 1, "running_var": 1}, after=FORWARD)
class BatchNormRunning:
    advice = {"running_mean is outside the graph":
              "your running estimates are part of the graph, which then grows with every batch; "
              "compute them from .data (handout 2.4)",
              "eps and momentum count":
              "BatchNorm1d computes the same whatever eps or momentum it is given: use self.eps "
              "and self.momentum in place of numbers (handout 2.4)"}

    def inputs(rng):
        return {"x": spread(rng), "y": spread(rng)[1:] + 1}

    def scenario(x, y):
        bn, other = BatchNorm1d(2), BatchNorm1d(2)
        for layer, batch in ((bn, x), (bn, y), (other, 2 * y)):
            layer.train()
            layer(Tensor(batch, requires_grad=True))
        return {"running_mean": flat(bn.running_mean),
                "running_var": flat(bn.running_var),
                "running_mean is outside the graph":
                    not getattr(bn.running_mean, "requires_grad", False),
                "eps and momentum count": count(x, "eps", "momentum")}

    def reference(f, x, y):
        mean, var = f.running_start(2)
        for batch in f.moved_by([x, y]):
            mean, var = f.running_mean(mean, batch), f.running_var(var, batch)
        return {"running_mean": mean, "running_var": var}


@check("2.4", "BatchNorm in evaluation, with running estimates set by hand", 1, after=FORWARD)
class BatchNormEval:
    def inputs(rng):
        """Draw one of the variances so small that eps matters."""
        var = positive(rng, 2) * rng.permutation([100, 1e-4])
        return dict(batch(rng), mean=10 * numbers(rng, 2), var=var)

    def scenario(x, gamma, beta, mean, var):
        bn = batchnorm(gamma, beta)
        put(bn, "running_mean", mean)
        put(bn, "running_var", var)
        bn.eval()
        return {"out": bn(Tensor(x)),
                "running_mean afterwards": flat(bn.running_mean),
                "running_var afterwards": flat(bn.running_var)}

    def reference(f, x, gamma, beta, mean, var):
        later_mean, later_var = f.running_after_eval(mean, var, x)
        return {"out": f.batchnorm_eval(x, gamma, beta, mean, var),
                "running_mean afterwards": later_mean, "running_var afterwards": later_var}


# ---- 2.5 Cross entropy

title("2.5", "Cross entropy loss")


@formula
def log_softmax(x):
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@formula
def softmax(x):
    return np.exp(log_softmax(x))


@formula
def one_hot(target, x):
    return np.eye(x.shape[1])[target]


formulas(
    cross_entropy=lambda log_p, target: -(log_p * one_hot(target, log_p)).sum() / len(log_p),
    cross_entropy_gradient=lambda x, target: (softmax(x) - one_hot(target, x)) / len(x),
    loss_kept=lambda own, other: own,  # the logits and target of backward, after another loss
    through_loss=lambda gradient, g: gradient * g)  # the gradient of the logits, when g comes in


def logits_and_target(rng, rows=3, classes=4):
    """Draw rows whose largest logit is neither the label's nor that of a class beside it."""
    logits = numbers(rng, rows, classes) + rng.permutation(np.arange(1, 10))[:classes] / 100
    target = rng.permutation(classes)[:rows]
    for row, label in zip(logits, target):
        largest, other = row.argmax(), (label + 2) % classes
        row[[largest, other]] = row[[other, largest]]
    return {"logits": logits, "target": target}


@check("2.5", "Cross entropy forward", 4, after=FORWARD)
class CrossEntropyForward:
    inputs = logits_and_target
    advice = {"the logits are as they were":
              "the cross entropy changes the array of its input (x -= x.max() in place?); make a "
              "new one (handout 2.5)"}

    def scenario(logits, target):
        x, y = Tensor(logits.copy()), Tensor(target.copy())
        return {"loss": flat(CrossEntropyLoss()(x, y)),
                "the logits are as they were":
                    holds(x, logits) and holds(y, target)}

    def reference(f, logits, target):
        return {"loss": np.array([f.cross_entropy(f.log_softmax(logits), target)])}


@check("2.5", "Cross entropy of large logits", 2, after=FORWARD)
class CrossEntropyLarge:
    unscored = ("loss of logits",)

    def inputs(rng):
        return logits_and_target(rng, 2, 5)

    def scenario(logits, target):
        loss, large = (CrossEntropyLoss()(Tensor(x), Tensor(target))
                       for x in (logits, 5000 * logits))
        return {"loss of logits": flat(loss),
                "loss of 5000 * logits": flat(large)}

    def reference(f, logits, target):
        loss, large = (f.cross_entropy(f.log_softmax(x), target) for x in (logits, 5000 * logits))
        return {"loss of logits": np.array([loss]), "loss of 5000 * logits": np.array([large])}


@check("2.5", "Cross entropy backward, for incoming gradients 1 and 1/loss",
       {"gradient of loss": 5, "loss * gradient of log(loss)": 2}, after=BACKWARD)
class CrossEntropyBackward:
    inputs = logits_and_target
    unscored = ("loss",)

    def scenario(logits, target):
        a, b = (Tensor(x, requires_grad=True) for x in (logits, logits[::-1]))
        loss, same = (CrossEntropyLoss()(x, Tensor(labels))
                      for x, labels in ((a, target), (b, target[::-1])))
        loss.backward()
        same.log().backward()
        return {"loss": flat(loss), "gradient of loss": a.grad,
                "loss * gradient of log(loss)": times(flat(loss), b.grad)}

    def reference(f, logits, target):
        loss = np.array([f.cross_entropy(f.log_softmax(logits), target)])
        first, second = (logits, target), (logits[::-1], target[::-1])
        gradient, other = (f.cross_entropy_gradient(*of)
                           for of in (f.loss_kept(first, second), second))
        return {"loss": loss, "gradient of loss": f.through_loss(gradient, 1),
                "loss * gradient of log(loss)": loss * f.through_loss(other, 1 / loss)}


@check("2.5", "Cross entropy of two linear layers, backward", 2, after=NETWORK)
class CrossEntropyNetwork:
    unscored = ("loss",)

    def inputs(rng):
        return dict(some(rng, x=(3, 2), b1=(2,), b2=(4,)), w1=numbers(rng, 2, 2) / 10,
                    w2=numbers(rng, 4, 2) / 10, target=rng.permutation(4)[:3])

    def scenario(x, w1, b1, w2, b2, target):
        one, two = linear(w1, b1), linear(w2, b2)
        out = Sequential(one, two)(Tensor(x, requires_grad=True))
        loss = CrossEntropyLoss()(out, Tensor(target))
        loss.backward()
        return {"loss": flat(loss), **gradients(one, two)}

    def reference(f, x, w1, b1, w2, b2, target):
        out, found = f.network(f, x, w1, b1, w2, b2, gradient=lambda out: f.through_loss(
            f.cross_entropy_gradient(out, target), 1))
        return {"loss": np.array([f.cross_entropy(f.log_softmax(out), target)]),
                **dict(zip(GRADIENTS, found))}


@check("2.5", "No Python loop over the batch", 0, after=FORWARD)
class NoLoops:
    advice = {"as many lines run for 64 rows as for 8":
              "your cross entropy runs more lines of Python for a larger batch; use NumPy's "
              "operations on whole arrays, loops are too slow (handout Appendix B)"}

    def inputs(rng):
        return {"logits": rng.normal(size=(64, 4)), "target": rng.integers(0, 4, 64)}

    def scenario(logits, target):
        import sys

        def lines(n):
            count = [0]

            def tracer(frame, event, arg):
                count[0] += event == "line" and "mytorch" in frame.f_code.co_filename
                return tracer

            sys.settrace(tracer)
            CrossEntropyLoss()(Tensor(logits[:n]), Tensor(target[:n]))
            sys.settrace(None)
            return count[0]

        lines(8)
        return {"as many lines run for 64 rows as for 8": lines(64) < lines(8) + 50}

    def reference(f, logits, target):
        return {}


# ---- 2.6 Momentum

title("2.6", "Momentum")
ask_of_steps("2.6", "Momentum", {"w": 4, "b": 3}, "three", {"lr": 0.2, "momentum": 0.7},
             {' "w.is_leaf": bool(w.is_leaf),': ""})
ask_of_training("2.6", "Momentum", 3, {"lr": 0.2, "momentum": 0.7}, {})

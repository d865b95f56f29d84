"""Problems 2.1 to 2.6: what is asked of the layers, the loss and the optimizer.

Built as ``test_autograd.py`` is: for each check the scenario, which runs in the submission's
process, and the reference, which judges it, in plain NumPy.  A scenario may use ``helpers.py``: ``linear_layer`` and ``batchnorm_layer`` make the submission's layers
with given parameters, ``descend`` takes a plain step downhill without its optimizer.

N = 6 rows go in; x (N, F), weight (out, in), bias (out,).
"""

import numpy as np

from checks import check, formula

N = 6


def draw(rng, **shapes):
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


# ---- 2.1 Linear

@formula
def linear(x, weight, bias):
    return x @ weight.T + bias


@formula
def linear_gradients(x, weight, g):
    return g @ weight, g.T @ x, g.sum(axis=0)


@formula
def weight_shape(in_features, out_features):
    return out_features, in_features


@formula
def sequence(layers):
    """The order in which Sequential calls its layers."""
    return layers


def through(f, x, layers):
    """The output of linear layers in a row, and the input of each."""
    inputs = []
    for weight, bias in layers:
        inputs.append(x)
        x = f.linear(x, weight, bias)
    return x, inputs


def back_through(f, g, layers, inputs):
    """The gradients of linear layers in a row: for the input, and for each layer's parameters."""
    gradients = []
    for (weight, _), x in zip(reversed(layers), reversed(inputs)):
        g, grad_weight, grad_bias = f.linear_gradients(x, weight, g)
        gradients.insert(0, (grad_weight, grad_bias))
    return g, gradients


def two_linear_layers(rng):
    return draw(rng, x=(N, 4), w1=(4, 4), b1=(4,), w2=(4, 4), b2=(4,))


@check("2.1", "Linear forward, one layer and two in a Sequential", 2, """
    one, two = Linear(4, 4), Linear(4, 4)
    x = Tensor.randn(6, 4)
    print(one(x), Sequential(one, two)(x), Linear(3, 5).weight.shape)
""")
class LinearForward:
    inputs = two_linear_layers

    def scenario(x, w1, b1, w2, b2):
        from mytorch.nn.linear import Linear
        from mytorch.nn.sequential import Sequential
        from mytorch.tensor import Tensor
        one, two = linear_layer(w1, b1), linear_layer(w2, b2)
        return {"shape of Linear(3, 5).weight": str(tuple(array_of(Linear(3, 5).weight).shape)),
                "one layer": array_of(one(Tensor(x))),
                "two layers": array_of(Sequential(one, two)(Tensor(x)))}

    def reference(f, x, w1, b1, w2, b2):
        layers = f.sequence([(w1, b1), (w2, b2)])
        return {"shape of Linear(3, 5).weight": str(f.weight_shape(3, 5)),
                "one layer": f.linear(x, w1, b1), "two layers": through(f, x, layers)[0]}


@check("2.1", "Linear backward, two layers", 8, """
    net, x = Sequential(Linear(3, 5), Linear(5, 2)), Tensor.randn(6, 3)
    net(x).backward()
    for p in net.parameters(): print(p.grad)
""")
class LinearBackward:
    when_it_raises = ("Is a gradient's shape wrong?  The bias was added to every row, so that its "
                      "gradient is the sum over the rows: unbroadcast(), handout 2.1.")

    def inputs(rng):
        return draw(rng, x=(N, 3), w1=(5, 3), b1=(5,), w2=(2, 5), b2=(2,))

    def scenario(x, w1, b1, w2, b2):
        from mytorch.nn.sequential import Sequential
        from mytorch.tensor import Tensor
        one, two = linear_layer(w1, b1), linear_layer(w2, b2)
        x = Tensor(x, requires_grad=True)
        Sequential(one, two)(x).backward()
        return {"x.grad": grad_of(x), "weight.grad of layer 1": grad_of(one.weight),
                "bias.grad of layer 1": grad_of(one.bias),
                "weight.grad of layer 2": grad_of(two.weight),
                "bias.grad of layer 2": grad_of(two.bias)}

    def reference(f, x, w1, b1, w2, b2):
        layers = [(w1, b1), (w2, b2)]
        out, inputs = through(f, x, layers)
        grad_x, (first, second) = back_through(f, np.ones_like(out), layers, inputs)
        return {"x.grad": grad_x, "weight.grad of layer 1": first[0],
                "bias.grad of layer 1": first[1], "weight.grad of layer 2": second[0],
                "bias.grad of layer 2": second[1]}


# ---- 2.2 ReLU

@formula
def relu(z):
    return np.where(z > 0, z, 0)


@formula
def relu_gradient(z, g):
    return np.where(z > 0, g, 0)


def relu_layers(rng):
    """One row of x and one bias are 0, so that one entry of x W^T + b is exactly 0."""
    arrays = draw(rng, x=(N, 3), w1=(5, 3), b1=(5,), w2=(4, 5), b2=(4,))
    arrays["x"][0] = 0
    arrays["b1"][0] = 0
    return arrays


@check("2.2", "Linear-ReLU forward", 1, """
    net = Sequential(Linear(3, 5), ReLU())
    x = Tensor.randn(6, 3)
    print(net(x))
""")
class ReluForward:
    inputs = relu_layers
    advice = {"ReLU leaves its input as it is":
              "ReLU's forward changes the array of its input; whoever else uses that tensor gets "
              "other numbers: make a new array (handout 2.2)"}

    def scenario(x, w1, b1, w2, b2):
        from mytorch.nn.activations import ReLU
        from mytorch.tensor import Tensor
        z = linear_layer(w1, b1)(Tensor(x))
        before = np.array(array_of(z))
        out = array_of(ReLU()(z))
        return {"out": out, "ReLU leaves its input as it is": bool((array_of(z) == before).all())}

    def reference(f, x, w1, b1, w2, b2):
        return {"out": f.relu(f.linear(x, w1, b1)), "ReLU leaves its input as it is": True}


@check("2.2", "Linear-ReLU backward", 1, """
    layer, x = Linear(3, 5), Tensor.randn(6, 3)
    ReLU()(layer(x)).backward()
    print(layer.weight.grad, layer.bias.grad)
""")
class ReluBackward:
    inputs = relu_layers

    def scenario(x, w1, b1, w2, b2):
        from mytorch.nn.activations import ReLU
        from mytorch.tensor import Tensor
        layer, x = linear_layer(w1, b1), Tensor(x, requires_grad=True)
        ReLU()(layer(x)).backward()
        return {"x.grad": grad_of(x), "weight.grad": grad_of(layer.weight),
                "bias.grad": grad_of(layer.bias)}

    def reference(f, x, w1, b1, w2, b2):
        z = f.linear(x, w1, b1)
        grad_x, grad_weight, grad_bias = f.linear_gradients(
            x, w1, f.relu_gradient(z, np.ones_like(z)))
        return {"x.grad": grad_x, "weight.grad": grad_weight, "bias.grad": grad_bias}


@check("2.2", "Two Linear-ReLU layers forward", 1, """
    one, two = Sequential(Linear(3, 5), ReLU()), Sequential(Linear(5, 4), ReLU())
    x = Tensor.randn(6, 3)
    print(two(one(x)))
""")
class BigReluForward:
    inputs = relu_layers

    def scenario(x, w1, b1, w2, b2):
        from mytorch.nn.activations import ReLU
        from mytorch.tensor import Tensor
        h = ReLU()(linear_layer(w1, b1)(Tensor(x)))
        return {"out": array_of(ReLU()(linear_layer(w2, b2)(h)))}

    def reference(f, x, w1, b1, w2, b2):
        return {"out": f.relu(f.linear(f.relu(f.linear(x, w1, b1)), w2, b2))}


@check("2.2", "Two Linear-ReLU layers backward", 2, """
    net = Sequential(Linear(3, 5), ReLU(), Linear(5, 4), ReLU())
    net(Tensor.randn(6, 3)).backward()
    for p in net.parameters(): print(p.grad)
""")
class BigReluBackward:
    inputs = relu_layers

    def scenario(x, w1, b1, w2, b2):
        from mytorch.nn.activations import ReLU
        from mytorch.tensor import Tensor
        one, two = linear_layer(w1, b1), linear_layer(w2, b2)
        x = Tensor(x, requires_grad=True)
        ReLU()(two(ReLU()(one(x)))).backward()
        return {"x.grad": grad_of(x), "weight.grad of layer 1": grad_of(one.weight),
                "bias.grad of layer 1": grad_of(one.bias),
                "weight.grad of layer 2": grad_of(two.weight),
                "bias.grad of layer 2": grad_of(two.bias)}

    def reference(f, x, w1, b1, w2, b2):
        z1 = f.linear(x, w1, b1)
        h = f.relu(z1)
        z2 = f.linear(h, w2, b2)
        g2 = f.relu_gradient(z2, np.ones_like(z2))
        grad_h, grad_w2, grad_b2 = f.linear_gradients(h, w2, g2)
        grad_x, grad_w1, grad_b1 = f.linear_gradients(x, w1, f.relu_gradient(z1, grad_h))
        return {"x.grad": grad_x, "weight.grad of layer 1": grad_w1,
                "bias.grad of layer 1": grad_b1, "weight.grad of layer 2": grad_w2,
                "bias.grad of layer 2": grad_b2}


# ---- 2.3 SGD

@formula
def sgd(weight, g, lr):
    return weight - lr * g


@formula
def after_step(g):
    """What is left of a gradient after step(): zero_grad() is for clearing it."""
    return g


@formula
def parameter_is_leaf():
    return True


@check("2.3", "SGD steps on one layer", 5, """
    layer, x = Linear(4, 3), Tensor.randn(6, 4)
    optimizer = SGD(layer.parameters(), lr=0.1)
    layer(x).backward(); optimizer.step(); print(layer.weight, layer.bias)
""")
class SgdOneLayer:
    def inputs(rng):
        return dict(draw(rng, x=(3, N, 4), w1=(3, 4), b1=(3,)), lr=0.1)

    def scenario(x, w1, b1, lr):
        from mytorch.nn.sequential import Sequential
        from mytorch.optim.sgd import SGD
        from mytorch.tensor import Tensor
        layer = linear_layer(w1, b1)
        optimizer = SGD(Sequential(layer).parameters(), lr=lr)
        for batch in x:
            optimizer.zero_grad()
            layer(Tensor(batch)).backward()
            optimizer.step()
        return {"weight after 3 steps": array_of(layer.weight),
                "bias after 3 steps": array_of(layer.bias),
                "bias.grad after step()": grad_of(layer.bias),
                "weight.is_leaf": bool(layer.weight.is_leaf)}

    def reference(f, x, w1, b1, lr):
        for batch in x:
            g = np.ones((N, 3))
            _, grad_weight, grad_bias = f.linear_gradients(batch, w1, g)
            w1, b1 = f.sgd(w1, grad_weight, lr), f.sgd(b1, grad_bias, lr)
        return {"weight after 3 steps": w1, "bias after 3 steps": b1,
                "bias.grad after step()": f.after_step(grad_bias),
                "weight.is_leaf": f.parameter_is_leaf()}


def descent(f, x, layers, step):
    """Train linear layers with ``step(index, parameter, gradient)``; their new parameters."""
    for batch in x:
        out, inputs = through(f, batch, layers)
        _, gradients = back_through(f, np.ones_like(out), layers, inputs)
        layers = [tuple(step(2 * i + j, layer[j], gradient[j]) for j in range(2))
                  for i, (layer, gradient) in enumerate(zip(layers, gradients))]
    return {"weight of layer 1": layers[0][0], "bias of layer 1": layers[0][1],
            "weight of layer 2": layers[1][0], "bias of layer 2": layers[1][1]}


@check("2.3", "SGD steps on two layers", 5, """
    net, x = Sequential(Linear(4, 5), Linear(5, 3)), Tensor.randn(6, 4)
    optimizer = SGD(net.parameters(), lr=0.01)
    net(x).backward(); optimizer.step(); print(net.layers[0].weight, net.layers[1].weight)
""")
class SgdTwoLayers:
    def inputs(rng):
        return dict(draw(rng, x=(4, N, 4), w1=(5, 4), b1=(5,), w2=(3, 5), b2=(3,)), lr=0.02)

    def scenario(x, w1, b1, w2, b2, lr):
        from mytorch.nn.sequential import Sequential
        from mytorch.optim.sgd import SGD
        from mytorch.tensor import Tensor
        one, two = linear_layer(w1, b1), linear_layer(w2, b2)
        net = Sequential(one, two)
        optimizer = SGD(net.parameters(), lr=lr)
        for batch in x:
            optimizer.zero_grad()
            net(Tensor(batch)).backward()
            optimizer.step()
        return {"weight of layer 1": array_of(one.weight), "bias of layer 1": array_of(one.bias),
                "weight of layer 2": array_of(two.weight), "bias of layer 2": array_of(two.bias)}

    def reference(f, x, w1, b1, w2, b2, lr):
        return descent(f, x, [(w1, b1), (w2, b2)], lambda index, p, g: f.sgd(p, g, lr))


# ---- 2.4 BatchNorm

EPS, ALPHA = 1e-5, 0.1


@formula
def batchnorm(x, gamma, beta):
    """In training: equations 3 to 6."""
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS) + beta


@formula
def batchnorm_gradients(x, gamma, g):
    inverse_std = 1 / np.sqrt(x.var(axis=0) + EPS)
    x_hat = (x - x.mean(axis=0)) * inverse_std
    grad_x = gamma * inverse_std * (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))
    return grad_x, (g * x_hat).sum(axis=0), g.sum(axis=0)


@formula
def running_start(features):
    return np.zeros(features), np.ones(features)


@formula
def running_update(mean, var, x):
    """Equations 7 to 9."""
    return ((1 - ALPHA) * mean + ALPHA * x.mean(axis=0),
            (1 - ALPHA) * var + ALPHA * x.var(axis=0, ddof=1))


@formula
def batchnorm_eval(x, gamma, beta, mean, var):
    return gamma * (x - mean) / np.sqrt(var + EPS) + beta


@formula
def running_after_eval(mean, var, x):
    return mean, var


def spread_batch(rng):
    """One column varies so little that eps matters."""
    x = rng.normal(size=(N, 3)) * [1, 2, 0.004] + [0, 1, 0]
    return {"x": x, "gamma": rng.uniform(0.5, 1.5, 3), "beta": rng.uniform(4, 5, 3)}


@check("2.4", "BatchNorm forward in training", 1, """
    bn = BatchNorm1d(3)
    x = Tensor.randn(6, 3)
    print(bn(x))
""")
class BatchNormForward:
    inputs = spread_batch

    def scenario(x, gamma, beta):
        from mytorch.tensor import Tensor
        return {"out": array_of(batchnorm_layer(gamma, beta)(Tensor(x)))}

    def reference(f, x, gamma, beta):
        return {"out": f.batchnorm(x, gamma, beta)}


@check("2.4", "BatchNorm backward (through a logarithm)", 1, """
    bn, x = BatchNorm1d(3), Tensor.randn(6, 3)
    x.requires_grad = True; bn.beta.data = np.full(3, 5.)
    bn(x).log().backward(); print(x.grad, bn.gamma.grad, bn.beta.grad)
""")
class BatchNormBackward:
    inputs = spread_batch

    def scenario(x, gamma, beta):
        from mytorch.tensor import Tensor
        bn, x = batchnorm_layer(gamma, beta), Tensor(x, requires_grad=True)
        bn(x).log().backward()
        return {"x.grad": grad_of(x), "gamma.grad": flat(grad_of(bn.gamma)),
                "beta.grad": flat(grad_of(bn.beta))}

    def reference(f, x, gamma, beta):
        g = 1 / f.batchnorm(x, gamma, beta)
        grad_x, grad_gamma, grad_beta = f.batchnorm_gradients(x, gamma, g)
        return {"x.grad": grad_x, "gamma.grad": grad_gamma, "beta.grad": grad_beta}


@check("2.4", "BatchNorm trained, then evaluated: one layer", 2, """
    bn = BatchNorm1d(3); bn(Tensor.randn(6, 3)); bn(Tensor.randn(6, 3))
    print(bn.running_mean, bn.running_var)
    bn.eval(); print(bn(Tensor.randn(6, 3)))
""")
class BatchNormEval:
    def inputs(rng):
        return dict(draw(rng, x=(4, N, 3)), gamma=rng.uniform(0.1, 0.2, 3),
                    beta=rng.uniform(4, 5, 3), lr=0.01)

    def scenario(x, gamma, beta, lr):
        from mytorch.tensor import Tensor
        bn = batchnorm_layer(gamma, beta)
        bn.train()
        for batch in x[:3]:
            bn(Tensor(batch)).log().backward()
            descend([bn.gamma, bn.beta], lr)
        mean, var = (np.array(array_of(s)).ravel() for s in (bn.running_mean, bn.running_var))
        bn.eval()
        out = bn(Tensor(x[3]))
        return {"running_mean": mean, "running_var": var, "out in evaluation": array_of(out),
                "running_mean after evaluation": flat(array_of(bn.running_mean)),
                "running_var after evaluation": flat(array_of(bn.running_var))}

    def reference(f, x, gamma, beta, lr):
        mean, var = f.running_start(3)
        for batch in x[:3]:
            g = 1 / f.batchnorm(batch, gamma, beta)
            _, grad_gamma, grad_beta = f.batchnorm_gradients(batch, gamma, g)
            mean, var = f.running_update(mean, var, batch)
            gamma, beta = gamma - lr * grad_gamma, beta - lr * grad_beta
        later_mean, later_var = f.running_after_eval(mean, var, x[3])
        return {"running_mean": mean, "running_var": var,
                "out in evaluation": f.batchnorm_eval(x[3], gamma, beta, mean, var),
                "running_mean after evaluation": later_mean,
                "running_var after evaluation": later_var}


@check("2.4", "BatchNorm trained, then evaluated: two layers", 6, """
    net = Sequential(BatchNorm1d(3), Linear(3, 4), BatchNorm1d(4))
    net(Tensor.randn(6, 3)).backward()
    net.eval(); print(net(Tensor.randn(6, 3)))
""")
class BatchNormTwoLayersEval:
    advice = {"running_mean is outside the graph":
              "your running estimates are part of the graph, which then grows with every batch; "
              "compute them from .data (handout 2.4)"}

    def inputs(rng):
        return dict(draw(rng, x=(4, N, 3), w=(4, 3), b=(4,)), lr=0.01,
                    gamma1=rng.uniform(0.5, 1.5, 3), beta1=rng.normal(size=3),
                    gamma2=rng.uniform(0.1, 0.2, 4), beta2=rng.uniform(4, 5, 4))

    def scenario(x, w, b, gamma1, beta1, gamma2, beta2, lr):
        from mytorch.nn.sequential import Sequential
        from mytorch.tensor import Tensor
        first, last = batchnorm_layer(gamma1, beta1), batchnorm_layer(gamma2, beta2)
        net = Sequential(first, linear_layer(w, b), last)
        net.train()
        for batch in x[:3]:
            net(Tensor(batch)).log().backward()
            descend(list(net.parameters()), lr)
        net.eval()
        return {"out in evaluation": array_of(net(Tensor(x[3]))),
                "gamma of layer 1": flat(array_of(first.gamma)),
                "beta of layer 1": flat(array_of(first.beta)),
                "running_mean of layer 2": flat(array_of(last.running_mean)),
                "running_var of layer 2": flat(array_of(last.running_var)),
                "running_mean is outside the graph":
                    not getattr(last.running_mean, "requires_grad", False)}

    def reference(f, x, w, b, gamma1, beta1, gamma2, beta2, lr):
        running1, running2 = f.running_start(3), f.running_start(4)
        for batch in x[:3]:
            h = f.batchnorm(batch, gamma1, beta1)
            z = f.linear(h, w, b)
            g = 1 / f.batchnorm(z, gamma2, beta2)
            g, grad_gamma2, grad_beta2 = f.batchnorm_gradients(z, gamma2, g)
            g, grad_w, grad_b = f.linear_gradients(h, w, g)
            _, grad_gamma1, grad_beta1 = f.batchnorm_gradients(batch, gamma1, g)
            running1 = f.running_update(*running1, batch)
            running2 = f.running_update(*running2, z)
            gamma1, beta1 = gamma1 - lr * grad_gamma1, beta1 - lr * grad_beta1
            gamma2, beta2 = gamma2 - lr * grad_gamma2, beta2 - lr * grad_beta2
            w, b = w - lr * grad_w, b - lr * grad_b
        z = f.linear(f.batchnorm_eval(x[3], gamma1, beta1, *running1), w, b)
        mean2, var2 = f.running_after_eval(*running2, z)
        return {"out in evaluation": f.batchnorm_eval(z, gamma2, beta2, *running2),
                "gamma of layer 1": gamma1, "beta of layer 1": beta1,
                "running_mean of layer 2": mean2, "running_var of layer 2": var2,
                "running_mean is outside the graph": True}


# ---- 2.5 Cross entropy

@formula
def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def one_hot(target, classes):
    return np.eye(classes)[target]


@formula
def cross_entropy(log_probabilities, target):
    n, classes = log_probabilities.shape
    return -(log_probabilities * one_hot(target, classes)).sum() / n


@formula
def cross_entropy_gradient(logits, target):
    n, classes = logits.shape
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    return (softmax - one_hot(target, classes)) / n


def logits_and_target(rng):
    return {"logits": rng.normal(size=(N, 4)), "target": rng.integers(0, 4, N)}


@check("2.5", "Cross entropy forward, with large logits too", 4, """
    logits, target = Tensor.randn(6, 4), Tensor(np.array([0, 1, 2, 3, 0, 1]))
    print(CrossEntropyLoss()(logits, target))
    print(CrossEntropyLoss()(Tensor(logits.data * 10000), target))
""")
class CrossEntropyForward:
    inputs = logits_and_target

    def scenario(logits, target):
        from mytorch.nn.loss import CrossEntropyLoss
        from mytorch.tensor import Tensor
        criterion = CrossEntropyLoss()
        loss, large = (criterion(Tensor(x), Tensor(target)) for x in (logits, 10000 * logits))
        return {"loss": flat(array_of(loss)),
                "loss of 10000 times these logits": flat(array_of(large))}

    def reference(f, logits, target):
        loss, large = (f.cross_entropy(f.log_softmax(x), target) for x in (logits, 10000 * logits))
        return {"loss": np.array([loss]), "loss of 10000 times these logits": np.array([large])}


@check("2.5", "Cross entropy backward", 6, """
    logits, target = Tensor.randn(6, 4), Tensor(np.array([0, 1, 2, 3, 0, 1]))
    logits.requires_grad = True
    CrossEntropyLoss()(logits, target).backward(); print(logits.grad)
""")
class CrossEntropyBackward:
    inputs = logits_and_target
    hints = ("loss",)

    def scenario(logits, target):
        from mytorch.nn.loss import CrossEntropyLoss
        from mytorch.tensor import Tensor
        logits = Tensor(logits, requires_grad=True)
        loss = CrossEntropyLoss()(logits, Tensor(target))
        loss.backward()
        return {"loss": flat(array_of(loss)), "logits.grad": grad_of(logits)}

    def reference(f, logits, target):
        return {"loss": np.array([f.cross_entropy(f.log_softmax(logits), target)]),
                "logits.grad": f.cross_entropy_gradient(logits, target)}


@check("2.5", "A network trained and evaluated on cross entropy", 5, """
    net, x = Sequential(Linear(4, 5), Linear(5, 3)), Tensor.randn(6, 4)
    loss = CrossEntropyLoss()(net(x), Tensor(np.array([0, 1, 2, 0, 1, 2])))
    loss.backward(); print(loss, net.layers[0].weight.grad)
""")
class CrossEntropyNetwork:
    def inputs(rng):
        return dict(draw(rng, x=(5, N, 4), w1=(5, 4), b1=(5,), w2=(3, 5), b2=(3,)),
                    target=rng.integers(0, 3, (5, N)), lr=0.2)

    def scenario(x, w1, b1, w2, b2, target, lr):
        from mytorch.nn.loss import CrossEntropyLoss
        from mytorch.nn.sequential import Sequential
        from mytorch.tensor import Tensor
        net, criterion = Sequential(linear_layer(w1, b1), linear_layer(w2, b2)), CrossEntropyLoss()
        net.train()
        for batch, labels in zip(x[:4], target):
            criterion(net(Tensor(batch)), Tensor(labels)).backward()
            descend(list(net.parameters()), lr)
        net.eval()
        out = net(Tensor(x[4]))
        return {"out in evaluation": array_of(out),
                "loss in evaluation": flat(array_of(criterion(out, Tensor(target[4]))))}

    def reference(f, x, w1, b1, w2, b2, target, lr):
        layers = [(w1, b1), (w2, b2)]
        for batch, labels in zip(x[:4], target):
            out, inputs = through(f, batch, layers)
            _, gradients = back_through(f, f.cross_entropy_gradient(out, labels), layers, inputs)
            layers = [(w - lr * gw, b - lr * gb) for (w, b), (gw, gb) in zip(layers, gradients)]
        out, _ = through(f, x[4], layers)
        loss = f.cross_entropy(f.log_softmax(out), target[4])
        return {"out in evaluation": out, "loss in evaluation": np.array([loss])}


@check("2.5", "No Python loop over the batch", 0, """
    logits, target = Tensor.randn(2000, 10), Tensor(np.random.randint(0, 10, 2000))
    CrossEntropyLoss()(logits, target)  # slow?
""")
class NoLoops:
    advice = {"as many lines run for 64 rows as for 8":
              "your cross entropy runs more lines of Python for a larger batch; use NumPy's "
              "operations on whole arrays, loops are too slow (handout Appendix B)"}

    def inputs(rng):
        return {"logits": rng.normal(size=(64, 4)), "target": rng.integers(0, 4, 64)}

    def scenario(logits, target):
        import sys
        from mytorch.nn.loss import CrossEntropyLoss
        from mytorch.tensor import Tensor

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
        return {"as many lines run for 64 rows as for 8": True}


# ---- 2.6 Momentum

@formula
def momentum_step(weight, velocity, g, lr, momentum):
    """The new weight and the new velocity."""
    velocity = momentum * velocity - lr * g
    return weight + velocity, velocity


@formula
def velocity_of(index):
    """Which velocity belongs to the parameter of this index."""
    return index


@check("2.6", "Momentum on one layer", 3, """
    layer, x = Linear(1, 1), Tensor.randn(6, 1)
    optimizer = SGD(layer.parameters(), lr=0.01, momentum=0.9)
    layer(x).backward(); optimizer.step(); optimizer.step(); print(layer.weight)
""")
class MomentumOneLayer:
    def inputs(rng):
        # One by one, so that a velocity shared by weight and bias leads to numbers, not an error.
        return dict(draw(rng, x=(4, N, 1), w1=(1, 1), b1=(1,)), lr=0.01, momentum=0.9)

    def scenario(x, w1, b1, lr, momentum):
        from mytorch.nn.sequential import Sequential
        from mytorch.optim.sgd import SGD
        from mytorch.tensor import Tensor
        layer = linear_layer(w1, b1)
        optimizer = SGD(Sequential(layer).parameters(), lr=lr, momentum=momentum)
        for batch in x:
            optimizer.zero_grad()
            layer(Tensor(batch)).backward()
            optimizer.step()
        return {"weight after 4 steps": array_of(layer.weight),
                "bias after 4 steps": array_of(layer.bias)}

    def reference(f, x, w1, b1, lr, momentum):
        parameters, velocities = [w1, b1], {0: 0., 1: 0.}
        for batch in x:
            _, *gradients = f.linear_gradients(batch, parameters[0], np.ones((N, 1)))
            for i in range(2):
                v = f.velocity_of(i)
                parameters[i], velocities[v] = f.momentum_step(
                    parameters[i], velocities[v], gradients[i], lr, momentum)
        return {"weight after 4 steps": parameters[0], "bias after 4 steps": parameters[1]}


@check("2.6", "A network trained with momentum", 7, """
    net, x = Sequential(Linear(4, 5), Linear(5, 3)), Tensor.randn(6, 4)
    optimizer = SGD(net.parameters(), lr=0.01, momentum=0.9)
    net(x).backward(); optimizer.step(); optimizer.step(); print(net.layers[1].weight)
""")
class MomentumNetwork:
    def inputs(rng):
        return dict(draw(rng, x=(5, N, 4), w1=(5, 4), b1=(5,), w2=(3, 5), b2=(3,)),
                    lr=0.01, momentum=0.9)

    def scenario(x, w1, b1, w2, b2, lr, momentum):
        from mytorch.nn.sequential import Sequential
        from mytorch.optim.sgd import SGD
        from mytorch.tensor import Tensor
        one, two = linear_layer(w1, b1), linear_layer(w2, b2)
        net = Sequential(one, two)
        optimizer = SGD(net.parameters(), lr=lr, momentum=momentum)
        for batch in x:
            optimizer.zero_grad()
            net(Tensor(batch)).backward()
            optimizer.step()
        return {"weight of layer 1": array_of(one.weight), "bias of layer 1": array_of(one.bias),
                "weight of layer 2": array_of(two.weight), "bias of layer 2": array_of(two.bias)}

    def reference(f, x, w1, b1, w2, b2, lr, momentum):
        velocities = {i: 0. for i in range(4)}

        def step(index, parameter, gradient):
            v = f.velocity_of(index)
            parameter, velocities[v] = f.momentum_step(parameter, velocities[v], gradient, lr,
                                                       momentum)
            return parameter

        return descent(f, x, [(w1, b1), (w2, b2)], step)

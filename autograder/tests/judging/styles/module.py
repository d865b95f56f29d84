# In place of nn/module.py.
from mytorch.tensor import Tensor


class Module:
    def __init__(self):
        self._submodules, self._parameters, self.is_train = {}, {}, True

    def train(self, is_train=True):
        self.is_train = is_train
        for submodule in self._submodules.values():
            submodule.train(is_train)

    def eval(self):
        self.train(False)

    def parameters(self):
        return list(self._parameters.values()) + [
            p for m in self._submodules.values() for p in m.parameters()]

    def __setattr__(self, name, value):
        if isinstance(value, Tensor) and value.is_parameter:
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._submodules[name] = value
        object.__setattr__(self, name, value)

    def __call__(self, *args):
        return self.forward(*args)

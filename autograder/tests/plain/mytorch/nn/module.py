from mytorch.tensor import Tensor


class Module:
    def __init__(self):
        self.is_train = True

    def _children(self):
        for value in vars(self).values():
            for item in (value if isinstance(value, (list, tuple)) else [value]):
                if isinstance(item, Module):
                    yield item

    def train(self):
        self.is_train = True
        for child in self._children():
            child.train()

    def eval(self):
        self.is_train = False
        for child in self._children():
            child.eval()

    def parameters(self):
        for value in vars(self).values():
            if isinstance(value, Tensor) and value.is_parameter:
                yield value
        for child in self._children():
            yield from child.parameters()

    def __call__(self, *args):
        return self.forward(*args)

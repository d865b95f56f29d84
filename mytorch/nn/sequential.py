"""Sequential: layers in a row.  Handout 2.1."""

from mytorch.nn.module import Module


class Sequential(Module):
    """Passes its input through the given layers, one after the other.

    Attributes:
        layers (tuple of Module): the layers, in order.  An index gives one of them, a slice a
            Sequential of some.

    Source: handout 2.1; torch.nn.Sequential.
    """

    def __init__(self, *layers):
        super().__init__()
        for index, layer in enumerate(layers):
            self.add_module(str(index), layer)

    @property
    def layers(self):
        return tuple(self._children())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def __iter__(self):
        return iter(self.layers)

    def __getitem__(self, index):
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __len__(self):
        return len(self.layers)

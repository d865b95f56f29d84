def backward(grad_fn, grad_of_outputs):
    grads = grad_fn.apply(grad_of_outputs)
    if grads is None:
        return
    if not isinstance(grads, tuple):
        grads = (grads,)
    for parent, grad in zip(grad_fn.next_functions, grads):
        if parent is not None:
            backward(parent, grad)


class Function:
    @classmethod
    def apply(cls, *args):
        node = BackwardFunction(cls)
        output = cls.forward(node.ctx, *args)
        needs = False
        for arg in args:
            parent = None
            if hasattr(arg, "requires_grad") and arg.requires_grad:
                needs = True
                if arg.is_leaf and arg.grad_fn is None:
                    arg.grad_fn = AccumulateGrad(arg)
                parent = arg.grad_fn
            node.next_functions.append(parent)
        output.requires_grad = needs
        output.is_leaf = not needs
        output.grad_fn = node if needs else None
        return output


class AccumulateGrad:
    def __init__(self, tensor):
        self.variable = tensor
        self.next_functions = []

    def apply(self, grad):
        from mytorch.tensor import Tensor
        old = self.variable.grad
        new = grad.data if old is None else old.data + grad.data
        self.variable.grad = Tensor(new)


class ContextManager:
    def __init__(self):
        self.saved_tensors = []

    def save_for_backward(self, *tensors):
        self.saved_tensors = [tensor for tensor in tensors]


class BackwardFunction:
    def __init__(self, cls):
        self.cls = cls
        self.ctx = ContextManager()
        self.next_functions = []

    def apply(self, *grads):
        result = self.cls.backward(self.ctx, *grads)
        return result

# In place of backward() of the plain engine.


def backward(grad_fn, grad_of_outputs):
    if isinstance(grad_fn, AccumulateGrad):
        grad_fn.apply(grad_of_outputs)
    elif isinstance(grad_fn, BackwardFunction):
        gradients = grad_fn.apply(grad_of_outputs)
        if type(gradients) is not tuple:
            gradients = (gradients,)
        for i in range(len(gradients)):
            if grad_fn.next_functions[i] is not None:
                backward(grad_fn.next_functions[i], gradients[i])

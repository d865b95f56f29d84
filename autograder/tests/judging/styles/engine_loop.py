# In place of backward() of the plain engine.


def backward(grad_fn, grad_of_outputs):
    order, seen = [], set()

    def visit(node):
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        for parent in node.next_functions:
            visit(parent)
        order.append(node)

    visit(grad_fn)
    waiting = {id(grad_fn): grad_of_outputs}
    for node in reversed(order):
        grads = node.apply(waiting.pop(id(node)))
        grads = grads if isinstance(grads, tuple) else (grads,)
        for parent, grad in zip(node.next_functions, grads):
            if parent is not None:
                before = waiting.get(id(parent))
                waiting[id(parent)] = grad if before is None else before + grad

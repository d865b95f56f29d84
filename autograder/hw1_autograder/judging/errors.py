"""What an error of Python's usually means in this homework."""

import re

ARRAY = ("There is an array where a Tensor should be, and the .data of an array is a memoryview: "
         "gradients, running estimates and what is saved are Tensors, Tensor(...).")
ENGINES = r"autograd_engine\.py|^the check$"  # where what a backward returned is taken apart
FUNCTION = "There is a function in place of what it returns: is it called, with parentheses ()?"
NONE = "There is None where a Tensor should be: is a return missing in what makes it?"
NO_GRADIENT = ("A .grad is None until a gradient arrives: AccumulateGrad stores the first and adds "
               "the others, and step() meets None where no gradient reached a parameter.")
ERRORS = [  # the exception's type and message, what is of the lines where it fell, what to say
    ("TypeError", r"unsupported operand type\(s\) for (\S+): 'Tensor' and 'Tensor'", "",
     "Tensors have no operator {0} yet: it is a method of Tensor (__sub__ for -, __mul__ for *, "
     "__truediv__ for /, __matmul__ for @)."),
    ("TypeError", r"cannot unpack non-iterable NoneType object$", ENGINES,
     "backward returns None (is a return missing?); it has to return a gradient for each input."),
    ("TypeError", r"cannot unpack non-iterable (\w+) object$", ENGINES,
     "backward returns a single {0}; it has to return a gradient for each input."),
    ("TypeError", r"cannot unpack non-iterable NoneType object$", "",
     "What is unpacked here is None: is a return missing in what makes it?"),
    ("TypeError", r"cannot unpack non-iterable (\w+) object$", "",
     "What is unpacked here, into several names, is a single {0}."),
    ("ValueError", r"not enough values to unpack \(expected \d, got 0\)", "saved_tensors",
     "This ctx holds nothing: forward has to save into the ctx that it gets, and Function.apply() "
     "has to give it the one of the node."),
    ("ValueError", r"too many values to unpack", "saved_tensors",
     "This ctx holds more than is unpacked here: did its forward save more, or another one save "
     "into the same list, of the class or a default argument? Each context makes its own, in "
     "__init__."),
    ("ValueError", r"not enough values to unpack \(expected \d, got \d\)", "saved_tensors",
     "Is this ctx.saved_tensors? It holds what forward gave to ctx.save_for_backward()."),
    ("AttributeError", r"'(?:list|tuple)' object has no attribute 'data'", ENGINES,
     "A gradient is a list or tuple here: a backward returns several as a tuple, and backward() of "
     "the engine gives each parent its own one."),
    ("AttributeError", r"'(?:list|tuple)' object has no attribute 'data'", "",
     "Is this ctx.saved_tensors? It is a sequence also of one: a, = ctx.saved_tensors."),
    ("AttributeError", r"'Tensor' object has no attribute '(?:apply|next_functions)'", "",
     "backward() of the engine goes from node to node: Tensor.backward() starts it with "
     "self.grad_fn, and next_functions holds nodes, not Tensors."),
    ("TypeError", r".* got (?:method|function)", "", FUNCTION),
    ("TypeError", r"(?:\w+\.)?(?:forward|backward)\(\) (?:missing|takes) ", ENGINES,
     "forward takes ctx and what apply() got, backward takes ctx and one gradient, and both are "
     "static methods."),
    ("TypeError", r"(?:\w+\.)?(\w+)\(\) (?:missing|takes (?:from )?\d)", "",
     "The def of {0} and its call do not fit: a method has self as its first parameter, then what "
     "it is called with."),
    ("AttributeError", r"'(\w+)' object has no attribute 'backward'", "",
     "There is a value of type {0} in place of a Tensor: what makes it has to return one."),
    ("IndexError", r".*out of (?:range|bounds)", "momentums",
     "self.momentums is a list with one velocity for each parameter: self.momentums[i] = ..."),
    ("AttributeError", r"'NoneType' object has no attribute '(?:apply|next_functions)'", "",
     "A node is None: next_functions holds None for a constant, which backward() has to skip, and "
     "so is grad_fn before the tensor has a node."),
    ("AttributeError", r"'NoneType' object has no attribute 'data'", ".grad", NO_GRADIENT),
    ("TypeError", r"unsupported operand .*'NoneType'", ".grad", NO_GRADIENT),
    ("AttributeError", r"'NoneType' object", "", NONE),
    ("TypeError", r"unsupported operand .*'NoneType'", "", NONE),
    ("AttributeError", r"'(?:method|function)' object has no attribute", "", FUNCTION),
    ("AttributeError", r"'memoryview' object", "", ARRAY),
    ("TypeError", r"(?:unsupported operand|bad operand) .*'memoryview'", "", ARRAY),
    ("TypeError", r"bad operand type for unary -: 'Tensor'", "",
     "Tensors have no minus sign in front: with Tensors write a - b; in an operation compute with "
     "arrays, such as -grad_output.data."),
    ("TypeError", r"operand 'Tensor' does not support ufuncs", "",
     "NumPy's functions take arrays: the one of a Tensor is its .data. Where the gradient has to "
     "go through, use an operation of the graph."),
    ("TypeError", r"(\w+)\(\) takes no arguments", "",
     "An operation is run by its apply(), as in F.{0}.apply(x); is {0} one?"),
    ("TypeError", r"'(Tensor|ndarray)' object is not iterable$", ENGINES,
     "A backward may return one {0}, or a tuple of several: backward() of the engine has to take "
     "both."),
    ("TypeError", r"'Tensor' object is not iterable$", "",
     "Nothing goes through a Tensor one by one, neither a loop nor Python's sum() and max(): "
     "compute with the whole array, its .data, or with operations of the graph."),
    ("ValueError", r"non-broadcastable output operand", "",
     "This computes in place (+=, *= or out=), so the result has to fit into the array that is "
     "there, which may be the caller's: make a new one, as in a = a * b."),
    ("IndexError", r"shape mismatch: indexing arrays", "",
     "The indices differ in length; to take one entry of each row both have N = x.shape[0] "
     "entries: x[np.arange(N), target]."),
    ("ValueError", r"operands could not be broadcast together", "",
     "The shapes of these two do not fit: print both. A sum or mean over another axis has another "
     "shape, and so has @ in place of *."),
    ("ValueError", r"matmul: .* mismatch|shapes .* not aligned", r"\bbackward\b|grad",
     "The shapes do not fit in a matrix product, which needs (n, k) @ (k, m): the gradients of "
     "a @ b are grad @ b^T and a^T @ grad, with a and b in the order in which they were saved."),
    ("ValueError", r"matmul: .* mismatch|shapes .* not aligned", "",
     "The shapes do not fit in a matrix product, which needs (n, k) @ (k, m): forward is "
     "x @ weight^T."),
]


def words_of(failure):
    """Return what to say of an error of Python's, by its own words, or None."""
    where = "; ".join(map(str, failure.places)) or "the check"
    for kind, pattern, place, sentence in ERRORS:
        match = (kind == failure.type and re.search(place, where)
                 and re.match(pattern, failure.message))
        if match:
            return sentence.format(*match.groups())
    return None

"""What can be wrong with a graph or a backward pass, each in a sentence."""

import os
from dataclasses import dataclass

import numpy as np

# By where they are looked for.
SENTENCES = {
    # the graph that forward left
    "forward returns": "{operation}.forward{at} returns a value of type {got}; it has to return a "
                       "Tensor.",
    "apply returns": "Function.apply(){at} returns a value of type {got}; it has to return the "
                     "output Tensor.",
    "data is a Tensor": "The .data of {operation}'s output is a Tensor; it has to be a NumPy "
                        "array.",
    "no grad_fn": "backward() is called on a tensor outside any graph: its last operation was not "
                  "done through Function.apply (computed in NumPy, or from .data), or under "
                  "no_grad(), or nothing it was computed from requires grad.",
    "requires_grad lost": "The output of {operation} does not require grad although its argument "
                          "{argument} does, so that the graph ends there; Function.apply{at} "
                          "settles it.",
    "no node": "The output of {operation} requires grad, but its grad_fn is None; Function.apply"
               "{at} sets it.",
    "hidden in a list": "{operation} gets {argument}, a {got} that holds Tensors: Function.apply "
                        "sees only those that are arguments themselves, as in apply(*tensors).",
    "returns its argument": "{operation}.forward{at} returns its own argument; it has to return a "
                            "new Tensor, else the node of the argument is lost.",
    "input changed": "{operation}.{got}{at} changes the array of its argument {argument}; make a "
                     "new array.",
    "shared list": "All nodes share one list as {got}, a class attribute or a default argument: "
                   "make a new one in each node's (or context's) __init__.",
    "too many parents": "next_functions of {operation} has {got} entries for {expected} "
                        "argument(s): each appends one, its node or None (if, elif, else?).",
    "parents missing": "next_functions of {operation} has {got} entries for {expected} Tensor(s): "
                       "each argument appends its node, or None if it is a constant, to the one "
                       "node whose ctx forward gets and which becomes the output's grad_fn.",
    "parent is None": "next_functions of {operation} holds None for its argument {argument}, which "
                      "requires grad.",
    "parent is another": "next_functions of {operation} holds a new {got} for its argument "
                         "{argument}; it has to be that tensor's own grad_fn.",
    "parents in another order": "next_functions of {operation} are in another order than the "
                                "arguments of forward: append one after the other.",
    "cycle": "next_functions of {operation} leads back to {operation} itself: backward() would "
             "not end.",

    # the start
    "nothing starts": "backward() visits no node: it has to call apply() of the output's grad_fn, "
                      "and of each node that next_functions lists.",
    "starts elsewhere": "Tensor.backward(){at} starts at {got}; it has to start at the output's "
                        "own node, {expected}.",
    "seed is no Tensor": "The first node gets a value of type {got}: Tensor.backward(){at} has to "
                         "hand a Tensor of ones to autograd_engine.backward(), and that hands it "
                         "to the node.",
    "seed's shape": "Tensor.backward(){at} starts with a gradient of shape {got}; it has to be "
                    "ones of the tensor's own shape, {expected} (section 0.1.5, step 1).",
    "seed's values": "Tensor.backward(){at} starts with {got}; it has to start with ones.",

    # each operation by itself
    "too few gradients": "{operation}.backward{at} returns {got} gradient(s) for {expected} "
                         "arguments.",
    "too many gradients": "{operation}.backward{at} returns {got} gradients for {expected} "
                          "argument(s).",
    "gradient is None": "{operation}.backward{at}, or the apply() that calls it, returns None for "
                        "{argument}, which requires grad (is a return missing?).",
    "gradient is no Tensor": "{operation}.backward{at} returns a value of type {got} for "
                             "{argument}; it has to return Tensors.",
    "gradient's shape": "{operation}.backward{at} returns a gradient of shape {got} for {argument} "
                        "of shape {expected}; each argument gets a gradient of its own shape (see "
                        "unbroadcast(), if it was broadcast).",
    "gradient not summed": "{operation}.backward{at} returns a gradient of shape {got} for "
                           "{argument} of shape {expected}: what was broadcast has to be summed, "
                           "in the axes where it was, see unbroadcast(), handout 2.1.",
    "in another order": "{operation}.backward{at} takes the saved tensors in another order than "
                        "forward saves them, or returns its gradients in another than that of "
                        "the arguments: exchanged, the shapes are right.",
    "changes its gradient": "{operation}.backward{at} changes the array of the gradient that it "
                            "received, which others may hold; make a new array.",
    "gradient's dtype": "{operation}.backward{at} returns a gradient of {got} for {argument}; it "
                        "has to be of floating point numbers.",
    "apply hands another": "BackwardFunction.apply{at} hands {got} to the argument {argument} of "
                           "{operation}, whose backward returns {expected}.",
    "kept elsewhere": "{operation}.backward{at} handed {got} to {argument}{place} and, run alone, "
                      "hands {expected}: what forward keeps belongs into ctx, not on the class or "
                      "in a global name, where the next call replaces it.",
    "value": "{operation}.backward{at} hands {got} to its argument {argument}{place}; differences "
             "of {operation}.forward say {expected}.",
    "random": "{operation}.backward{at} hands {got} to its argument {argument}{place} for a random "
              "gradient near by; differences of {operation}.forward say {expected}.",
    "factor": "{operation}.backward{at} hands {got} to its argument {argument}{place} for a random "
              "gradient near by; differences of {operation}.forward say {expected}. Is every "
              "gradient multiplied by the one that it receives?",

    # the engine
    "no Tensor arrives": "A value of type {got} arrives at {operation} in place of a Tensor: "
                         "backward(){at} gives each parent its own one of the gradients that an "
                         "operation returned.",
    "shape that arrives": "A gradient of shape {got} arrives at the output of {operation}, which "
                          "has the shape {expected}: what is computed from it hands on another "
                          "shape, or backward(){at} gives a parent the gradient of another.",
    "visited too often": "{operation} is visited more often than there are paths to it: backward()"
                         "{at} walks an edge more than once, or does not end.",
    "error": "{operation}.backward{at} raises {got}.",
    "error in the engine": "The pass ends with {got}{at}.",
    "nothing arrives": "{operation} was handed {expected}, and nothing arrives there: backward()"
                       "{at} visits every node that next_functions lists.",
    "one of several arrives": "{operation} was handed {expected} in all{place}, and only one of "
                              "those gradients arrives, {got}: backward(){at} has to come along "
                              "every path to it, or to add them up.",
    "another arrives": "{operation} was handed {expected} in all{place}, and {got} arrives: "
                       "backward(){at} has to bring what each operation hands on, unchanged and "
                       "once; what is added to in place, or kept from the call before, comes too "
                       "often.",
    "gradients share memory": "The .grad of {argument} and {got} share one array, and "
                              "AccumulateGrad{at} adds to it in place, so that both change: make a "
                              "new array.",
    "not accumulated": "The .grad of {argument}{place} is {got}; what it had and what arrived make "
                       "{expected} (AccumulateGrad{at} has to add).",
    "written elsewhere": "Something else than AccumulateGrad changes the .grad of {argument} "
                         "during the pass: a backward of an operation, or backward() itself?",
    "grad is no Tensor": "The .grad of {argument} is a value of type {got}; AccumulateGrad{at} "
                         "stores a Tensor.",
    "leaf's shape": "The .grad of {argument} has shape {got}, the tensor {expected}.",
    "leaf's dtype": "The .grad of {argument} is of {got}, the tensor of {expected}.",
    "a gradient too many": "{argument} has a .grad although it is {got}; only leaves that require "
                           "grad keep one.",

    # the optimizer
    "no parameters": "The optimizer has no parameters: did a generator give them once (keep "
                     "list(params))? Or does parameters() find none: is_parameter=True, and the "
                     "layers of a layer?",
    "parameter twice": "The optimizer has a parameter twice, which then moves twice: parameters() "
                       "gives each once.",
    "gradient kept": "zero_grad() leaves a gradient: the .grad of each parameter becomes None.",
    "param.data is a Tensor": "step() leaves a Tensor in param.data: compute with the arrays in "
                              "param.data and param.grad.data.",
    "parameter replaced": "step() puts a new Tensor into the list of parameters, and the layers "
                          "keep the old one: assign to param.data.",
}
# These break nothing in an engine that is made for them: they are told if something is wrong too.
HARMLESS_ALONE = ("gradient's shape", "gradient not summed", "shape that arrives",
                  "no Tensor arrives", "data is a Tensor")


@dataclass
class Finding:
    """The first thing that is wrong; ``str`` gives the sentence.

    Attributes:
        kind (str): one of SENTENCES.
        operation, argument (str): whose, if it is one's.
        file (str), line (int): where the code is that does it, if that is known.
        expected, got (np.ndarray, str or int): what should be, and what is.
        index (tuple or str): of the element in a larger argument that these are.
    """

    kind: str
    operation: str = ""
    argument: str = ""
    file: str = ""
    line: int = 0
    expected: object = ""
    got: object = ""
    index: tuple = ()

    @property
    def at(self):
        return f" ({os.path.basename(self.file)}:{self.line})" if self.file else ""

    def __str__(self):
        return SENTENCES[self.kind].format(
            operation=self.operation, argument=self.argument, at=self.at,
            place=f" at {self.index}" if self.index else "",
            expected=shown(self.expected), got=shown(self.got))

    @property
    def general(self):
        """Return the sentence without places and values, which all share who make the mistake."""
        return SENTENCES[self.kind].format(operation=self.operation, at="", place="",
                                           argument="...", expected="...", got="...")


def shown(value):
    """Write an array on one line, anything else as text."""
    if not isinstance(value, (np.ndarray, np.floating)):
        return str(value)
    return " ".join(np.array2string(np.asarray(value), threshold=8, formatter={
        "float_kind": lambda number: f"{number:.5g}"}).split())

"""What each problem asks for: the functions that students write, with a hint for some.

Where templates/starter/ has a file of the same name, students get that one, and what is asked for
and not in it yet is added; any other file is the library's, emptied.
"""

from kit import homework

ENGINE, TENSOR = "mytorch/autograd_engine.py", "mytorch/tensor.py"
FUNCTIONAL, SGD = "mytorch/nn/functional.py", "mytorch/optim/sgd.py"
MNIST = "hw1/mnist.py"
DERIVATIVES = "What are dz/da and dz/db?  Each times the gradient of z, as in Add."

ASKED = {
    "1.1.1": [(FUNCTIONAL, "Sub.forward"), (FUNCTIONAL, "Sub.backward", DERIVATIVES),
              (TENSOR, "Tensor.__sub__", 'The other side as a Tensor: self._operand(other, "-").')],
    "1.1.2": [(FUNCTIONAL, "Mul.forward"), (FUNCTIONAL, "Mul.backward", DERIVATIVES),
              (TENSOR, "Tensor.__mul__", 'With self._operand(other, "*").')],
    "1.1.3": [(FUNCTIONAL, "Div.forward"), (FUNCTIONAL, "Div.backward", DERIVATIVES),
              (TENSOR, "Tensor.__truediv__", 'With self._operand(other, "/").')],
    "1.2": [(ENGINE, "backward"), (ENGINE, "Function.apply"), (TENSOR, "Tensor.backward")],
    "2.1": [("mytorch/nn/sequential.py", "Sequential.forward"),
            ("mytorch/nn/linear.py", "Linear.forward",
             "It needs a matrix product: an operation of yours in functional.py, and in Tensor\n"
             "the operator __matmul__ for x @ w."),
            (FUNCTIONAL, "unbroadcast",
             "Sum where NumPy had stretched an array of that shape.  Then let the backward of\n"
             "Add, Sub, Mul and Div call it for each gradient.")],
    "2.2": [("mytorch/nn/activations.py", "ReLU.forward",
             "With an operation of yours in functional.py.")],
    "2.3": [(SGD, "SGD.step", "First 2.3, without momentum: W - lr * gradient.  2.6 comes later:\n"
             "self.momentums[i] is then the last step of self.params[i], learning rate included.")],
    "2.4": [("mytorch/nn/batchnorm.py", "BatchNorm1d.forward",
             "self.is_train says whether the network is in training.")],
    "2.5": [(FUNCTIONAL, "cross_entropy",
             "LogSoftmax with the trick of Appendix B.1; then the mean over the batch of what is\n"
             "lost at the right classes.  Either all of it in operations, or one operation whose\n"
             "backward is the derivative of Appendix B.2.")],
    "2.6": [(SGD, "SGD.step")],
    homework.BY_HAND: [
        (MNIST, "mnist", "Handout 3.1: make model, optimizer and criterion, and train."),
        (MNIST, "train", "Handout 3.2.  model.train() is the handout's activate_train_mode(), and\n"
         "model.eval() its activate_eval_mode()."),
        (MNIST, "validate", "Handout 3.3.  What is largest in a row of the model's output?")],
}
# No file of the starter needs these.
NOT_GIVEN = ("mytorch/checks.py", "mytorch/grad_mode.py", "mytorch/nn/sums.py")
STAYS = ("BATCH_SIZE",)  # although only what students write needs it

"""What the problems of this homework ask for."""

FUNCTIONAL = "mytorch/nn/functional.py"

ASKED = {
    "1.1": [(FUNCTIONAL, "Softplus.forward"), ("mytorch/tensor.py", "Tensor.softplus")],
    "1.2": [(FUNCTIONAL, "Softplus.backward", "The derivative is the logistic function.")],
}
NOT_GIVEN = STAYS = ()

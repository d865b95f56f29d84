from mytorch.nn.wrong import HOMEWORK

exec(open(HOMEWORK + "/../../mytorch/nn/batchnorm.py").read())

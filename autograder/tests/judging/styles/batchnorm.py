# At the end of nn/functional.py.


class BatchNorm(Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.save_for_backward(gamma, beta)
        ctx.istd = 1 / np.sqrt(x.data.var(axis=0) + eps)
        ctx.x_hat = (x.data - x.data.mean(axis=0)) * ctx.istd
        return tensor.Tensor(ctx.x_hat * gamma.data + beta.data)

    @staticmethod
    def backward(ctx, grad_output):
        g, (gamma, beta) = grad_output.data, ctx.saved_tensors
        d = g * gamma.data
        grad_x = ctx.istd * (d - d.mean(0) - ctx.x_hat * (d * ctx.x_hat).mean(0))
        return (tensor.Tensor(grad_x), tensor.Tensor((g * ctx.x_hat).sum(0).reshape(gamma.shape)),
                tensor.Tensor(g.sum(0).reshape(beta.shape)), None)

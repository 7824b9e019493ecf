import torch
from torch import nn
from torch.nn.functional import logsigmoid


class SkipGram(nn.Module):
    def __init__(self):
        super().__init__()
        self.center = nn.Embedding(24, 8)
        self.context = nn.Embedding(24, 8)

    def forward(self, centers, others):
        center = self.center(centers)
        others = self.context(others)
        return torch.einsum("bd,bkd->bk", center, others)


def train(weights, batches, *, lr, betas):
    model = SkipGram()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=betas)

    for centers, contexts, negatives in batches:
        near = model(centers, contexts[:, None])
        far = model(centers, negatives)
        positive = logsigmoid(near).sum(1)
        negative = logsigmoid(-far).sum(1)
        loss = -(positive + negative).mean()
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}
        optimizer.step()
        state = [(name, optimizer.state[p]) for name, p in params.items()]
        means = {name: slots["exp_avg"] for name, slots in state}
        squares = {name: slots["exp_avg_sq"] for name, slots in state}
        yield {
            "batch": (centers, contexts, negatives),
            "outputs": {"near": near, "far": far},
            "loss": loss,
            "grads": grads,
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": params,
        }

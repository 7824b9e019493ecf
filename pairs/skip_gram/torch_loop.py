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
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=betas)

    for centers, contexts, negatives in batches:
        near = model(centers, contexts[:, None])
        far = model(centers, negatives)
        positive = logsigmoid(near).sum(1)
        negative = logsigmoid(-far).sum(1)
        loss = -(positive + negative).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (centers, contexts, negatives),
            "outputs": {"near": near, "far": far},
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }

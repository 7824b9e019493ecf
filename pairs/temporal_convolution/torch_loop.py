import torch
from torch import nn


class CausalConv(nn.Conv1d):
    def __init__(self, inputs, channels, dilation):
        super().__init__(inputs, channels, 3, dilation=dilation)
        self.past = 2 * dilation

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (self.past, 0)))


class Block(nn.Module):
    def __init__(self, inputs, channels, dilation):
        super().__init__()
        self.conv1 = CausalConv(inputs, channels, dilation)
        self.conv2 = CausalConv(channels, channels, dilation)
        if inputs == channels:
            self.skip = nn.Identity()
        else:
            self.skip = nn.Conv1d(inputs, channels, 1)

    def forward(self, x):
        h = torch.relu(self.conv1(x))
        h = torch.relu(self.conv2(h))
        return torch.relu(h + self.skip(x))


class TemporalConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(
            Block(2, 8, dilation=1),
            Block(8, 8, dilation=2),
            Block(8, 8, dilation=4),
        )
        self.head = nn.Conv1d(8, 1, 1)

    def forward(self, x):
        return self.head(self.blocks(x)).squeeze(1)


def train(weights, batches, *, lr, betas, max_norm):
    model = TemporalConvolution()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=betas)

    for signals, echoes in batches:
        outputs = model(signals)
        loss = criterion(outputs, echoes)
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad.clone() for n, p in params.items()}
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        clipped = {n: p.grad for n, p in params.items()}
        optimizer.step()
        yield {
            "batch": (signals, echoes),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "clipped": clipped,
            "model": model,
            "optimizer": optimizer,
            "metrics": {"norm": norm},
        }

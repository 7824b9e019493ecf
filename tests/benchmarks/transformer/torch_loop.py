import math

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(384, bias=False)
        self.c_attn = nn.Linear(384, 1152, bias=False)
        self.c_proj = nn.Linear(384, 384, bias=False)
        self.ln_2 = nn.LayerNorm(384, bias=False)
        self.up = nn.Linear(384, 1536, bias=False)
        self.down = nn.Linear(1536, 384, bias=False)

    def attention(self, x):
        b, t, c = x.shape
        heads = self.c_attn(x).chunk(3, dim=-1)
        q, k, v = (h.view(b, t, 6, 64).transpose(1, 2) for h in heads)
        scores = q @ k.transpose(-2, -1) / math.sqrt(64)
        past = torch.ones(t, t, dtype=torch.bool).tril()
        scores = scores.masked_fill(~past, -math.inf).softmax(dim=-1)
        return self.c_proj((scores @ v).transpose(1, 2).reshape(b, t, c))

    def forward(self, x):
        x = x + self.attention(self.ln_1(x))
        return x + self.down(torch.relu(self.up(self.ln_2(x))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(2000, 384)
        self.wpe = nn.Embedding(64, 384)
        self.h = nn.ModuleList(Block() for _ in range(4))
        self.ln_f = nn.LayerNorm(384, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


def train(weights, batches, *, lr):
    model = Transformer()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        params = dict(model.named_parameters())
        yield {
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in params.items()},
            "params": params,
        }

import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(16, 48, bias=False)
        self.c_proj = nn.Linear(16, 16, bias=False)

    def forward(self, x):
        b, t, c = x.shape
        heads = self.c_attn(x).chunk(3, dim=-1)
        q, k, v = (h.view(b, t, 2, 8).transpose(1, 2) for h in heads)
        att = q @ k.transpose(-2, -1) / math.sqrt(8)
        past = torch.ones(t, t, dtype=torch.bool).tril()
        att = att.masked_fill(~past, -math.inf).softmax(dim=-1)
        y = (att @ v).transpose(1, 2).reshape(b, t, c)
        return self.c_proj(y)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(16, bias=False)
        self.attn = CausalSelfAttention()
        self.ln_2 = nn.LayerNorm(16, bias=False)
        self.c_fc = nn.Linear(16, 64, bias=False)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(64, 16, bias=False)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(self.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(11, 16)
        self.wpe = nn.Embedding(8, 16)
        self.h = nn.ModuleList([Block(), Block()])
        self.ln_f = nn.LayerNorm(16, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


def train(weights, batches, *, lr, betas, weight_decay, max_norm):
    model = GPT()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.CrossEntropyLoss()
    decay = [p for p in params.values() if p.dim() >= 2]
    no_decay = [p for p in params.values() if p.dim() < 2]
    groups = [
        {"params": decay, "weight_decay": weight_decay},
        {"params": no_decay, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=betas)

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad.clone() for n, p in params.items()}
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        clipped = {n: p.grad for n, p in params.items()}
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "norm": norm,
            "clipped": clipped,
            "model": model,
            "optimizer": optimizer,
        }

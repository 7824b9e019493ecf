import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        h = self.norm2(x)
        return x + self.fc2(self.gelu(self.fc1(h)))


class VisionTransformer(nn.Module):
    def __init__(self, width=8, heads=2, depth=2, patch=4, tokens=5):
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, tokens, width))
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        blocks = [Block(width, heads) for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(x), -1, -1)
        x = torch.cat([first, x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def train(weights, batches, *, lr, betas, weight_decay):
    model = VisionTransformer()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    kernels = [p for p in params.values() if p.ndim in (2, 4)]
    others = [p for p in params.values() if p.ndim not in (2, 4)]
    groups = [
        {"params": kernels, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=betas)

    for images, labels in batches:
        outputs = model(images)
        loss = nn.functional.cross_entropy(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}
        optimizer.step()
        state = [(name, optimizer.state[p]) for name, p in params.items()]
        means = {name: slots["exp_avg"] for name, slots in state}
        squares = {name: slots["exp_avg_sq"] for name, slots in state}
        yield {
            "batch": (images, labels),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": params,
        }

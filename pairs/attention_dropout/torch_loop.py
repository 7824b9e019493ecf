import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.tokens = nn.Embedding(10, 8)
        self.positions = nn.Embedding(6, 8)
        self.dropout = nn.Dropout(dropout)
        self.norm1 = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(
            8,
            2,
            dropout=dropout,
            batch_first=True,
        )
        self.norm2 = nn.LayerNorm(8)
        self.expand = nn.Linear(8, 16)
        self.gelu = nn.GELU()
        self.contract = nn.Linear(16, 8)
        self.norm3 = nn.LayerNorm(8)
        self.classify = nn.Linear(8, 2)

    def forward(self, ids):
        x = self.dropout(self.tokens(ids) + self.positions(torch.arange(6)))
        h = self.norm1(x)
        h, _ = self.attention(h, h, h)
        x = x + h
        h = self.norm2(x)
        x = x + self.dropout(self.contract(self.gelu(self.expand(h))))
        return self.classify(self.norm3(x).mean(1))


def train(weights, batches, *, lr, weight_decay, dropout):
    model = Classifier(dropout)
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=lr,
        weight_decay=weight_decay,
    )

    for ids, label in batches:
        outputs = model(ids)
        loss = criterion(outputs, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (ids, label),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }

import torch
from torch import nn


def encoder_layer():
    return nn.TransformerEncoderLayer(
        d_model=16,
        nhead=2,
        dim_feedforward=32,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
    )


class MaskedLanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 16)
        self.position = nn.Embedding(8, 16)
        self.encoder = nn.TransformerEncoder(encoder_layer(), num_layers=2)
        self.head = nn.Linear(16, 12)

    def forward(self, tokens, padding):
        x = self.embedding(tokens) + self.position(torch.arange(8))
        x = self.encoder(x, src_key_padding_mask=padding)
        return self.head(x)


def train(weights, batches, *, lr, weight_decay):
    model = MaskedLanguageModel()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=lr,
        weight_decay=weight_decay,
    )

    for _, tokens, masked, seen in batches:
        padding = tokens == 0
        inputs = torch.where(masked, seen, tokens)
        labels = torch.where(masked, tokens, -100)
        outputs = model(inputs, padding)
        loss = criterion(outputs.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (inputs, labels),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }

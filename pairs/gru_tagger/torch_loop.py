import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(16, 8, padding_idx=0)
        self.gru = nn.GRU(8, 8, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(16, 5)

    def forward(self, tokens, lengths):
        x = self.embedding(tokens)
        x = pack_padded_sequence(
            x,
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        x, _ = self.gru(x)
        x, _ = pad_packed_sequence(x, batch_first=True, total_length=7)
        return self.classifier(x)


def train(weights, batches, *, lr):
    model = Tagger()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for lengths, tokens, tags in batches:
        outputs = model(tokens, lengths)
        loss = criterion(outputs.flatten(0, 1), tags.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct = (outputs.argmax(-1) == tags).sum()
        yield {
            "batch": (lengths, tokens, tags),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
            "metrics": {"correct": correct},
        }

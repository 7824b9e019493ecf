import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.source_embedding = nn.Embedding(11, 8, padding_idx=0)
        self.target_embedding = nn.Embedding(11, 8, padding_idx=0)
        self.encoder = nn.GRU(8, 12, batch_first=True)
        self.decoder = nn.GRU(8, 12, batch_first=True)
        self.attention = nn.Linear(12, 12, bias=False)
        self.combine = nn.Linear(24, 12)
        self.project = nn.Linear(12, 11)

    def forward(self, source, lengths, target):
        x = self.source_embedding(source)
        x = pack_padded_sequence(
            x,
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        x, state = self.encoder(x)
        memory, _ = pad_packed_sequence(x, batch_first=True, total_length=6)
        query, _ = self.decoder(self.target_embedding(target), state)
        scores = self.attention(query) @ memory.transpose(1, 2)
        scores = scores.masked_fill((source == 0)[:, None], -math.inf)
        context = scores.softmax(dim=-1) @ memory
        x = torch.tanh(self.combine(torch.cat((query, context), dim=-1)))
        return self.project(x)


def train(weights, batches, *, lr):
    model = Seq2Seq()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss(ignore_index=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for lengths, source, target in batches:
        given, wanted = target[:, :-1], target[:, 1:]
        outputs = model(source, lengths, given)
        loss = criterion(outputs.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (lengths, source, given, wanted),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }

import torch
from torch import nn
from torch.nn import functional as F


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4, affine=False)
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = torch.tanh(self.fc1(self.norm(x)))
        x = torch.tanh(self.fc2(x))
        return self.head(x)


def train(weights, batches, *, lr, discount, sync_every):
    model = QNet()
    model.load_state_dict(weights)
    target = QNet().eval()
    target.load_state_dict(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for step, batch in enumerate(batches, 1):
        # The goal, which no gradient reaches.
        with torch.no_grad():
            best = target(batch.next_state).max(1).values
            goal = batch.reward + discount * (1 - batch.done) * best

        # The step towards it.
        values = model(batch.state)
        taken = values.gather(1, batch.action.unsqueeze(1)).squeeze(1)
        loss = F.smooth_l1_loss(taken, goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        # The target network follows.
        if step % sync_every == 0:
            target.load_state_dict(model.state_dict())
        yield {
            "batch": batch,
            "outputs": {"goal": goal, "values": values, "taken": taken},
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
            "buffers": {
                **dict(model.named_buffers()),
                "target": target.state_dict(),
            },
        }

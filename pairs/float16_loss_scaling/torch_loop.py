import torch
from torch import nn


def train(weights, batches, *, lr, momentum, init_scale, growth_interval):
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4))
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    scaler = torch.amp.GradScaler(
        "cpu",
        init_scale=init_scale,
        growth_interval=growth_interval,
    )

    for y, x in batches:
        # Forward and backward in float16, with the loss scaled up.
        with torch.autocast("cpu", dtype=torch.float16):
            outputs = model(x)
            loss = criterion(outputs, y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)

        # A step, unless a gradient is infinite; then the scale moves.
        scale = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "scale": scale,
            "model": model,
            "optimizer": optimizer,
        }

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def train(weights, batches, *, lr, momentum, decay):
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    model.load_state_dict(weights)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    averages = dict(average.module.named_parameters())
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)

    for x, y, held_out_x, held_out_y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)

        with torch.no_grad():
            predictions = average(held_out_x)
        held_out_loss = criterion(predictions, held_out_y)
        yield {
            "batch": (x, y, held_out_x, held_out_y),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
            "buffers": averages,
            "metrics": {"held_out_loss": held_out_loss},
        }

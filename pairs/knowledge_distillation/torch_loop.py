import torch
from torch import nn
from torch.nn.functional import log_softmax


class Distillation(nn.Module):
    def __init__(self):
        super().__init__()
        self.teacher = nn.Sequential(
            nn.Linear(8, 32),
            nn.Tanh(),
            nn.Linear(32, 5),
        )
        self.student = nn.Sequential(
            nn.Linear(8, 12),
            nn.Tanh(),
            nn.Linear(12, 5),
        )


def train(weights, batches, *, lr, temperature, alpha):
    model = Distillation()
    model.load_state_dict(weights)
    model.teacher.requires_grad_(False)
    kl_div = nn.KLDivLoss(reduction="batchmean", log_target=True)
    cross_entropy = nn.CrossEntropyLoss()
    trained = model.student.parameters()
    optimizer = torch.optim.SGD(trained, lr=lr)

    for x, y in batches:
        teacher = model.teacher(x)
        student = model.student(x)
        log_p = log_softmax(teacher / temperature, dim=1)
        log_q = log_softmax(student / temperature, dim=1)
        distilled = kl_div(log_q, log_p)
        labelled = cross_entropy(student, y)
        loss = alpha * temperature**2 * distilled + (1 - alpha) * labelled
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": {"teacher": teacher, "student": student},
            "loss": {
                "distilled": distilled,
                "labelled": labelled,
                "total": loss,
            },
            "model": model,
            "optimizer": optimizer,
        }

import runpy
import tempfile
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def join(rank, folder):
    # init_process_group has one default group for the whole process, which
    # two trainings that take turns in a process cannot share.
    store = dist.FileStore(f"{folder}/store", 2)
    group = dist.ProcessGroup(store, rank, 2)
    gloo = dist.ProcessGroupGloo(store, rank, 2, timedelta(minutes=1))
    backend = dist.ProcessGroup.BackendType.GLOO
    group._register_backend(torch.device("cpu"), backend, gloo)
    group._set_default_backend(backend)
    return group


def network():
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))


def replica(group, model, data, lr, batch_size, epochs):
    # The second rank gets the first one's weights here.
    parallel = DistributedDataParallel(model, process_group=group)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    dataset = TensorDataset(data["x"], data["y"])
    sampler = DistributedSampler(dataset, 2, group.rank(), shuffle=False)
    loader = DataLoader(dataset, batch_size // 2, sampler=sampler)
    criterion = nn.CrossEntropyLoss()

    for _ in range(epochs):
        for x, y in loader:
            outputs = parallel(x)
            loss = criterion(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total = loss.detach().clone()
            dist.all_reduce(total, group=group)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": total / 2,
                "grads": {n: p.grad for n, p in model.named_parameters()},
                "params": dict(model.named_parameters()),
            }


def train(weights, data, *, lr, batch_size, epochs):
    model = network()
    model.load_state_dict(weights)

    # To import torch takes seconds; a fork server does it once for every
    # training that follows.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo"])
    with tempfile.TemporaryDirectory() as folder:
        job = (data, lr, batch_size, epochs)
        second = (__file__, {"folder": folder, "job": job}, "__main__")
        other = context.Process(target=runpy.run_path, args=second)
        other.start()
        try:
            group = join(0, folder)
            yield from replica(group, model, *job)
        finally:
            other.kill()
            other.join()


# The second rank is a process of its own, in which train has this file run.
if __name__ == "__main__":
    folder, job = globals()["folder"], globals()["job"]
    torch.set_default_dtype(job[0]["x"].dtype)
    for _ in replica(join(1, folder), network(), *job):
        pass

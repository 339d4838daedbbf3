"""A notebook tunes a function and a class of its cells, and shows the run as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration import library

pytestmark = pytest.mark.filterwarnings("ignore")  # of the notebook's libraries
nbformat = library("nbformat")
nbclient = library("nbclient")
library("ipykernel")

CELLS = (
    """\
import torch
import autofinetune as aft

x = torch.linspace(-1, 1, 64)[:, None]
y = (x[:, 0] > 0.2).long()

class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(1, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)
""",
    """\
def train(params, saved_params_dir):
    net = Net(params["width"])
    optimizer = torch.optim.SGD(net.parameters(), params["lr"])
    for epoch in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        accuracy = (net(x).argmax(1) == y).float().mean()
        aft.report_intermediate_result(accuracy, epoch)
        if aft.should_stop():
            return
    torch.save(net, f"{saved_params_dir}/net.pt")  # a class of this notebook, by its name
    return accuracy

Net(2)(x).sum().backward()  # torch has used its threads in this process
result = aft.tune(train, {"lr": aft.loguniform(1e-3, 1.0), "width": (2, 64)}, trials=2, seed=0,
                  gpu="cpu:1", assessor="asha", output_dir="result", log_to="none")
""",
    """\
net = torch.load(result.best_model / "net.pt", weights_only=False)
print(type(net) is Net, len(result.trials), result.best.params["width"] in range(2, 65))
""",
    """\
result = await aft.tune_async(lambda lr: lr, {"lr": (0.0, 1.0)}, trials=1, gpu="cpu:1",
                              output_dir="second", log_to="none")
print(len(result.trials))
""",
)


def test_a_notebook(tmp_path: Path) -> None:
    notebook: Any = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    _, second, third, fourth = (cell.outputs for cell in notebook.cells)
    (table,) = (out.data["text/html"] for out in second if "data" in out)
    assert "<b>best" in table and "by trial" in table
    assert "COMPLETED" not in "".join(out.get("text", "") for out in second)
    assert third[0].text == "True 2 True\n"
    assert fourth[-1].text.splitlines()[-1] == "1"

"""`model_loss`: the held-out loss of a small language model trained on the processed data.

The model is a transformer over bytes with two layers, trained for a fixed budget of tokens
(`--tokens`, which are bytes), so that recipes which keep more text do not get more training; a
small set is seen several times. The seed of model and batches is the same in all trials.
"""

from __future__ import annotations

from typing import Any

from autofinetune.errors import Mistake, UsageError
from autofinetune.library import Library

from .base import Objective, Processed, Settings
from .texts import read_texts

TORCH = Library("torch", "2.0", "torch")
_CONTEXT = 32
_BATCH = 16
_WIDTH, _LAYERS, _HEADS = 64, 2, 4
_RATE = 5e-3
_MOST_HELD_OUT = 1 << 16  # bytes
_BYTES = 256


class ModelLoss(Objective):
    """The mean loss in nats per byte; log(256) = 5.5 of a model that has learned nothing."""

    better = -1
    imports = ("torch",)

    @classmethod
    def check(cls, settings: Settings) -> None:
        TORCH.check("--objective=model_loss")
        _held_out(settings)

    def score(self, processed: Processed) -> float:
        TORCH.check("--objective=model_loss")
        texts = processed.texts(self.settings.text_key)
        return loss_of(texts, _held_out(self.settings), self.settings.tokens, self.settings.seed)


def _held_out(settings: Settings) -> list[str]:
    if settings.held_out is None:
        mistake = Mistake("held_out", "is missing: model_loss is measured on texts of their own")
        raise UsageError(mistake, "give good texts that are not in the data: --held_out=FILE")
    return read_texts(settings.held_out, settings.text_key)


def loss_of(texts: list[str], held_out: list[str], tokens: int, seed: int) -> float:
    """Train a model on `tokens` bytes of some texts and return its loss on others."""
    import torch

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data, wanted = (_as_bytes(some).to(device) for some in (texts, held_out))
    model = _model().to(device)
    if len(data) > _CONTEXT:
        _train(model, data, max(1, tokens // (_BATCH * _CONTEXT)), seed)
    model.eval()
    windows = wanted[: len(wanted) // (_CONTEXT + 1) * (_CONTEXT + 1)].view(-1, _CONTEXT + 1)
    if not len(windows):
        raise UsageError(f"--held_out has less than {_CONTEXT + 1} bytes of text")
    with torch.no_grad():
        parts = windows[: _MOST_HELD_OUT // _CONTEXT].split(_BATCH * 8)
        losses = [float(_loss(model, part)) * len(part) for part in parts]
    return sum(losses) / sum(map(len, parts))


def _as_bytes(texts: list[str]) -> Any:
    import torch

    data = bytearray("\n\n".join(texts).encode("utf-8", "replace") or b"\n")
    return torch.frombuffer(data, dtype=torch.uint8).long()


def _train(model: Any, data: Any, steps: int, seed: int) -> None:
    """Train on random windows, with a rate that rises for a tenth of the steps and falls to 0."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=steps + 1, pct_start=0.1
    )
    inside = torch.arange(_CONTEXT + 1)
    for _ in range(steps):
        starts = torch.randint(len(data) - _CONTEXT, (_BATCH, 1), generator=generator)
        loss = _loss(model, data[(starts + inside).to(data.device)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def _loss(model: Any, windows: Any) -> Any:
    """Return the mean cross-entropy of each next byte in windows `(n, context + 1)`."""
    import torch

    scores = model(windows[:, :-1])
    return torch.nn.functional.cross_entropy(scores.transpose(1, 2), windows[:, 1:])


def _model() -> Any:
    import torch
    from torch import nn

    class ByteModel(nn.Module):  # type: ignore[misc]  # torch is not installed here
        def __init__(self) -> None:
            super().__init__()
            self.bytes = nn.Embedding(_BYTES, _WIDTH)
            self.places = nn.Parameter(torch.zeros(_CONTEXT, _WIDTH))
            layer = nn.TransformerEncoderLayer(
                _WIDTH, _HEADS, 4 * _WIDTH, dropout=0.0, batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False)
            self.scores = nn.Linear(_WIDTH, _BYTES)
            mask = nn.Transformer.generate_square_subsequent_mask(_CONTEXT)
            self.register_buffer("mask", mask)

        def forward(self, data: Any) -> Any:
            size = data.shape[1]
            hidden = self.bytes(data) + self.places[:size]
            mask = self.mask[:size, :size]
            return self.scores(self.layers(hidden, mask=mask, is_causal=True))

    return ByteModel()

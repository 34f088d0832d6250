"""Multiply-accumulates are those of the matrices, whatever kernels torch would choose."""

import pytest
import torch
from torch import nn

from temper.export import size

TOKENS, IN, OUT = 5, 8, 16
ROWS = torch.ones(1, TOKENS, IN)
VECTOR = torch.ones(IN)


class Attention(nn.MultiheadAttention):
    def forward(self, rows):
        return super().forward(rows, rows, rows)


@pytest.mark.parametrize(
    ("network", "rows", "expected"),
    [
        (nn.LSTM(IN, OUT, batch_first=True), ROWS, TOKENS * 4 * OUT * (IN + OUT)),
        (
            nn.TransformerEncoderLayer(IN, 2, OUT, batch_first=True).eval(),
            ROWS,
            TOKENS * (4 * IN * IN + 2 * IN * OUT) + 2 * TOKENS * TOKENS * IN,
        ),
        (
            Attention(IN, 2, batch_first=True).eval(),
            ROWS,
            TOKENS * 4 * IN * IN + 2 * TOKENS * TOKENS * IN,
        ),
        (lambda row: torch.mv(torch.ones(3, IN), row), VECTOR, 3 * IN),
        (lambda row: torch.addmv(torch.ones(3), torch.ones(3, IN), row), VECTOR, 3 * IN),
        (lambda row: row @ row, VECTOR, IN),
    ],
    ids=["LSTM", "encoder layer", "attention", "mv", "addmv", "dot"],
)
def test_fused_kernels_are_counted(network, rows, expected):
    """torch's own counter gives 0 for each of them; its switches are as before afterwards."""
    with torch.inference_mode():
        assert size.count_macs(lambda: network(rows)) == (expected, [])
    assert torch.backends.mkldnn.enabled
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_kernel_that_is_not_counted_is_named():
    """Its products would be missing from the sum."""
    network = nn.Bilinear(IN, IN, OUT)
    with torch.inference_mode():
        assert size.count_macs(lambda: network(VECTOR, VECTOR)) == (0, ["aten._trilinear"])

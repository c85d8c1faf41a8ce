"""How a network starts its training."""

import torch

from models.architectures.resnet import Block
from models.train import start


def test_residual_blocks_begin_as_their_shortcuts() -> None:
    torch.manual_seed(0)
    blocks = [module for module in start("resnet34", warm=False).modules() if isinstance(module, Block)]
    assert blocks
    plain = [block for block in blocks if block.downsample is None]
    for block in plain:
        maps = torch.rand(2, block.conv1.in_channels, 4, 4)  # not negative, so that the last ReLU changes nothing
        torch.testing.assert_close(block(maps), maps)

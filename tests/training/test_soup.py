"""A model soup: the mean of training runs that differ only in their seeds."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stages import train
from temper.training import averaging, checkpoint
from temper.training.session import TrainingSession
from tests.helpers.training import TARGETS, assert_same, fit


def rows_of(path):
    return Path(path).read_text().splitlines()[1:]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_soup_is_the_mean_of_trainings_from_one_start(prepare, engine, monkeypatch):
    """Killed in its second member, it continues to the bit."""
    from temper.training import networks

    starts, reported = [], []
    build = networks.build

    def remembered(*args):
        network = build(*args)
        starts.append({name: value.clone() for name, value in network.state_dict().items()})
        return network

    monkeypatch.setattr(networks, "build", remembered)
    parameters = prepare(train__model_soup_size=2, train__engine=engine, train__save_every=4)
    whole = fit(parameters, "whole", lambda prefix, _, step: reported.append((prefix, step)))
    assert all(torch.equal(value, starts[1][name]) for name, value in starts[0].items())
    train.write_outputs(whole, Path("data/base"), TARGETS)
    first, second = (load_file(c.model_sources()[0] / "model.safetensors") for c in whole.members)
    averaged = load_file("data/model/model.safetensors")
    for name, tensor in averaged.items():
        assert not torch.equal(first[name], second[name]) or name.endswith("position_ids")
        torch.testing.assert_close(tensor, ((first[name].double() + second[name]) / 2).float())
    assert {path.name for path in Path("data/checkpoints").iterdir()} == {"member-1", "member-2"}
    steps = [int(row.split(",")[0]) for row in rows_of("data/history/train.csv")]
    assert steps == list(range(1, 25))
    assert [step for prefix, step in reported if prefix == "train"] == steps
    *_, row = rows_of("data/history/validation.csv")
    assert row.startswith(f"25,{whole.history.train[-1]['epoch']},")
    assert whole.members[0].history != whole.members[1].history
    for number in (1, 2):
        shutil.copytree(f"work/whole/whole-{number}", f"work/cut/cut-{number}")
    for path in checkpoint.numbered_folders(Path("work/cut/cut-2"), "checkpoint")[1:]:
        shutil.rmtree(path)
    assert_same(fit(parameters, "cut"), whole)


def test_averaged_crf_decodes_with_its_own_transitions(tmp_path):
    """config.json has the mean's, for decoding without torch."""
    from safetensors.torch import save_file

    for name, value in (("a", 1.0), ("b", 2.0)):
        partial = tmp_path / "partial"
        partial.mkdir()
        save_file({"transitions": torch.full((4, 2), value)}, partial / "model.safetensors")
        (partial / "config.json").write_text('{"transitions": [[2.0, 2.0]]}')
        checkpoint.publish(partial, tmp_path / name)
    averaging.average_weights([[tmp_path / "a", tmp_path / "b"]], tmp_path / "mean")
    assert json.loads((tmp_path / "mean/config.json").read_text())["transitions"] == [[1.5] * 2] * 4


@pytest.mark.slow
def test_later_soup_members_use_the_batch_that_fitted_the_first(prepare, monkeypatch, capsys):
    """Only the first one restarts."""
    loss = TrainingSession.compute_loss

    def narrow(self, network, micro_batch, *arguments):
        if len(micro_batch["input_ids"]) > 8:
            raise MemoryError
        return loss(self, network, micro_batch, *arguments)

    monkeypatch.setattr(TrainingSession, "compute_loss", narrow)
    soup = fit(prepare(train__model_soup_size=2, train__epochs=1.0))
    assert [session.params.per_device_batch_size for session in soup.members] == [8, 8]
    assert capsys.readouterr().err.count("restarting with 8") == 1

"""trainer.select=average: the weights are the mean of those after each of the last epochs."""

import pytest
import torch

from src.strategies.erm import ERM
from tests.strategies.fitting import blobs, ready, split_of, trainer_on


def trained(folder, *, stop=None, resume=False, **options):
    """Weights in use after five epochs (or `stop` of them) of four steps, those after each epoch, and the trainer."""
    folder.mkdir(exist_ok=True)
    after = []

    def each(epoch, found):
        after.append({name: value.clone() for name, value in model.state_dict().items()})
        return epoch == stop

    trainer = trainer_on(folder, split_of(*blobs(spread=3.0)), batch_size=32, epochs=5, on_epoch=each, **options)
    trainer.make_optimizer = lambda groups: torch.optim.Adam(groups, lr=0.1)
    trainer.make_schedule = lambda optimizer, steps: None
    trainer.resume = resume
    strategy = ERM()
    task, model = ready(strategy, trainer)
    strategy.fit(task, model, trainer)
    return model.state_dict(), after, trainer


def mean_of(states):
    return {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}


@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_the_mean_of_the_last_epochs(tmp_path, n):
    used, after, trainer = trained(tmp_path, select="average", average=n)
    torch.testing.assert_close(used, mean_of(after[-n:]))
    assert trainer.selected_epoch == 5
    assert trainer.options.weights == "average.pt"


def test_of_one_epoch_it_is_the_last(tmp_path):
    averaged, last = (trained(tmp_path / name, **options)[0] for name, options in
                      (("a", {"select": "average", "average": 1}), ("b", {"select": "last"})))  # fmt: skip
    assert all(torch.equal(averaged[name], last[name]) for name in last)


def test_an_interrupted_training_averages_the_same(tmp_path):
    options = {"select": "average", "average": 3}
    whole, _, _ = trained(tmp_path / "a", **options)
    trained(tmp_path / "b", stop=4, **options)
    resumed, _, _ = trained(tmp_path / "b", resume=True, **options)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_last_epochs_are_those_that_the_steps_leave(tmp_path):
    used, after, _ = trained(tmp_path, max_steps=10, select="average", average=2)  # after 4, 8 and 10 steps
    assert len(after) == 3
    torch.testing.assert_close(used, mean_of(after[-2:]))


@pytest.mark.parametrize(
    "options", [{"select": "average"}, {"average": 3}, {"select": "average", "average": 2, "patience": 1}]
)
def test_what_does_not_go_together_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="average"):
        trained(tmp_path, **options)

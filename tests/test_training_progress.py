"""How far a training has come, as plain numbers."""

import io

import pytest
import torch

from sprout.engine.train_state import NOTHING, Progress


def some() -> Progress:
    progress = Progress(step=9, step_of_epoch=4)
    progress.add(1.5, 3, 4)
    progress.judge(0.25, less_is_better=True)
    progress.close_epoch({"epoch": 0, "val_loss": 0.25})
    progress.add(0.1, 1, 2)
    progress.step_of_epoch = 1
    return progress


def test_sums_add_up_and_end_with_their_epoch() -> None:
    progress = Progress()
    progress.add(1.5, 3, 4)
    progress.add(0.5, 1, 2)
    assert progress.sums == (2.0, 4, 6)
    progress.close_epoch({"epoch": 0})
    assert (progress.sums, progress.epoch, progress.step_of_epoch, progress.history) == (NOTHING, 1, 0, [{"epoch": 0}])


def test_steps_go_on_over_epochs() -> None:
    assert (some().step, some().step_of_epoch, some().epoch) == (9, 1, 1)


def test_it_comes_back_from_a_checkpoint() -> None:
    buffer = io.BytesIO()
    torch.save(some().state_dict(), buffer)
    buffer.seek(0)
    assert Progress.from_state(torch.load(buffer, weights_only=True)) == some()


def test_it_shares_nothing_with_what_was_saved() -> None:
    progress = some()
    state = progress.state_dict()
    progress.close_epoch({"epoch": 1})
    assert Progress.from_state(state) == some()


def test_a_field_that_there_is_not_is_no_progress() -> None:
    with pytest.raises(TypeError):
        Progress.from_state(some().state_dict() | {"speed": 1})

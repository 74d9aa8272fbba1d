"""Figures of restored images."""

from sprout.data.store import Array


def reconstruction_metrics(noisy: Array, restored: Array) -> dict[str, float | None]:
    """Mean squared error of the restored images and of the noisy ones, and the share of the noise that is left.

    Args:
        noisy: (N,) mean squared error of each image as the model was given it, pixels in 0..1; 0 without noise.
        restored: (N,) likewise, as the model gave it back.

    Returns:
        `mse`, `noisy_mse` and `noise_left`, the first divided by the second, which is None where there is no noise; all
        are None where there is no image.
    """
    if not len(restored):
        return dict.fromkeys(("mse", "noisy_mse", "noise_left"))
    mse, noise = float(restored.mean(dtype="float64")), float(noisy.mean(dtype="float64"))
    return {"mse": mse, "noisy_mse": noise, "noise_left": mse / noise if noise else None}

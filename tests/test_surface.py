"""The loss surface: a plane through the weights in which the path lies, with the true loss at every point."""

import numpy as np
import pytest

from sayso.explanation.surface import POINTS, loss_surface

CENTRE, CURVATURE = np.array([3.0, -1.0, 0.5, 2.0]), np.array([1.0, 4.0, 0.5, 2.0])


def loss_of(vector: np.ndarray) -> float:
    return float(CURVATURE @ np.square(vector - CENTRE))


def test_the_path_starts_at_the_origin_and_ends_on_the_first_axis() -> None:
    # The path lies in the plane of the first two weights.
    vectors = np.zeros((5, 4))
    vectors[:, 0], vectors[:, 1] = [0, 1, 2, 3, 4], [0, 1, 0.5, 2, 3]
    surface = loss_surface(vectors, loss_of)
    assert surface.share == pytest.approx(1)
    np.testing.assert_allclose(surface.path[[0, -1]], [[0, 0], [5, 0]], atol=1e-9)
    # Distances in the plane are those between the weights.
    distances = np.linalg.norm(np.diff(surface.path, axis=0), axis=1)
    np.testing.assert_allclose(distances, np.linalg.norm(np.diff(vectors, axis=0), axis=1))
    assert surface.losses.shape == (POINTS, POINTS)
    for axis, coordinates in enumerate((surface.across, surface.upward)):
        assert coordinates[0] < surface.path[:, axis].min() <= surface.path[:, axis].max() < coordinates[-1]


def test_the_losses_are_those_of_the_weights_at_each_point() -> None:
    vectors = np.array([[0, 0, 0, 0], [1, 2, 0, 0], [4, 0, 0, 0]], float)
    surface = loss_surface(vectors, loss_of)
    up = np.sign(surface.path[1, 1])
    for row, column in ((0, 0), (3, 20), (30, 5)):
        point = np.array([surface.across[column], up * surface.upward[row], 0, 0])
        assert surface.losses[row, column] == pytest.approx(loss_of(point))


def test_a_path_that_leaves_the_plane_has_a_smaller_share() -> None:
    vectors = np.random.default_rng(0).normal(size=(10, 4)).cumsum(axis=0)
    assert 0.3 < loss_surface(vectors, loss_of).share < 0.999


def test_a_training_that_changes_nothing_has_a_surface() -> None:
    surface = loss_surface(np.ones((3, 4)), loss_of)
    assert np.isfinite(surface.losses).all()
    assert not surface.path.any()

"""Hydra's own contract tests, for the sweeper as applications other than this one would use it (without an engine)."""

import pytest
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite
from hydra.version import VersionBase


@pytest.fixture(autouse=True)
def _as_in_a_new_process():
    """Other tests have told Hydra which version to be compatible with."""
    state = Singleton.get_state()
    Singleton._instances.pop(VersionBase, None)
    yield
    Singleton.set_state(state)


OURS = "hydra.sweeper._target_=hydra_plugins.kilter.optuna_sweeper.OptunaSweeper"


def test_hydra_finds_the_sweeper():
    assert "OptunaSweeper" in [plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", [OURS])])
class TestLaunching(LauncherTestSuite):
    pass


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", [OURS, "hydra.sweeper.max_batch_size=2"])])
class TestBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({"defaults": [{"override hydra/launcher": "basic"}]}, ["-m", OURS])],
)
class TestIntegration(IntegrationTestSuite):
    pass

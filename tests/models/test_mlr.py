import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from src.models.mlr import MLR
from src.task import Task


def test_pictures_are_flattened_and_every_cell_has_a_weight_per_class():
    model = MLR()
    model.setup(Task(("a", "b", "c"), ("all",), "image", (2, 4, 5)))
    assert sum(p.numel() for p in model.parameters()) == 40 * 3 + 3
    x = torch.rand(6, 2, 4, 5)
    torch.testing.assert_close(model(x), x.reshape(6, 40) @ model.head.weight.T + model.head.bias)


def test_its_maximum_likelihood_is_scikit_learns():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    model = MLR()
    model.setup(Task(("a", "b", "c"), ("all",), "vector", (3,)))
    model.double()
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(model(inputs).softmax(1).detach().numpy(), oracle, atol=1e-4)

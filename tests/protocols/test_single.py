from src.protocols.single import Single
from tests.contracts.test_protocols import splits_of


def test_the_data_sets_own_split():
    splits = splits_of()
    assert Single().apply(splits, 5) is splits
    assert Single().data_seed(5) == 5

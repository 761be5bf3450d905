import pytest

import cabletag


@pytest.mark.parametrize("name", cabletag.__all__)
def test_exported_name_is_there_and_listed(name):
    assert getattr(cabletag, name).__name__ == name
    assert name in dir(cabletag)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Taggr'"):
        cabletag.Taggr  # noqa: B018

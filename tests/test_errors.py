import pickle

import pytest

from cxrlens.errors import CxrlensError, UnreadableImageError


def test_error_is_one_line_with_thing_fault_and_remedy():
    error = CxrlensError("a.png", "is\nempty", "delete it")
    assert str(error) == "a.png: is empty; delete it"


def test_error_survives_the_way_back_from_another_process():
    error = pickle.loads(pickle.dumps(UnreadableImageError("a.png", "is empty", "delete it")))
    assert isinstance(error, UnreadableImageError)
    assert (error.subject, error.fault, error.remedy) == ("a.png", "is empty", "delete it")


def test_subclasses_are_caught_as_one():
    with pytest.raises(CxrlensError):
        raise UnreadableImageError("a", "b", "c")

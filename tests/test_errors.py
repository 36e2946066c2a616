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


def test_what_a_file_is_called_or_holds_cannot_break_the_line_or_order_a_terminal_about():
    error = CxrlensError("a\nb\x1b[31m\udcff\u202e ü.png", "quotes\x07\r\nit", "mend\tit")
    assert str(error) == "a\\nb\\x1b[31m\\udcff\\u202e ü.png: quotes\\x07 it; mend\\tit"
    assert error.subject == "a\nb\x1b[31m\udcff\u202e ü.png", "programs need it as it is"

"""What two runs of a notebook are compared by."""

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from workbench.notebook import DIGEST_MIME, NOTE_MIME, cell_results


def _executed(*outputs: Any, count: int | None = 1) -> NotebookNode:
    injected = new_code_cell("fast = 2", metadata={"tags": ["injected-parameters"]})
    shown = new_code_cell("show()", outputs=list(outputs), execution_count=count)
    return new_notebook(cells=[injected, shown])


def _shown(**data: Any) -> Any:
    return new_output("display_data", data)


def test_text_is_kept_without_addresses_and_colours() -> None:
    stdout = new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m <object at 0x7f00deadbeef>\n")
    (result,) = cell_results(_executed(stdout, _shown(**{"text/plain": "[1, 2] at 0x7fff12345678"})))
    assert result.text == ("red <object at 0x…>", "[1, 2] at 0x…")
    assert (result.number, result.executed, result.error) == (1, True, "")


def test_a_result_counts_by_its_digest_and_not_by_its_words() -> None:
    data = {"text/plain": "Sharpe 1.2, run 81f", DIGEST_MIME: {"kind": "backtest", "digest": "ab12"}}
    (result,) = cell_results(_executed(_shown(**data)))
    assert result.digests == ("backtest:ab12",)
    assert result.text == ()


def test_remarks_pictures_and_standard_error_are_left_out() -> None:
    note = _shown(**{"text/plain": "run 81f opened", NOTE_MIME: {"kind": "note"}})
    warning = new_output("stream", name="stderr", text="slow 0.31 s")
    (result,) = cell_results(_executed(note, warning, _shown(**{"image/png": "iVBOR"})))
    assert (result.text, result.digests) == ((), ())


def test_a_cell_that_failed_or_did_not_run_says_so() -> None:
    (failed,) = cell_results(_executed(new_output("error", ename="KeyError", evalue="x", traceback=[])))
    (pending,) = cell_results(_executed(count=None))
    assert failed.error == "KeyError"
    assert not pending.executed


def test_the_injected_cell_is_no_part_of_the_notebook() -> None:
    assert [result.source for result in cell_results(_executed())] == ["show()"]

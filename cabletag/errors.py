"""The exception tree. Every message says what was expected, what was found and how to mend it.

CabletagError            anything a caller may want to catch
├── CodebookError        a codebook file that is not well formed
├── CorpusError          a coded corpus that training or validation cannot use
├── DocumentError        an input text or file that cannot be read
├── ModelError           a model folder that is missing, damaged or of another codebook
├── OutputError          a result that cannot be written, or a run that had to stop
└── OptionError          a wrong argument: an unknown label, a threshold out of range
"""


class CabletagError(Exception):
    """Base of all errors raised on purpose by cabletag; `exit_code` is what the command line returns."""

    exit_code = 1


class CodebookError(CabletagError):
    """A codebook file is not well formed."""


class CorpusError(CabletagError):
    """A coded corpus cannot be used."""


class DocumentError(CabletagError):
    """An input text or file cannot be read."""


class ModelError(CabletagError):
    """A model folder is missing, damaged or belongs to another codebook."""


class OutputError(CabletagError):
    """A result cannot be written, or a run had to stop; what was finished is kept."""


class OptionError(CabletagError):
    """An argument is wrong."""

    exit_code = 2


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A suffix such as "; did you mean 'crime_framing'?", or the list of what is known."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1, cutoff=0.45)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"


def no_column(name: str, known: list[str] | tuple[str, ...]) -> str:
    """What to say of a column that is not there."""
    hint = did_you_mean(name, known) if known else "; there are no others"
    return f"expected the column '{name}', found none{hint}"

"""The words of the project: names that were replaced do not come back, in code, documents or interfaces.

ARCHITECTURE.md has the glossary. A replaced name may be there where it is another thing (an ordinary English word in a
text, a name of another program's interface); such files are listed with it."""

import fnmatch
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Not ours, or a record of what was: licences and vectors of others, decisions, the list of changes, generated parts of
# libraries.
NOT_OURS = (
    "CHANGELOG.md", "LICENSE*", "docs/decisions/*", "tests/vectors/*", "fuzz/seeds/*", "examples/observatory/page/uplot/*", "*.lock", "benches/RESULTS.md",
    "tests/book/test_words.py",
)

# Patterns of replaced names, what is used instead, and the files where the pattern is something else.
REPLACED = [
    (r"\b(Harbour|Berth|Mooring|Doorman|Entrant|Renewal|Casting|Caster|ShelfReader|Occasion)\b", "acceptor, ListenerRegistration, Reconnector, Fanout, AckTrigger", ()),
    (r"\b(harbour|berth|mooring|doorman|lie_down|get_up)\b", "acceptor, registration, park, unpark", ()),
    (r"\b(Greeting|greeting)s?\b", "Hello", ("rust-core/transport/src/hello.rs", "tests/bridge/test_channel_keys.py", "tests/independent/test_protocol.py")),
    (r"\b(Agreement|agreement)\b", "SchemaNegotiation, schema_negotiation", ()),
    (r"\b(fn|def) (tell|tells|told|hear|hears|heard|say|says|said)_?\w*_(greeting|losses|later|bye|passing|alone|consumed)\b", "send_…, report_…, receive_…", ()),
    (r"\btroubled?\b", "problem", ()),
    (r"\b(DEEPEST|EncodeHow|HubOptions)\b", "MAX_DEPTH, EncodeOptions, ControllerServerOptions", ()),
    (r"\blinkspan_(channel|message|service)_look\b|\blinkspan_(instruction|verb)\b", "linkspan_*_get_info, linkspan_command", ()),
    (r"\b(with_limit|the option limit|option `limit`|options%limit|options\.limit)\b", "max_message_size", ()),
    (r"\btask\.left\b|\btask%left\b|\bdeadline(\(\))?\.left\b|\bfn left\(&?self\) -> Option<Duration>", "remaining", ()),
    (r"DEFAULT_TIMEOUT = -1", "null", ()),
    (r"\bClaimCell\b|\b(struct|enum|type|trait) (Claim|Entered|Ending|Borrowed|Held|Few|Lent|Rewritten|Begun|TakenPlain|TakenRun)\b",
     "Seat, Permit, SeatGuard, LockedLease, ValueGuard; RecordLock, OneOrMany, ArcRef, ReusedMessage, StartedCall", ()),
]

# Words that the public documents do without, because the subject of a sentence is named. The two that draw bytes still
# have them.
PUBLIC = ("README.md", "ARCHITECTURE.md", "docs/*.md", "docs/how-to/*.md", "docs/tutorials/*.md", "python/README.md", "php/README.md")
RIDDLES = [
    (r"\b[Ww]hoever\b", "name the subject: the client, the user who …", ()),
    (r"\b([Ss]omebody|[Aa]nybody|[Ee]verybody)('s)?\b", "another process, any user", ()),
    (r"\b[Nn]obody('s)?\b", "no process, no user", ()),
    (r"\b(hears?|heard)\b", "receives, received", ()),
]

# Sources whose comments were read again: codecs, transports, the conformance suite, the observatory, and the pages with
# their tests.
READ_AGAIN = (
    "rust-core/value/src/codec/*", "rust-core/transport/src/*", "rust-core/tests/conformance/*", "examples/observatory/*",
    "examples/logger/*.schema.toml", "cli/page/*", "examples/controller-page/*", "tests/web/*",
)
IMAGES = [
    (r"\b([Gg]eneral|[Ss]hort|[Ss]hortest) ways?\b", "general path, short path, shortest path", ()),
    (r"(?i)_of_late\b|\bof late\b", "the number or the condition: EMPTY_POLLS, the last polls", ()),
    (r"\bsigns? of life\b", "activity of the peer", ()),
    (r"\| lives in \||//.*\blies? (ready|in|at|outside|behind|there)\b", "defined in; is in, are in", ()),
    (r"\b(un)?spoil(s|t|ed)?\b", "damage, damaged", ()),
    (r"\bheals?\b|\bwell-meaning\b|\bbehind your back\b|\bhung up on\b", "repairs, replaces; correct; automatically; disconnected", ()),
    (r"\btells? (those|them|these) apart\b", "handles those", ()),
    (r"\b([Ww]hoever|([Ss]ome|[Aa]ny|[Ee]very|[Nn]o)body)\b", "the user, the client, no process", ()),
    (r"(#|//) ---- what (is|happens)\b|\bthe door\b", "requests, commands, display, access", ()),
    (r"\b(asks?|comes?|taken up) again\b", "reconnects", ()),
    (r"\btheirs to say\b|\bis for [\w' ]+ to say\b|\bnot ours to\b", "has limits of its own; cannot", ()),
    (r"\b(page|instrument)'s (look|life|face)\b", "style, display", ()),
    (r'\bdoc = "(How (much|many)|When|What|By|Its)\b', "the quantity: The number of …, The time of …", ()),
]

# Phrases that came with the fast paths, in the core and in the documents.
CORE = ("rust-core/*", "docs/*.md", "ARCHITECTURE.md")
PHRASES = [
    (r"\b[Gg]eneral ways?\b", "general path", ()),
    (r"\blies? ready\b", "is available", ()),
    (r"\bbeside the page\b", "in another place: name it", ()),
    (r"\bplain (record|reply)s?\b|\b(peek|take)_plain\b", "fast-path record, peek_fast, take_fast", ()),
    (r"\backnowledgement (frame )?(that )?is due\b|\b(any|no)thing else is due\b", "is pending", ()),
]

# Ordinary words that have one meaning in the code: CONTRIBUTING.md has them. The places whose comments were read again
# for them.
READ_FOR_WORDS = ("*.rs", "*.py", "*.h", "*.hpp", "*.cpp", "*.f90", "*.f90.in", "*.php", "*.js")
ORDINARY = [
    (r"(//|# |^\s*! |\"\"\"|^\s*\*).*\bin place of\b", "instead of", ()),
    (r"(?i)(//|# ).*\bhalf[- ](done|written)\b", "incomplete", ()),
    (r"(//|# ).*\b(is|are|be) ready for another\b", "allocated, empty, complete", ()),
    (r"\b[sS]mall (messages?|blocks?|body|bodies|files?)\b(?! system)", "short, of what has few bytes", ()),
    (r"\b[sS]hort (numbers?|sets?|counts?) of\b", "small, of what is few", ()),
    (r"\b(take[sn]?|took) (it |them |one |this |that )?for (granted|no |one of)\b|\btakes? (it|them|this|that|what \w+ \w+) for (a|an|the)\b", "reads as", ()),
    (r"\bfunction(s)? (that )?takes? (no|any|a|an|the)\b", "accepts, expects", ()),
]

# Words that pages do without as well.
PAGES = ("*.md",)
ON_PAGES = [
    (r"(?i)\bin place of\b", "instead of", ()),
    (r"\bexpires? soon\b|\bsoon after\b", "how soon: within 30 days, within two minutes", ()),
    (r"\b[Nn]o (short|general) way\b", "the fast path, the general path", ()),
    (r"(?i)\bhalf[- ](done|written)\b", "incomplete", ()),
]


def texts(*patterns):
    """The text files of the tree and their paths, without NOT_OURS; only those that match a pattern, where some are given."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name != "target" and not name.startswith((".", "__"))]
        for name in names:
            path = str((Path(folder) / name).relative_to(ROOT))
            if patterns and not any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
                continue
            if name.startswith(".") or any(fnmatch.fnmatchcase(one, pattern) for pattern in NOT_OURS for one in (path, name)):
                continue
            data = (ROOT / path).read_bytes() if (ROOT / path).is_file() else b"\0"
            if b"\0" not in data[:8192]:
                yield path, data.decode("utf-8", "replace")


def occurrences(pattern, instead, exceptions, files):
    found = [f"{path}:{number}: {line.strip()[:120]}" for path, text in files if path not in exceptions
             for number, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)]
    return [f"use {instead}: {one}" for one in found]


@pytest.fixture(scope="module")
def tree():
    files = list(texts())
    assert len(files) > 500
    return files


@pytest.mark.parametrize(("pattern", "instead", "exceptions"), REPLACED, ids=[one[1].split(",")[0] for one in REPLACED])
def test_replaced_name_does_not_occur(pattern, instead, exceptions, tree):
    assert occurrences(pattern, instead, exceptions, tree) == []


@pytest.mark.parametrize(("pattern", "instead", "exceptions"), RIDDLES, ids=[one[1].split(":")[0].split(",")[0] for one in RIDDLES])
def test_public_documents_name_their_subjects(pattern, instead, exceptions):
    files = list(texts(*PUBLIC))
    assert {"README.md", "docs/concepts.md", "docs/how-to/restart.md"} <= {path for path, _ in files}
    assert occurrences(pattern, instead, exceptions, files) == []


@pytest.mark.parametrize(("pattern", "instead", "exceptions"), IMAGES, ids=[one[1].split(";")[0].split(",")[0] for one in IMAGES])
def test_sources_that_were_read_again_have_no_images(pattern, instead, exceptions):
    files = list(texts(*READ_AGAIN))
    assert {"rust-core/value/src/codec/mod.rs", "examples/observatory/run", "cli/page/page.js", "tests/web/conftest.py"} <= {path for path, _ in files}
    assert occurrences(pattern, instead, exceptions, files) == []


@pytest.mark.parametrize(("pattern", "instead", "exceptions"), PHRASES, ids=[one[1].split(":")[0].split(",")[0] for one in PHRASES])
def test_core_has_no_phrases_of_its_own(pattern, instead, exceptions):
    files = list(texts(*CORE))
    assert {"rust-core/engine/src/channel/ends.rs", "docs/concepts.md", "ARCHITECTURE.md"} <= {path for path, _ in files}
    assert occurrences(pattern, instead, exceptions, files) == []


# Sources whose comments have at most 120 columns, and how a line of a comment begins there.
WRAPPED = [
    (("*.rs", "c-api/include/*.h", "c-api/include/*.hpp"), r"\s*(//|/\*)"),
    (("c-api/fortran/*.f90.in", "c-api/fortran/generator/*.py"), r"\s*!"),
    (("php/stubs/*.php",), r"\s*/?\*"),
]


def test_comments_have_at_most_120_columns():
    """Tables of rustdoc cannot be wrapped."""
    wide = []
    for patterns, comment in WRAPPED:
        files = list(texts(*patterns))
        assert files
        wide += [f"{path}:{number}" for path, text in files for number, line in enumerate(text.splitlines(), 1)
                 if len(line) > 120 and re.match(comment, line) and not re.match(r"\s*//[/!]? \|", line)]
    assert wide == []


@pytest.mark.parametrize(("pattern", "instead", "exceptions"), ON_PAGES, ids=[one[1].split(",")[0] for one in ON_PAGES])
def test_words_on_pages_have_one_meaning(pattern, instead, exceptions):
    files = list(texts(*PAGES))
    assert {"docs/bridge.md", "docs/design/changes.md", "docs/transports.md", "examples/bridge/README.md"} <= {path for path, _ in files}
    assert occurrences(pattern, instead, exceptions, files) == []


@pytest.mark.parametrize(("pattern", "instead", "exceptions"), ORDINARY, ids=[one[1].split(",")[0] for one in ORDINARY])
def test_ordinary_words_have_one_meaning(pattern, instead, exceptions):
    files = list(texts(*READ_FOR_WORDS))
    assert len(files) > 200
    assert occurrences(pattern, instead, exceptions, files) == []


def test_glossary_is_short_and_its_terms_are_words_of_the_code(tree):
    section = (ROOT / "ARCHITECTURE.md").read_text().split("### Glossary")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    terms = [row for row in rows if row != "term" and not row.startswith("-")]
    assert 20 <= len(terms) <= 30
    code = "\n".join(text for path, text in tree if path.startswith("rust-core/") and "/src/" in path).lower().replace("_", " ")
    assert [word for term in terms for word in term.split(", ") if not re.search(rf"\b{word}", code)] == []


def test_exceptions_are_needed(tree):
    for pattern, _, exceptions in REPLACED + RIDDLES + IMAGES + PHRASES + ORDINARY + ON_PAGES:
        texts_by_path = dict(tree)
        for path in exceptions:
            assert re.search(pattern, texts_by_path[path]), f"{path} has no {pattern} any more: take it from the exceptions"


def test_replaced_name_is_found():
    files = [("a.rs", "fn f() {}\nlet greeting = 1;\n"), ("b.rs", "let hello = 1;\n")]
    assert occurrences(r"\bgreeting\b", "Hello", (), files) == ["use Hello: a.rs:2: let greeting = 1;"]
    assert occurrences(r"\bgreeting\b", "Hello", ("a.rs",), files) == []

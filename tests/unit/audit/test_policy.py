from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import cosignature, note, policy
from gateway.errors import ConfigError, IntegrityError
from tests import builders, witnesses

LOG = witnesses.Log(size=5)
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
KEYS = {
    name: cosignature.Signer(f"{name}.example", Ed25519PrivateKey.from_private_bytes(witnesses.digest(name)))
    for name in NAMES
}
PUBLISHED = f"""\
log {LOG.key}

witness X1 {KEYS["X1"].key}
witness X2 {KEYS["X2"].key}
witness X3 {KEYS["X3"].key}
group X-witnesses 2 X1 X2 X3

witness Y1 {KEYS["Y1"].key}
witness Y2 {KEYS["Y2"].key}
witness Y3 {KEYS["Y3"].key}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
"""The example of C2SP tlog-policy."""


def read(text: str) -> policy.Policy:
    return policy.parse(text.encode())


def keys(*names: str) -> set[cosignature.Key]:
    return {KEYS[name].key for name in names}


def test_the_published_example_is_met_by_two_of_x_and_one_of_y_and_by_nothing_less():
    found = read(PUBLISHED)
    for count in range(len(NAMES) + 1):
        for some in itertools.combinations(NAMES, count):
            xs, ys = (sum(name[0] == letter for name in some) for letter in "XY")
            assert found.met(keys(*some)) == (xs >= 2 and ys >= 1), some
    assert found.least() == 3


def test_a_quorum_reaches_no_further_than_its_witnesses_have_come():
    found = read(PUBLISHED)
    last = dict(zip((KEYS[name].key for name in NAMES), (9, 7, 1, 2, 8, 3), strict=True))
    assert found.reach(last) == 7  # two of X are at 7, one of Y at 8
    assert found.reach({KEYS["X1"].key: 9, KEYS["Y1"].key: 9}) == 0
    assert found.reach(dict.fromkeys(last, 5)) == 5
    assert read("quorum none\n").reach(last) == 0


def test_it_tells_by_their_names_which_witnesses_cosigned():
    found, text = read(PUBLISHED), LOG.signed().decode().partition("\n\n")[0] + "\n"
    signed = LOG.signed() + "".join(KEYS[name].cosign(text, 9) for name in ("Y1", "X2")).encode()
    assert found.cosigned(signed) == ("X2", "Y1")
    assert found.cosigned(LOG.signed()) == ()


def test_a_single_witness_may_be_the_quorum():
    found = read(f"witness X1 {KEYS['X1'].key}\nwitness X2 {KEYS['X2'].key}\nquorum X2\n")
    assert (found.met(keys("X1")), found.met(keys("X2")), found.least()) == (False, True, 1)


def test_none_is_met_by_nobody():
    found = read("quorum none\n")
    assert (found.met(set()), found.least(), found.logs, dict(found.witnesses)) == (True, 0, (), {})


def test_comments_blanks_tabs_and_addresses_are_read():
    found = read(f"# who\n\n \t# and why\n\twitness\tX1  {KEYS['X1'].key} \t https://w.example/a \n quorum X1")
    assert found.witnesses["X1"].url == "https://w.example/a"


def test_a_name_is_bytes_and_need_be_no_text():
    line = b"witness \xe2\x84\xaa " + str(KEYS["X1"].key).encode()
    assert policy.parse(line + b"\nquorum \xe2\x84\xaa\n").met(keys("X1"))
    assert policy.parse(b"witness \xff\xfe " + str(KEYS["X1"].key).encode() + b"\nquorum \xff\xfe\n").met(keys("X1"))
    with pytest.raises(ConfigError, match="line 2: K cannot be the quorum"):
        policy.parse(line + b"\nquorum K\n")


X1, X2 = KEYS["X1"].key, KEYS["X2"].key
WRONG = {
    "no quorum": (f"log {LOG.key}\n", "there is no quorum line"),
    "two quorums": ("quorum none\nquorum none\n", "line 2: is a second quorum line"),
    "an unknown word": ("witnes X\nquorum none\n", "line 1: begins with none of log, witness, group, quorum"),
    "a half line": ("witness X1\nquorum none\n", "line 1: a line of witness is: witness NAME VKEY"),
    "too long a line": (f"log {LOG.key} a b\nquorum none\n", "line 1: a line of log is"),
    "a group of nobody": (f"witness X1 {X1}\ngroup g any\nquorum g\n", "line 2: a line of group is"),
    "a carriage return": ("quorum none\r\n", "line 1: has a control character"),
    "a quorum of nobody": ("quorum X1\n", "line 1: X1 cannot be the quorum"),
    "a quorum before its group": (f"quorum X1\nwitness X1 {X1}\n", "line 1: X1 cannot be the quorum"),
    "a group of itself": (f"witness X1 {X1}\ngroup g any g\nquorum g\n", "line 2: g cannot be a member"),
    "none as member": (f"witness X1 {X1}\ngroup g any none\nquorum g\n", "line 2: none cannot be a member"),
    "none as name": (f"witness none {X1}\nquorum none\n", "line 1: nobody may be called none"),
    "a name twice": (f"witness X1 {X1}\nwitness X1 {X2}\nquorum X1\n", "line 2: X1 is defined already"),
    "a group of a witness's name": (f"witness X1 {X1}\ngroup X1 any X1\nquorum X1\n", "line 2: X1 is defined already"),
    "a member twice": (f"witness X1 {X1}\ngroup g any X1 X1\nquorum g\n", "line 2: X1 is a member of g already"),
    "a member of two groups": (
        f"witness X1 {X1}\ngroup g any X1\ngroup h any X1\nquorum h\n",
        "line 3: X1 is a member of g already",
    ),
    "a key twice": (f"witness X1 {X1}\nwitness X2 {X1}\nquorum X1\n", "line 2: the key of .* stands on a line above"),
    "a log twice": (f"log {LOG.key}\nlog {LOG.key}\nquorum none\n", "line 2: the key of .* stands on a line above"),
    "zero of one": (f"witness X1 {X1}\ngroup g 0 X1\nquorum g\n", "line 2: 0 is not any, all, or a number from 1 to 1"),
    "two of one": (f"witness X1 {X1}\ngroup g 2 X1\nquorum g\n", "line 2: 2 is not any, all, or a number from 1 to 1"),
    "a number with zeroes": (f"witness X1 {X1}\ngroup g 01 X1\nquorum g\n", "line 2: 01 is not any"),
    "a log's key for a witness": (f"witness X1 {LOG.key}\nquorum X1\n", "line 1: .* not a named witness key"),
    "a witness's key for a log": (f"log {X1}\nquorum none\n", "line 1: .* not a named Ed25519 key"),
    "a broken key": ("log a+b+c\nquorum none\n", "line 1: the verifier key"),
    "a long file": ("#\n" * 1001, "more than 1000 lines"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_by_its_line_and_how_to_mend_it(text, said):
    with pytest.raises(ConfigError, match=said):
        read(text)


def test_a_key_under_another_name_is_the_same_witness():
    other = cosignature.Key("other.example", X1.public)
    with pytest.raises(ConfigError, match=r"line 2: the key of other\.example"):
        read(f"witness X1 {X1}\nwitness X2 {other}\nquorum X1\n")


def test_thirty_two_of_each_are_read():
    made = [
        cosignature.Signer(f"w{n}.example", Ed25519PrivateKey.from_private_bytes(witnesses.digest(f"w{n}")))
        for n in range(32)
    ]
    text = "".join(f"log {builders.signer(f'log{n}.example').key}\n" for n in range(32))
    text += "".join(f"witness w{n} {one.key}\n" for n, one in enumerate(made))
    text += "group g0 all w0\n" + "".join(f"group g{n} any g{n - 1} w{n}\n" for n in range(1, 32)) + "quorum g31\n"
    found = read(text)
    assert (len(found.logs), len(found.witnesses), len(found.groups)) == (32, 32, 32)
    assert found.met({made[0].key})


class TestACheckpoint:
    """Held to a policy."""

    def cosigned(self, *names: str, log: witnesses.Log = LOG) -> bytes:
        signed = log.signed()
        text = note.signatures(signed, ())[0]
        return signed + "".join(KEYS[name].cosign(text, 1) for name in names).encode()

    def test_with_the_quorum_is_believed(self):
        assert read(PUBLISHED).verify(self.cosigned("X1", "X3", "Y2")) == LOG.checkpoint()

    def test_without_it_is_refused(self):
        with pytest.raises(IntegrityError, match="lacks the quorum X-and-Y"):
            read(PUBLISHED).verify(self.cosigned("X1", "X3"))

    def test_of_a_log_that_the_policy_does_not_name_is_refused(self):
        with pytest.raises(IntegrityError, match="signed by no log of the policy"):
            read(PUBLISHED).verify(self.cosigned("X1", "X3", "Y2", log=witnesses.Log("other.example", 5)))

    def test_signed_by_a_log_for_another_origin_is_refused(self):
        other = witnesses.Log("other.example", 5)
        text = str(other.checkpoint())
        stolen = f"{text}\n{LOG.signer.sign(text).decode().partition(chr(10) * 2)[2]}".encode()
        with pytest.raises(IntegrityError, match="signed by no log"):
            policy.parse(f"log {LOG.key}\nquorum none\n".encode()).verify(stolen)

    def test_with_a_wrong_cosignature_by_one_of_the_policy_is_refused_whole(self):
        wrong = self.cosigned("X1", "X3", "Y2") + note.line(KEYS["Y1"].key, b"\x00" * 72).encode()
        with pytest.raises(IntegrityError, match=r"Y1\.example is wrong"):
            read(PUBLISHED).verify(wrong)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_policy_or_a_config_error(data):
    try:
        found = policy.parse(data)
    except ConfigError:
        return
    assert found.quorum

"""Fixtures of the differential tests: keys of each kind, and the gateway's rules that trust them."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from tests import authorities, rules
from tests.attacks.catalogue import NOW, Scene


@pytest.fixture(scope="session")
def country(tmp_path_factory):
    folder = tmp_path_factory.mktemp("country")
    made = authorities.with_bad_ones(NOW, life=timedelta(days=365))
    made.write(folder)
    receipts = rules.signers(rules.receipt_credential(NOW))
    by = rules.build(rules.configuration(folder), random=secrets.token_bytes, receipts=receipts)
    return Scene(credentials=made.credentials), by

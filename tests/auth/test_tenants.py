"""Which tenant a domain belongs to."""

from __future__ import annotations

import json

import pytest

from shared.auth.tenants import tenant_id
from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import CLOUDS, CloudName
from simulator import sample
from simulator.faults import Fault


@pytest.fixture
def cloud_of():
    """A cloud whose sign-in service is there."""
    return lambda url: CLOUDS[CloudName.commercial].model_copy(update={"authority": url})


@pytest.mark.parametrize("named", [sample.TENANT_DOMAIN, sample.TENANT_DOMAIN.upper()])
def test_a_domain_is_looked_up(cloud, cloud_of, named):
    """Discovery says it, in any casing."""
    assert tenant_id(named, cloud_of(cloud.url), ca_bundle=cloud.ca_bundle) == sample.TENANT_ID


def test_an_id_needs_no_look(cloud, cloud_of):
    """It is made comparable, and nobody is asked."""
    assert tenant_id(sample.TENANT_ID.upper(), cloud_of(cloud.url)) == sample.TENANT_ID
    assert not cloud.world.requests


@pytest.mark.parametrize("named", ["nowhere.example", "common", "organizations", "no-dot"])
def test_what_is_no_tenant_is_said(cloud, cloud_of, named):
    """Whether Entra says so, or its form."""
    with pytest.raises(SignInFailed):
        tenant_id(named, cloud_of(cloud.url), ca_bundle=cloud.ca_bundle)


@pytest.mark.parametrize("kind", ["500", "garbage", "drop"])
def test_an_outage_is_for_later(cloud, cloud_of, kind):
    """Nothing is said about the domain."""
    cloud.world.faults.append(Fault(f"/{sample.TENANT_DOMAIN}", kind))

    with pytest.raises(TryLater):
        tenant_id(sample.TENANT_DOMAIN, cloud_of(cloud.url), ca_bundle=cloud.ca_bundle)


@pytest.mark.parametrize("document", [{}, {"issuer": "https://elsewhere/{tenantid}/v2.0"}, []])
def test_a_document_without_a_tenant_is_for_later(odd_server, cloud_of, document):
    """A proxy's page, or another service."""
    path = "/t.example/v2.0/.well-known/openid-configuration"
    odd_server.answers[path] = (200, json.dumps(document).encode())

    with pytest.raises(TryLater):
        tenant_id("t.example", cloud_of(odd_server.url), ca_bundle=odd_server.ca_bundle)

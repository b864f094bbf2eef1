"""All vendors, by slug. A new vendor is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from shared.vendors.defender_cloud_apps import DefenderCloudApps
from shared.vendors.defender_endpoint import DefenderEndpoint
from shared.vendors.defender_for_cloud import DefenderForCloud
from shared.vendors.defender_xdr import DefenderXdr
from shared.vendors.graph_security import GraphSecurity
from shared.vendors.sentinel import Sentinel
from shared.vendors.vendor import Vendor

VENDORS: Mapping[str, Vendor] = {
    DefenderEndpoint.slug: DefenderEndpoint(),
    DefenderForCloud.slug: DefenderForCloud(),
    DefenderXdr.slug: DefenderXdr(),
    GraphSecurity.slug: GraphSecurity(),
    DefenderCloudApps.slug: DefenderCloudApps(),
    Sentinel.slug: Sentinel(),
}

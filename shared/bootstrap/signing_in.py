"""How configurations sign in: people's sign-ins, what happens to credentials by itself, the doctor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shared.bootstrap.stores import Stores, part
from shared.nouns.budgets import Use
from shared.nouns.configurations import Cloud, CloudName, Configuration

if TYPE_CHECKING:
    from shared.auth.certificate import Certificate
    from shared.auth.desk import SignInDesk
    from shared.auth.tokens import TokenSource
    from shared.pipeline.credentials import Credentials
    from shared.pipeline.doctor import Doctor
    from shared.vendors.vendor import Connection, Vendor


class SigningIn(Stores):
    """The parts; `vendors`, `clouds` and `connect_anew` come with the rest of the product."""

    if TYPE_CHECKING:

        @property
        def vendors(self) -> Mapping[str, Vendor]: ...
        @property
        def clouds(self) -> Mapping[CloudName, Cloud]: ...
        def connect_anew(self, configuration: Configuration) -> Connection: ...

    @part
    def credentials(self) -> Credentials:
        from shared.pipeline.credentials import Credentials

        return Credentials(self.configurations, self.secrets, self.clock)

    @part
    def sign_in(self) -> SignInDesk:
        from shared.auth.desk import SignInDesk

        return SignInDesk(
            store=self.sign_ins,
            secrets=self.secrets,
            clouds=self.clouds,
            public_url=self.settings.public_url,
            clock=self.clock,
            signed_in=self.credentials.signed_in,
            ca_bundle=self.settings.ca_bundle,
        )

    @part
    def doctor(self) -> Doctor:
        from shared.pipeline.doctor import Doctor
        from shared.pipeline.expiry import Expiry
        from shared.vendors.budget import used_for

        return Doctor(
            configurations=self.configurations,
            checkups=self.checkups,
            expiry=Expiry(self.secrets, self.certificate_of),
            vendors=self.vendors,
            connect=self.connect_anew,
            clock=self.clock,
            in_background=lambda connection: used_for(connection, Use.inventory),
        )

    @part
    def tenant_id_of(self) -> Callable[[str, Cloud], str]:
        """The tenant that a domain belongs to; see auth/tenants.py."""
        from shared.auth.tenants import tenant_id

        return lambda named, cloud: tenant_id(named, cloud, ca_bundle=self.settings.ca_bundle)

    @part
    def read_certificate(self) -> Callable[[str, str | None], Certificate]:
        """What a certificate that was typed in is; see auth/certificate.py."""
        from shared.auth.certificate import read_certificate

        return read_certificate

    def certificate_of(self, configuration: Configuration) -> Certificate:
        """A configuration's certificate. Raises SignInFailed."""
        from shared.auth.certificate import certificate_of

        return certificate_of(configuration, self.secrets)

    def tokens_of(self, configuration: Configuration, *, renew: bool) -> TokenSource:
        """A configuration's access tokens, with nothing remembered here. `renew`: nor anywhere else."""
        from shared.auth.sign_in import token_source

        return token_source(
            configuration,
            self.clouds[configuration.cloud],
            self.secrets,
            ca_bundle=self.settings.ca_bundle,
            identity_client_id=self.settings.identity_client_id,
            took_over=self.credentials.took_over,
            keeper=self.sign_ins.keeper(configuration.id),
            renew=renew,
            now=self.clock,
        )

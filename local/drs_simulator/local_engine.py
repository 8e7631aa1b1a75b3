"""Clients of the local engine that stands in for the rest of AWS: one for each account and Region of the simulator."""

from typing import Any

import botocore.session
from botocore.config import Config

from drs_simulator.worlds import World


class EngineClients:
    """Clients of one service; whoever waits for them waits briefly, and nothing is tried twice."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._known: dict[tuple[str | None, str, str], Any] = {}

    def at(self, endpoint: str | None, world: World) -> Any:
        key = (endpoint, world.account, world.region)
        if key not in self._known:
            self._known[key] = botocore.session.get_session().create_client(
                self._service,
                endpoint_url=endpoint,
                region_name=world.region,
                # The local engine takes a 12-digit access key for the account, as this simulator does.
                aws_access_key_id=world.account,
                aws_secret_access_key="test",  # noqa: S106 - the one secret of every account there
                config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
            )
        return self._known[key]

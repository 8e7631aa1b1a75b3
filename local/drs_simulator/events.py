"""The service's EventBridge events: best effort, like the real ones. A bus that cannot be reached delays nobody."""

import json
import logging
import queue
import threading
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from drs_simulator.local_engine import EngineClients
from drs_simulator.worlds import Job, World

LAUNCH_RESULT = "DRS Source Server Launch Result"
STALLED_CHANGE = "DRS Source Server Data Replication Stalled Change"
SOURCE = "aws.drs"
# EventBridge takes events of ``aws.*`` sources from AWS only, and so does a faithful local bus.
SUBSTITUTE_SOURCE = "simulated.aws.drs"
_REFUSED = "NotAuthorizedForSourceException"
_WAITING_EVENTS = 1000

logger = logging.getLogger(__name__)


class EventBus:
    """Puts events on an EventBridge bus, once told where one is. Events beyond a full queue are lost."""

    def __init__(self) -> None:
        self._endpoint: str | None = None
        self._bus_name = "default"
        self._waiting: queue.Queue[tuple[World, dict[str, Any]]] = queue.Queue(_WAITING_EVENTS)
        self._sender: threading.Thread | None = None
        self._clients = EngineClients("events")

    @property
    def is_on(self) -> bool:
        return self._endpoint is not None

    def use(self, endpoint: str | None, bus_name: str | None = None) -> None:
        """Send to the bus behind `endpoint`; None switches events off."""
        self._endpoint = endpoint
        self._bus_name = bus_name or "default"

    def launch_result(self, world: World, job: Job, server_id: str, succeeded: bool) -> None:
        detail = {
            "state": f"RECOVERY_LAUNCH_{'SUCCEEDED' if succeeded else 'FAILED'}",
            "job-id": job.id,
            "is-drill": "TRUE" if job.is_drill else "FALSE",
        }
        self._put(world, LAUNCH_RESULT, server_id, detail)

    def stalled_change(self, world: World, server_id: str, stalled: bool) -> None:
        self._put(world, STALLED_CHANGE, server_id, {"state": "STALLED" if stalled else "NOT_STALLED"})

    def _put(self, world: World, detail_type: str, server_id: str, detail: dict[str, str]) -> None:
        if not self.is_on:
            return
        entry = {
            "Time": datetime.now(UTC),
            "Source": SOURCE,
            "Resources": [world.arn(f"source-server/{server_id}")],
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "EventBusName": self._bus_name,
        }
        try:
            self._waiting.put_nowait((world, entry))
        except queue.Full:
            logger.warning("events: the bus is too slow, one is lost")
            return
        if self._sender is None:
            self._sender = threading.Thread(target=self._send, name="events", daemon=True)
            self._sender.start()

    def _send(self) -> None:
        while True:
            world, entry = self._waiting.get()
            try:
                self._deliver(self._clients.at(self._endpoint, world), entry)
            except (BotoCoreError, ClientError) as error:
                logger.warning("events: not delivered: %s", error)

    def _deliver(self, client: Any, entry: dict[str, Any]) -> None:
        """Put one event; under the substitute source if the bus does not take the service's own from us."""
        answer = client.put_events(Entries=[entry])
        code = answer["Entries"][0].get("ErrorCode")
        if code == _REFUSED and entry["Source"] == SOURCE:
            self._deliver(client, {**entry, "Source": SUBSTITUTE_SOURCE})
        elif code:
            logger.warning("events: the bus refused one: %s", code)

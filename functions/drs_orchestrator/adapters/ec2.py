"""EC2 through boto3: the termination protection of instances. Whatever EC2 answers is data; nothing of it raises."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.adapters.accounts import EXPIRED, KEPT, Accounts, NotEntered, code_of, reason_of, status_of
from drs_orchestrator.domain.protection import Answer, Protection

# EC2 takes in bursts and refills slowly; more at once would only be throttled.
_PARALLEL_CALLS = 4
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    max_pool_connections=_PARALLEL_CALLS,
    retries={"mode": "standard", "max_attempts": 2},
)

# What EC2 says when it does nothing for this caller now, whichever instance is asked about.
_NOT_NOW = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestThrottled", *EXPIRED)

# From here on only AWS can read the message.
_ENCODED = " Encoded authorization failure message:"


class Ec2:
    """EC2 of one account and Region."""

    def __init__(self, client_for: Callable[[], Any]) -> None:
        self._client_for = client_for
        self._client: Any = None

    def protect(self, instance_ids: Iterable[str], in_time: Callable[[], bool]) -> dict[str, Protection]:
        """Switch termination protection on for each of the instances; for one that has it nothing changes.

        Once EC2 throttles or can't be reached, or `in_time` says False, the rest is not asked for and is BUSY too.
        """
        try:
            self._client = self._client or self._client_for()
        except NotEntered as error:
            return dict.fromkeys(instance_ids, Protection(Answer.BUSY, str(error)))
        turn = _Turn(self._client, in_time)
        with ThreadPoolExecutor(_PARALLEL_CALLS) as pool:
            asked = {instance_id: pool.submit(turn.protect, instance_id) for instance_id in instance_ids}
            outcomes = {instance_id: future.result() for instance_id, future in asked.items()}
        if turn.expired:
            self._client = None
        return outcomes


class _Turn:
    """One round's calls in an account and Region."""

    def __init__(self, client: Any, in_time: Callable[[], bool]) -> None:
        self._client = client
        self._in_time = in_time
        self._busy: Protection | None = None
        self.expired = False

    def protect(self, instance_id: str) -> Protection:
        if self._busy is None and not self._in_time():
            self._busy = Protection(Answer.BUSY, "there was no time left to ask EC2")
        if self._busy is not None:
            return self._busy
        try:
            self._client.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
        except ClientError as error:
            return self._not_protected(error)
        except BotoCoreError as error:
            self._busy = Protection(Answer.BUSY, str(error))
            return self._busy
        return Protection(Answer.PROTECTED)

    def _not_protected(self, error: ClientError) -> Protection:
        code, reason = code_of(error), reason_of(error).partition(_ENCODED)[0]
        self.expired = self.expired or code in EXPIRED
        if code in _NOT_NOW:
            self._busy = Protection(Answer.BUSY, reason)
            return self._busy
        return Protection(Answer.BUSY if status_of(error) >= 500 else Answer.REFUSED, reason)


class Ec2Accounts:
    """EC2 of every account and Region a plan names."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._kept = lru_cache(KEPT)(self._make)

    def at(self, account_id: str | None, region: str, execution_id: str | None = None) -> Ec2:
        """`account_id` None is the account the orchestrator runs in; another is entered in the execution's name."""
        return self._kept(*self._accounts.visit(account_id, execution_id), region)

    def _make(self, account_id: str | None, execution_id: str | None, region: str) -> Ec2:
        return Ec2(lambda: self._accounts.client("ec2", account_id, execution_id, region_name=region, config=_CONFIG))

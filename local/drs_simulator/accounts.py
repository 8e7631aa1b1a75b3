"""Which account an access key belongs to: the same answer the local AWS engine gives.

An access key id of twelve digits is the account. The key of an assumed role is looked up: keys told to the control API
first, then the STS endpoint, if one is known. Every other key belongs to the default account.
"""

import logging
import re
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drs_simulator.simulator import DEFAULT_ACCOUNT

ACCOUNT = re.compile(r"\d{12}")
SESSION_KEY = re.compile(r"ASIA\w{12,124}")

logger = logging.getLogger(__name__)


class Accounts:
    """Maps access key ids to accounts."""

    def __init__(self, default: str = DEFAULT_ACCOUNT, sts_endpoint: str | None = None) -> None:
        self.default = default
        self.sts_endpoint = sts_endpoint
        self.keys: dict[str, str] = {}

    def account_of(self, access_key_id: str) -> str:
        """The account of an access key id; the default account if nothing is known of it."""
        if ACCOUNT.fullmatch(access_key_id):
            return access_key_id
        is_unknown = access_key_id not in self.keys and SESSION_KEY.fullmatch(access_key_id)
        if is_unknown and self.sts_endpoint and (account := self._ask_sts(access_key_id)):
            self.keys[access_key_id] = account
        return self.keys.get(access_key_id, self.default)

    def _ask_sts(self, access_key_id: str) -> str | None:
        try:
            try:
                return str(self._sts(access_key_id).get_caller_identity()["Account"])
            except ClientError:
                # An engine that verifies signatures: whoever knows its one secret may ask it whose key that is.
                return str(self._sts("test").get_access_key_info(AccessKeyId=access_key_id)["Account"])
        except (BotoCoreError, ClientError) as error:
            logger.warning("accounts: STS does not say whose key this is: %s", error)
            return None

    def _sts(self, access_key_id: str) -> Any:
        return botocore.session.get_session().create_client(
            "sts",
            endpoint_url=self.sts_endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key="test",  # noqa: S106 - the one secret of every account there
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )

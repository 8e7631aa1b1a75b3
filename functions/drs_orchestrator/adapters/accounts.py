"""The AWS accounts a plan's waves name: the orchestrator's own, and others that are entered through a role."""

from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.domain.cutting import cut
from drs_orchestrator.domain.source import Refusal
from drs_orchestrator.settings import Home

_STS_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 2})

# Credentials of another account last an hour, the most where one role assumes another; a warm Lambda lasts longer:
# who is told one of these enters it anew.
EXPIRED = ("ExpiredTokenException", "ExpiredToken", "RequestExpired")

# How many of what it has made for an account, a Region and an execution a warm Lambda keeps; for the latest executions,
# so that memory doesn't grow with their number.
KEPT = 64

# Whoever works for no execution: pre-flight, and the tags of a plan that is not started yet.
_SESSION_NAME = "drs-orchestrator"


# A message may have 65,536 characters by DRS's model; a job's record keeps it twice beside much else.
_REASON_BYTES = 2_000


class NotEntered(Exception):
    """The account can't be entered now; `refusal` is set where that won't change before a person has changed
    something."""

    def __init__(self, reason: str, refusal: Refusal | None = None) -> None:
        super().__init__(reason)
        self.refusal = refusal


class Accounts:
    """Clients in every account a plan may name. STS is asked in the orchestrator's own Region and in no other."""

    def __init__(self, home: Home, target_role_name: str, external_id: str | None = None) -> None:
        self._home = home
        self._target_role_name = target_role_name
        self._external_id = external_id

    def visit(self, account_id: str | None, execution_id: str | None) -> tuple[str | None, str | None]:
        """The account and the execution that a client is for: in its own account the orchestrator is just itself."""
        return (None, None) if account_id in (None, self._home.account_id) else (account_id, execution_id)

    def client(self, service: str, account_id: str | None, execution_id: str | None, **settings: Any) -> Any:
        """A client in the account; `settings` are boto3's. In another account's CloudTrail its calls bear the name of
        the execution, so its credentials are its own. Raises NotEntered when the role can't be assumed."""
        account_id, execution_id = self.visit(account_id, execution_id)
        credentials = self._credentials(account_id, execution_id) if account_id else {}
        # Of boto3's one session, as every other client: a session of its own would read the same models again.
        make: Any = boto3.client
        return make(service, **settings, **credentials)

    def _credentials(self, account_id: str, execution_id: str | None) -> dict[str, str]:
        asked = {
            "RoleArn": f"arn:{self._home.partition}:iam::{account_id}:role/{self._target_role_name}",
            "RoleSessionName": execution_id or _SESSION_NAME,
        }
        if self._external_id:
            asked["ExternalId"] = self._external_id
        try:
            credentials = self._sts.assume_role(**asked)["Credentials"]
        except ClientError as error:
            refusal = Refusal.NOT_ENTERED if code_of(error) == "AccessDenied" else None
            raise NotEntered(f"account {account_id} can't be entered: {reason_of(error)}", refusal) from error
        except BotoCoreError as error:
            raise NotEntered(f"account {account_id} can't be entered: {error}") from error
        return {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    @cached_property
    def _sts(self) -> Any:
        return boto3.client("sts", region_name=self._home.region, config=_STS_CONFIG)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def reason_of(error: ClientError) -> str:
    """The error's code and message, as AWS put them; of a long one the beginning."""
    message = error.response.get("Error", {}).get("Message") or "no message"
    return cut(f"{code_of(error)}: {message}", _REASON_BYTES)


def status_of(error: ClientError) -> int:
    """The HTTP status; 500 where the answer had none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))

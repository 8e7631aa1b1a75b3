"""The AWS accounts a plan's waves name: the orchestrator's own, and others that are entered through a role."""

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drs_orchestrator.domain.source import Refusal

_STS_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 2})

# Another account's credentials last an hour, a warm Lambda much longer: who is told one of these enters it anew.
EXPIRED = ("ExpiredTokenException", "ExpiredToken", "RequestExpired")


class NotEntered(Exception):
    """The account can't be entered now; `refusal` is set where that won't change before a person has changed
    something."""

    def __init__(self, reason: str, refusal: Refusal | None = None) -> None:
        super().__init__(reason)
        self.refusal = refusal


class Accounts:
    """Sessions in every account a plan may name."""

    def __init__(self, target_role_name: str) -> None:
        self._target_role_name = target_role_name
        self._session = boto3.Session()

    def enter(self, account_id: str | None) -> boto3.Session:
        """`account_id` None is the account the orchestrator runs in. Raises NotEntered when the role of another one
        can't be assumed."""
        if account_id is None:
            return self._session
        try:
            sts = self._session.client("sts", config=_STS_CONFIG)
            me = sts.get_caller_identity()
            if me["Account"] == account_id:
                return self._session
            partition = me["Arn"].split(":")[1]
            role = f"arn:{partition}:iam::{account_id}:role/{self._target_role_name}"
            credentials = sts.assume_role(RoleArn=role, RoleSessionName="drs-orchestrator")["Credentials"]
        except ClientError as error:
            refusal = Refusal.NOT_ENTERED if code_of(error) == "AccessDenied" else None
            raise NotEntered(f"account {account_id} can't be entered: {reason_of(error)}", refusal) from error
        except BotoCoreError as error:
            raise NotEntered(f"account {account_id} can't be entered: {error}") from error
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def reason_of(error: ClientError) -> str:
    """The error's code and message, as AWS put them."""
    message = error.response.get("Error", {}).get("Message") or "no message"
    return f"{code_of(error)}: {message}"


def status_of(error: ClientError) -> int:
    """The HTTP status; 500 where the answer had none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))

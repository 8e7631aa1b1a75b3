"""The AWS engine of an embedded stack: ministack as `serve` runs it, one process on one port of 127.0.0.1."""

import os
import sys
from pathlib import Path

import httpx

from embedded.errors import EmbeddedError

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

COMMAND = [sys.executable, "-m", "embedded.serve"]
START_SECONDS = 60.0

# What a server may see of the caller's environment. ministack hands its whole environment to every Lambda, where a
# stray AWS_PROFILE, AWS_ENDPOINT_URL_DRS or HTTP_PROXY would change what the template says.
INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TZ")


def server_environment(state_dir: Path) -> dict[str, str]:
    """The environment of a stack's servers; what they leave in temporary files goes with the state directory."""
    scratch = state_dir / "tmp"
    scratch.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def environment(state_dir: Path, port: int, *, wait_scale: float, lambda_concurrency: int) -> dict[str, str]:
    return {
        **server_environment(state_dir),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "STATE_DIR": str(state_dir / "tmp" / "state"),
        "S3_DATA_DIR": str(state_dir / "tmp" / "s3"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SFN_WAIT_SCALE": str(wait_scale),
        # Each Lambda worker is a process of its own; without a cap a burst of executions takes gigabytes.
        "LAMBDA_ACCOUNT_CONCURRENCY": str(lambda_concurrency),
        # Signatures are verified and each function may do what its role in the template allows, as in AWS.
        "AUTH": "true",
        "LOG_LEVEL": "WARNING",
    }


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_ministack/health", timeout=2.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def set_wait_scale(url: str, wait_scale: float) -> None:
    """Change how long one second of a Wait state takes on the running engine, for Waits that begin from now on."""
    setting = {"stepfunctions._SFN_WAIT_SCALE": wait_scale}
    answer = httpx.post(f"{url}/_ministack/config", json=setting, timeout=10.0, trust_env=False)
    # The engine answers 200 to a value it refuses; what it did take stands in the answer.
    if answer.raise_for_status().json()["applied"] != setting:
        raise EmbeddedError(f"The engine refused the wait scale {wait_scale}: give a number of 0 or more.")

"""The real template, built and deployed with the SAM CLI."""

import fcntl
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from embedded.engine import CREDENTIALS
from embedded.errors import EmbeddedError
from embedded.processes import tool

STACK_NAME = "drs-orchestrator-local"
EXECUTE_API_URL = re.compile(r"^https://(?P<api>[a-z0-9]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)/?$")


class _TemplateLoader(yaml.SafeLoader):
    """Reads a template without following CloudFormation's functions (!Ref and the like)."""


_TemplateLoader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


class Project:
    """A SAM project's folder: what is built from it and whether that is up to date."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.template = root / "template.yaml"
        self.build_dir = root / ".aws-sam" / "build"
        self._fingerprint_file = self.build_dir / ".fingerprint"

    def fingerprint(self, *folders: str) -> str:
        """A digest of the template and of every source file in `folders`."""
        digest = hashlib.sha256()
        sources = [path for folder in folders for path in (self.root / folder).rglob("*")]
        for path in sorted([self.template, *sources]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(self.root)}\0".encode())
                digest.update(path.read_bytes() + b"\0")
        return digest.hexdigest()

    def parameter_defaults(self) -> dict[str, Any]:
        """The template's parameters that have a default, and that default."""
        template = yaml.load(self.template.read_text(), _TemplateLoader)  # noqa: S506 - a SafeLoader that knows one more tag
        return {name: given["Default"] for name, given in template["Parameters"].items() if "Default" in given}

    def deployed_fingerprint(self) -> str:
        """What a deployment depends on: the build, and what is no part of it but packaged with it."""
        return self.fingerprint("functions", "statemachine", "observability")

    @contextmanager
    def built(self, log: Path, report: Callable[[str], None]) -> Iterator[None]:
        """Run `sam build` beside the body of the `with`, unless the last build is of the same sources.

        Stacks that start together build once.
        """
        if not self.template.is_file():
            raise EmbeddedError(f"There is no template.yaml in {self.root}: run this from the project's own checkout.")
        with self._builds(fcntl.LOCK_EX):
            began = time.monotonic()
            wanted = self.fingerprint("functions")
            if self._fingerprint_file.is_file() and self._fingerprint_file.read_text() == wanted:
                yield
                report("build      up to date")
                return
            with tool(
                [program(), "build", "--template-file", str(self.template), "--build-dir", str(self.build_dir)],
                cwd=self.root,
                env=_environment(log.parent),
                log=log,
                failure="`sam build` failed. The end of its output:",
            ):
                yield
            self._fingerprint_file.write_text(wanted)
            report(f"build      done ({time.monotonic() - began:.1f} s)")

    def deploy(self, engine_url: str, parameters: Mapping[str, str], log: Path) -> None:
        """Run `sam deploy` of the last build into the engine and wait for its end."""
        with self._builds(fcntl.LOCK_SH):
            deployment = tool(
                [
                    program(),
                    "deploy",
                    *("--config-file", str(self.root / "samconfig.toml"), "--config-env", "local"),
                    *("--template-file", str(self.build_dir / "template.yaml"), "--stack-name", STACK_NAME),
                    "--parameter-overrides",
                    *(f"{name}={value}" for name, value in parameters.items()),
                ],
                cwd=self.root,
                env={**_environment(log.parent), **CREDENTIALS, "AWS_ENDPOINT_URL": engine_url},
                log=log,
                failure="`sam deploy` into the embedded engine failed. The end of its output:",
            )
            with deployment:
                pass

    @contextmanager
    def _builds(self, mode: int) -> Iterator[None]:
        """Keep another stack of the same checkout from replacing the build while it is written or read."""
        self.build_dir.parent.mkdir(exist_ok=True)
        with (self.build_dir.parent / ".lock").open("w") as lock:
            fcntl.flock(lock, mode)
            yield


def outputs(engine_url: str) -> dict[str, str]:
    """The outputs of the deployed stack, ApiUrl rewritten to where the engine serves execute-api."""
    client = boto3.client(
        "cloudformation",
        endpoint_url=engine_url,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}),
    )
    stack = client.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    found = {str(output["OutputKey"]): str(output["OutputValue"]) for output in stack.get("Outputs", [])}
    if api := EXECUTE_API_URL.match(found.get("ApiUrl", "")):
        found["ApiUrl"] = f"{engine_url}/_aws/execute-api/{api['api']}/{api['stage']}"
    return found


def program() -> str:
    """The SAM CLI of `make setup`, which lives beside this Python's environment, or the one on PATH."""
    own = Path(sys.prefix).parent / ".venv-sam" / "bin" / "sam"
    found = str(own) if own.is_file() else shutil.which("sam")
    if found is None:
        raise EmbeddedError("The SAM CLI is not installed: run `make setup`.")
    return found


def _environment(state_dir: Path) -> dict[str, str]:
    """The caller's environment without AWS settings of its own; nothing is sent, read or kept outside the project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VIRTUAL_ENV"))}
    return {
        **kept,
        # `sam build` looks for python3.12 there.
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)]),
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"])),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
        "__SAM_CLI_APP_DIR": str(state_dir / "tmp" / "sam"),
        "TMPDIR": str(state_dir / "tmp"),
    }

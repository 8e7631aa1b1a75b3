"""The one logger: structured JSON, one line per event, never a request body, token or credential."""

from aws_lambda_powertools import Logger

logger = Logger(service="drs-orchestrator")

"""drctl: plans, starts and watches AWS Elastic Disaster Recovery runs through the orchestrator's API."""

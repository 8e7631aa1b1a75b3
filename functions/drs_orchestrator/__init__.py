"""DRS Orchestrator: recovery plans for AWS Elastic Disaster Recovery, driven by one state machine per execution.

Imports point one way: handlers → tasks → adapters → domain. The domain imports the standard library only.
"""

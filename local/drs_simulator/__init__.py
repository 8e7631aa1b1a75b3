"""A simulator of AWS Elastic Disaster Recovery (DRS) that speaks the service's own wire protocol.

Start it with ``python -m drs_simulator --port 0``, or embed it: ``Simulator`` is the whole service without a socket,
``in_process.connect`` lets a boto3 client talk to it.
"""

from drs_simulator.simulator import Simulator

__all__ = ["Simulator"]

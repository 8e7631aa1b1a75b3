"""The next step in plain words for a failure text DRS gave. DRS's own words stay in `Error`; this only adds to them."""

_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("unauthorizedoperation", "not authorized", "accessdenied", "access denied"),
        "Give the launch function's role the permission the error names: DRS acts with its caller's permissions.",
    ),
    (
        ("resourcenotfoundexception",),
        "Correct the server's id, the Region or the account in the plan: DRS there has no such source server.",
    ),
    (
        ("encryption key", "kms"),
        "Make the EBS encryption key of the launch settings exist and usable in the recovery account and Region.",
    ),
    (
        ("insufficientinstancecapacity", "insufficient capacity", "capacity"),
        "Choose another instance type or subnet in the server's DRS launch settings, then retry the execution.",
    ),
    (
        ("conversion server launch failed", "conversion"),
        "Check the staging subnet's route, free addresses and EC2 limits: DRS could not run its conversion server.",
    ),
    (
        ("snapshot",),
        "Check the server's replication state in DRS; pin a RecoverySnapshotId of an earlier point if it is stalled.",
    ),
    (
        ("an earlier instance lives on",),
        "Use the new instance; once nobody needs the earlier one, lift its termination protection and terminate it.",
    ),
    (
        ("launch action",),
        "The instance runs; open the action's run in Systems Manager, mend it there, or mark the action optional.",
    ),
    (
        ("no longer knows",),
        "Check in the DRS console, in the wave's account and Region, whether the servers have recovery instances.",
    ),
    (
        ("without launching",),
        "Open the job's log in the DRS console; if the server has no recovery instance, retry the execution.",
    ),
    (
        ("not initialized", "uninitializedaccount"),
        "Initialise DRS in the wave's account and Region, or correct the wave's Region in the plan.",
    ),
    (
        ("refused to start",),
        "Mend what DRS names, in DRS, then retry the execution, or in the plan, then start it: DRS has begun no job.",
    ),
)

_DEFAULT = "Open the DRS job's log for this server, mend what it names, then retry the execution."


def next_step(error: str) -> str:
    """What the operator should do about `error`, in one sentence."""
    lowered = error.lower()
    return next((step for words, step in _KNOWN if any(word in lowered for word in words)), _DEFAULT)

"""What pre-flight and a dry run found, for a person: servers, waves, and each finding with its remedy."""

import sys
from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TextIO

from drctl.views import print_table
from drctl.wording import Document, clean, counted, duration, moment

_SHOWN_OF_A_KIND = 10
"""How many findings of one kind are printed: on a bad night every server of a Region says the same."""


def print_preflight(document: Document, stream: TextIO = sys.stdout) -> None:
    print(headline(document), file=stream)
    print(_expected(document), file=stream)
    print(file=stream)
    print_table(
        ["Server", "Wave", "Replication", "Lag", "Newest point", "Sizing", "Launched", "Actions", "Live instances"],
        [_server(server) for server in document["Servers"]],
        stream,
    )
    print_findings(document, stream)


def print_dry_run(document: Document, stream: TextIO = sys.stdout) -> None:
    print(f"Dry run, nothing is started: {headline(document)}", file=stream)
    print(_expected(document), file=stream)
    print(
        "Launch order: " + " -> ".join(" + ".join(map(clean, names)) for names in document["LaunchOrder"]), file=stream
    )
    print(file=stream)
    print_table(
        ["Wave", "Account", "Region", "Servers", "Jobs", "Skipped", "Before it", "If it fails", "Expected"],
        [_wave(wave) for wave in document["Waves"]],
        stream,
    )
    for wave in document["Waves"]:
        for skipped in wave["Skipped"]:
            print(
                f"SKIPPED {skipped['SourceServerId']} of {clean(wave['WaveName'])}, {clean(skipped['Reason'])}",
                file=stream,
            )
    print_findings(document, stream)


def print_findings(document: Document, stream: TextIO) -> None:
    kinds: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for finding in document["Findings"]:
        kinds[finding["Severity"], finding["Check"]].append(finding)
    for (severity, check), findings in kinds.items():
        print(file=stream)
        for remedy, alike in groupby(findings[:_SHOWN_OF_A_KIND], key=itemgetter("Remedy")):
            for finding in alike:
                print(f"{severity} {check}: {clean(finding['Message'])}", file=stream)
            print(f"  do: {clean(remedy)}", file=stream)
        if (more := len(findings) - _SHOWN_OF_A_KIND) > 0:
            unlisted = _unlisted(document).get(check, 0) if severity == "WARNING" else 0
            all_or_some = f"all but {unlisted}" if unlisted else "them all"
            print(f"{severity} {check}: {more + unlisted} more like these; --json lists {all_or_some}", file=stream)


def headline(document: Document) -> str:
    """`DRILL of shop: ready`, and what stands in its way or would be left out."""
    errors = [finding for finding in document["Findings"] if finding["Severity"] == "ERROR"]
    warnings = len(document["Findings"]) - len(errors) + sum(_unlisted(document).values())
    verdict = "ready" if document["Ready"] else "not ready"
    found = [counted(len(errors), "error")] if errors else []
    found += [counted(warnings, "warning")] if warnings else []
    left_out = "; OPTIONAL servers with an error would be SKIPPED" if errors and document["Ready"] else ""
    what = f"{document['ExecutionType']} of {document['PlanId']}"
    return f"{what}: {verdict}, {' and '.join(found) or 'no findings'}{left_out}"


def _unlisted(document: Document) -> dict[str, int]:
    """How many WARNINGs the answer counts but does not list, by check."""
    unlisted: dict[str, int] = document.get("MoreWarnings", {})
    return unlisted


def has_errors(document: Document) -> bool:
    return any(finding["Severity"] == "ERROR" for finding in document["Findings"])


def _expected(document: Document) -> str:
    return f"Expected to take {duration(document['ExpectedSeconds'])} ({clean(document['ExpectedFrom'])})."


def _server(server: Document) -> list[str]:
    lag, point, actions = server.get("LagSeconds"), server.get("NewestRecoveryPoint"), server.get("PostLaunchEnabled")
    live = [
        f"{instance['InstanceId']} ({'drill' if instance['IsDrill'] else 'recovery'})"
        for instance in server.get("LiveInstances", ())
    ]
    return [
        server.get("Name") or server["SourceServerId"],
        server["WaveName"],
        server.get("ReplicationState", "?"),
        "?" if lag is None else duration(lag),
        "?" if point is None else moment(point),
        server.get("RightSizing", "?"),
        server.get("LaunchDisposition", "?"),
        "?" if actions is None else "on" if actions else "off",
        ", ".join(live) or "-",
    ]


def _wave(wave: Document) -> list[str]:
    servers = sum(len(job["Servers"]) for job in wave["Jobs"])
    approval = "approval" if wave["ApprovalBefore"] else "-"
    if "ApprovalTimeoutMinutes" in wave:
        approval += f" within {wave['ApprovalTimeoutMinutes']}m, else {wave['OnApprovalTimeout']}"
    minimum = f", needs {wave['MinimumLaunched']}" if "MinimumLaunched" in wave else ""
    return [
        wave["WaveName"],
        wave["AccountId"],
        wave["Region"],
        f"{servers}{minimum}",
        str(len(wave["Jobs"])),
        str(len(wave["Skipped"])),
        approval,
        wave["OnFailure"],
        f"{duration(wave['ExpectedStartSeconds'])} to {duration(wave['ExpectedEndSeconds'])}",
    ]

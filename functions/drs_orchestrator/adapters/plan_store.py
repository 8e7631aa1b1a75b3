"""Recovery plans in their own table: one item a plan, the document compressed.

3,000 server ids compress to about 40 KB, so a plan of the allowed size stays far below DynamoDB's 400 KB an item.
"""

import gzip
import json
from typing import Any

from drs_orchestrator.adapters.table import client, pack, succeeds, unpack
from drs_orchestrator.domain.plan import Plan, plan_to_document

_SUMMARY = ("PlanId", "Name", "WaveCount", "ServerCount", "UpdatedTime")


class PlanStore:
    def __init__(self, table_name: str) -> None:
        self._table_name = table_name
        self._dynamodb = client()

    def put(self, plan: Plan, now: int) -> bool:
        """Store or replace; True when the plan is new."""
        document = json.dumps(plan_to_document(plan), separators=(",", ":")).encode()
        item = {
            "PlanId": plan.plan_id,
            "Name": plan.name,
            "WaveCount": len(plan.waves),
            "ServerCount": sum(len(wave.servers) for wave in plan.waves),
            "UpdatedTime": now,
            "Document": gzip.compress(document, mtime=0),
        }
        answer = self._dynamodb.put_item(TableName=self._table_name, Item=pack(item), ReturnValues="ALL_OLD")
        return "Attributes" not in answer

    def get(self, plan_id: str) -> dict[str, Any] | None:
        answer = self._dynamodb.get_item(
            TableName=self._table_name, Key={"PlanId": {"S": plan_id}}, ConsistentRead=True
        )
        if "Item" not in answer:
            return None
        document: dict[str, Any] = json.loads(gzip.decompress(unpack(answer["Item"])["Document"]))
        return document

    def delete(self, plan_id: str) -> bool:
        """False when there is no such plan."""
        answer = succeeds(
            self._dynamodb.delete_item,
            TableName=self._table_name,
            Key={"PlanId": {"S": plan_id}},
            ConditionExpression="attribute_exists(PlanId)",
        )
        return answer is not None

    def page(self, limit: int, start: dict[str, Any] | None) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Summaries (`PlanId Name WaveCount ServerCount UpdatedTime`) and the key to go on from, if any."""
        arguments: dict[str, Any] = {"TableName": self._table_name, "Limit": limit}
        if start:
            arguments["ExclusiveStartKey"] = pack(start)
        answer = self._dynamodb.scan(
            ProjectionExpression=", ".join(f"#{name}" for name in _SUMMARY),
            ExpressionAttributeNames={f"#{name}": name for name in _SUMMARY},
            **arguments,
        )
        last = answer.get("LastEvaluatedKey")
        return [unpack(item) for item in answer["Items"]], unpack(last) if last else None

"""DynamoDB in memory: exactly the calls the orchestrator makes, about a hundred times faster than a full emulation.

It refuses whatever it does not know. That it answers as an emulation does is not believed but checked: see
tests/reliability/test_dynamodb.py, which replays a history's calls on moto. Stored values are never changed in place,
so they are handed out as they are. An index may lag behind its table, as DynamoDB's global secondary indexes do. Pages
end at 1 MB only for who says how large an item is: that takes a look at each, and few answers come near it.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

type Item = dict[str, Any]
type Key = tuple[str, ...]
type Listener = Callable[[str, Item | None, Item | None], None]
"""Told of every write: table name, the item before, the item after."""


PAGE_BYTES = 1024 * 1024
"""What a page of a query or a scan holds at most."""

EXPRESSION_BYTES = 4096
"""What an expression has at most, with the placeholders as they stand in it."""


class NotImplementedHere(BaseException):
    """The orchestrator used something the fake does not know; no `except Exception` may hide that."""


type Projections = Mapping[str, frozenset[str] | None]
"""The attributes each index carries besides keys; None is all of them."""


class Table:
    def __init__(self, key: tuple[str, ...], indexes: Mapping[str, tuple[str, ...]], projections: Projections) -> None:
        """`key`: names of hash and range key; `indexes` the same for each index, `projections` what it carries."""
        self.key = key
        self.indexes = dict(indexes)
        self.projections = dict(projections)
        self.items: dict[Key, Item] = {}
        self.partitions: dict[str, dict[Key, Item]] = {}
        # What each index shows, and what it will show later: when, which item, as what.
        self.shown: dict[str, dict[Key, Item]] = {name: {} for name in self.indexes}
        self._delayed: deque[tuple[float, Key, Item | None]] = deque()

    def key_of(self, item: Item) -> Key:
        return tuple(next(iter(item[name].values())) for name in self.key)

    def store(self, key: Key, item: Item | None, shown_at: float = 0.0) -> None:
        """Put the item there, or remove what is there. Indexes show it at `shown_at`, but never out of order."""
        if item is not None:
            self.items[key] = self.partitions.setdefault(key[0], {})[key] = item
        elif self.items.pop(key, None) is not None:
            del self.partitions[key[0]][key]
        if self.indexes:
            self._delayed.append((shown_at, key, item))

    def candidates(self, index: str, now: float) -> Iterable[Item]:
        """The items a query of an index has to look at."""
        while self._delayed and self._delayed[0][0] <= now:
            _, key, item = self._delayed.popleft()
            for name, attributes in self.indexes.items():
                self.shown[name].pop(key, None)
                if item is not None and all(attribute in item for attribute in attributes):
                    self.shown[name][key] = item
        return self.shown[index].values()


class DynamoDb:
    def __init__(self, listener: Listener = lambda *_: None, clock: Callable[[], float] = lambda: 0.0) -> None:
        """`index_lag`: how many seconds of `clock` the indexes are behind. `size_of`: the bytes of an item."""
        self.tables: dict[str, Table] = {}
        self.index_lag = 0.0
        self.size_of: Callable[[Item], int] = lambda _: 0
        self._listener = listener
        self._clock = clock

    def create_table(self, name: str, definition: Mapping[str, Any]) -> None:
        """`definition`: the template's Properties of an AWS::DynamoDB::Table."""
        given = definition.get("GlobalSecondaryIndexes", ())
        indexes = {each["IndexName"]: _keys(each["KeySchema"]) for each in given}
        projections = {each["IndexName"]: _projection(each["Projection"]) for each in given}
        self.tables[name] = Table(_keys(definition["KeySchema"]), indexes, projections)

    def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Raises ClientError as boto3 does."""
        perform = getattr(self, f"_{re.sub(r'(?<!^)(?=[A-Z])', '_', operation).lower()}", None)
        if perform is None:
            raise NotImplementedHere(f"dynamodb {operation}")
        _refuse_long_expressions(params, operation)
        # Every answer of boto3 carries metadata, so none is an empty dictionary.
        return perform(params) | {"ResponseMetadata": {"HTTPStatusCode": 200}}

    def _delete_table(self, params: dict[str, Any]) -> dict[str, Any]:
        self._table(params, "DeleteTable")
        del self.tables[params["TableName"]]
        return {}

    def _table(self, params: Mapping[str, Any], operation: str) -> Table:
        if params["TableName"] not in self.tables:
            raise _error("ResourceNotFoundException", "Requested resource not found", operation)
        return self.tables[params["TableName"]]

    # -- reading -------------------------------------------------------------------------------------------------------

    def _get_item(self, params: dict[str, Any]) -> dict[str, Any]:
        table = self._table(params, "GetItem")
        item = table.items.get(table.key_of(params["Key"]))
        return {} if item is None else {"Item": item}

    def _batch_get_item(self, params: dict[str, Any]) -> dict[str, Any]:
        responses = {}
        for name, request in params["RequestItems"].items():
            table = self._table({"TableName": name}, "BatchGetItem")
            found = (table.items.get(table.key_of(key)) for key in request["Keys"])
            responses[name] = [item for item in found if item is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _query(self, params: dict[str, Any]) -> dict[str, Any]:
        table, index = self._table(params, "Query"), params.get("IndexName")
        if index and params.get("ConsistentRead"):
            raise NotImplementedHere("a consistent read of an index")
        sort = table.indexes[index] if index else table.key
        names, values = params.get("ExpressionAttributeNames", {}), params["ExpressionAttributeValues"]
        partition = _partition(params["KeyConditionExpression"], values)
        if index:
            holds = _condition(params["KeyConditionExpression"])
            candidates = table.candidates(index, self._clock())
            found = [item for item in candidates if holds(item, names, values)]
            found.sort(key=lambda item: (_sortable(item[sort[1]]), table.key_of(item)))
        else:
            within = _range(params["KeyConditionExpression"], values)
            there = table.partitions.get(partition, {})
            found = [there[key] for key in sorted(key for key in there if within(key[1]))]
        if params.get("ScanIndexForward") is False:
            found.reverse()
        return self._page(table, found, params, sort)

    def _scan(self, params: dict[str, Any]) -> dict[str, Any]:
        table, index = self._table(params, "Scan"), params.get("IndexName")
        if index:
            return self._page(table, list(table.candidates(index, self._clock())), params, table.indexes[index])
        return self._page(table, list(table.items.values()), params, table.key)

    def _page(self, table: Table, found: list[Item], params: dict[str, Any], sort: tuple[str, ...]) -> dict[str, Any]:
        if start := params.get("ExclusiveStartKey"):
            keys = [table.key_of(item) for item in found]
            found = found[keys.index(table.key_of(start)) + 1 :]
        carried = table.projections.get(params.get("IndexName", ""))
        if carried is not None:
            shown = {*table.key, *sort, *carried}
            found = [{name: item[name] for name in item if name in shown} for item in found]
        page = self._within_a_page(found[: params.get("Limit", len(found))])
        answer: dict[str, Any] = {"Items": page}
        if len(found) > len(page):
            last = page[-1]
            answer["LastEvaluatedKey"] = {name: last[name] for name in {*table.key, *sort}}
        if "ProjectionExpression" in params:
            wanted = [
                _name(each, params["ExpressionAttributeNames"]) for each in params["ProjectionExpression"].split(", ")
            ]
            answer["Items"] = [{name: item[name] for name in wanted if name in item} for item in page]
        return answer

    def _within_a_page(self, items: list[Item]) -> list[Item]:
        room = PAGE_BYTES
        for number, item in enumerate(items):
            room -= self.size_of(item)
            if room < 0:
                return items[:number]
        return items

    # -- writing -------------------------------------------------------------------------------------------------------

    def _put_item(self, params: dict[str, Any]) -> dict[str, Any]:
        old = self._check(params, params["Item"], "PutItem")
        self._store(params["TableName"], old, params["Item"])
        return {"Attributes": old} if params.get("ReturnValues") == "ALL_OLD" and old is not None else {}

    def _update_item(self, params: dict[str, Any]) -> dict[str, Any]:
        old = self._check(params, params["Key"], "UpdateItem")
        new = _updated(old, params)
        self._store(params["TableName"], old, new)
        return {"Attributes": new} if params.get("ReturnValues") == "ALL_NEW" else {}

    def _delete_item(self, params: dict[str, Any]) -> dict[str, Any]:
        old = self._check(params, params["Key"], "DeleteItem")
        self._store(params["TableName"], old, None)
        return {}

    def _transact_write_items(self, params: dict[str, Any]) -> dict[str, Any]:
        writes = [next(iter(write.items())) for write in params["TransactItems"]]
        reasons = []
        for kind, write in writes:
            if kind not in ("Put", "Update", "Delete"):
                raise NotImplementedHere(f"a transaction's {kind}")
            holds = self._find(write, write.get("Item") or write["Key"], "TransactWriteItems")[1]
            reasons.append({"Code": "None" if holds else "ConditionalCheckFailed"})
        if any(reason["Code"] != "None" for reason in reasons):
            error = _error("TransactionCanceledException", "Transaction cancelled", "TransactWriteItems")
            error.response["CancellationReasons"] = reasons
            raise error
        for kind, write in writes:
            old, _ = self._find(write, write.get("Item") or write["Key"], "TransactWriteItems")
            match kind:
                case "Put":
                    new = write["Item"]
                case "Update":
                    new = _updated(old, write)
                case _:
                    new = None
            self._store(write["TableName"], old, new)
        return {}

    def _find(self, params: dict[str, Any], key: Item, operation: str) -> tuple[Item | None, bool]:
        """The item as it is, and whether the write's condition holds for it."""
        table = self._table(params, operation)
        old = table.items.get(table.key_of(key))
        if "ConditionExpression" not in params:
            return old, True
        names, values = params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
        return old, _condition(params["ConditionExpression"])(old or {}, names, values)

    def _check(self, params: dict[str, Any], key: Item, operation: str) -> Item | None:
        old, holds = self._find(params, key, operation)
        if not holds:
            raise _error("ConditionalCheckFailedException", "The conditional request failed", operation)
        return old

    def _store(self, table_name: str, old: Item | None, new: Item | None) -> None:
        table = self.tables[table_name]
        item = new if new is not None else old
        if item is not None:
            table.store(table.key_of(item), new, self._clock() + self.index_lag)
        self._listener(table_name, old, new)


def _refuse_long_expressions(params: Mapping[str, Any], operation: str) -> None:
    """moto takes expressions of any length; DynamoDB's limit is on its page of quotas."""
    writes = [write for each in params.get("TransactItems", ()) for write in each.values()]
    for name, text in (pair for each in (params, *writes) for pair in each.items() if pair[0].endswith("Expression")):
        if len(text.encode()) > EXPRESSION_BYTES:
            message = f"Invalid {name}: Expression size has exceeded the maximum allowed size"
            raise _error("ValidationException", message, operation)


def _error(code: str, message: str, operation: str) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(details, operation)


def _keys(schema: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    ordered = sorted(schema, key=lambda each: each["KeyType"] != "HASH")
    return tuple(each["AttributeName"] for each in ordered)


def _projection(definition: Mapping[str, Any]) -> frozenset[str] | None:
    kind = definition["ProjectionType"]
    return None if kind == "ALL" else frozenset(definition.get("NonKeyAttributes", ()))


def _name(text: str, names: Mapping[str, str]) -> str:
    return names[text] if text.startswith("#") else text


def _partition(condition: str, values: Mapping[str, Any]) -> str:
    """The hash key's value: every query names it, and here it comes first."""
    match = re.match(r"#?\w+ = (:\w+)", condition)
    if match is None:
        raise NotImplementedHere(f"the key condition {condition}")
    return str(next(iter(values[match[1]].values())))


_RANGE = re.compile(
    r"#?\w+ = :\w+( AND begins_with\(#?\w+, (?P<prefix>:\w+)\)"
    r"| AND #?\w+ BETWEEN (?P<low>:\w+) AND (?P<high>:\w+)| AND #?\w+ < (?P<below>:\w+))?"
)


def _range(condition: str, values: Mapping[str, Any]) -> Callable[[str], bool]:
    """What a query of a table asks of the range key, which is a text in every table here: the fake's hottest question,
    so that it is not put to a general condition."""
    match = _RANGE.fullmatch(condition)
    if match is None:
        raise NotImplementedHere(f"the key condition {condition}")
    given = {name: values[value]["S"] for name, value in match.groupdict().items() if value}
    prefix, low, high, below = (given.get(name, "") for name in ("prefix", "low", "high", "below"))
    if low:
        return lambda key: low <= key <= high
    return (lambda key: key < below) if below else lambda key: key.startswith(prefix)


def _sortable(value: Mapping[str, Any]) -> Any:
    return float(value["N"]) if "N" in value else value["S"]


type Condition = Callable[[Item, Mapping[str, str], Mapping[str, Any]], bool]


@cache
def _condition(text: str) -> Condition:
    for word, combine in ((" OR ", any), (" AND ", all)):
        if word in text:
            parts = [_condition(part) for part in text.split(word)]
            return lambda item, names, values: combine(part(item, names, values) for part in parts)
    if match := re.fullmatch(r"attribute_(not_)?exists\((#?\w+)\)", text):
        wanted = match[1] is None
        return lambda item, names, _: (_name(match[2], names) in item) is wanted
    if match := re.fullmatch(r"(#?\w+) (=|<) (:\w+)", text):
        if match[2] == "=":
            return lambda item, names, values: item.get(_name(match[1], names)) == values[match[3]]
        return lambda item, names, values: _sortable(item[_name(match[1], names)]) < _sortable(values[match[3]])
    if match := re.fullmatch(r"(#?\w+) IN \((.+)\)", text):
        allowed = match[2].split(", ")
        return lambda item, names, values: item.get(_name(match[1], names)) in [values[each] for each in allowed]
    raise NotImplementedHere(f"the condition {text}")


@cache
def _clauses(text: str) -> tuple[tuple[str, str, str], ...]:
    """(SET|REMOVE|ADD|DELETE, attribute, operand) of an update expression; REMOVE has none."""
    clauses = []
    words = re.split(r"\b(SET|REMOVE|ADD|DELETE) ", text)[1:]
    for kind, body in zip(words[::2], words[1::2], strict=True):
        for part in re.split(r", (?![^(]*\))", body.strip()):
            if kind == "REMOVE":
                clauses.append((kind, part, ""))
                continue
            attribute, operand = part.split(" = " if kind == "SET" else " ", 1)
            clauses.append((kind, attribute, operand))
    return tuple(clauses)


def _updated(old: Item | None, params: Mapping[str, Any]) -> Item:
    item = dict(old if old is not None else params["Key"])
    names, values = params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
    for kind, attribute, operand in _clauses(params["UpdateExpression"]):
        name = _name(attribute, names)
        if kind == "REMOVE":
            item.pop(name, None)
        elif kind == "SET" and (match := re.fullmatch(r"list_append\((#?\w+), (:\w+)\)", operand)):
            item[name] = {"L": item[_name(match[1], names)]["L"] + values[match[2]]["L"]}
        elif operand not in values:
            raise NotImplementedHere(f"the update {params['UpdateExpression']}")
        elif kind == "SET":
            item[name] = values[operand]
        elif "N" in values[operand]:
            item[name] = {"N": str(int(item.get(name, {"N": "0"})["N"]) + int(values[operand]["N"]))}
        else:
            members = set(item.get(name, {"SS": []})["SS"])
            changed = members | set(values[operand]["SS"]) if kind == "ADD" else members - set(values[operand]["SS"])
            item.pop(name, None)
            if changed:
                item[name] = {"SS": sorted(changed)}
    return item

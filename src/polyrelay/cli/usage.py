"""`polyrelay usage`: usage and money, added up."""

import csv
import sys
from typing import Annotated, Any

import msgspec
import typer

from polyrelay.cli import charges, office, options, output
from polyrelay.service.administration import usage as use_cases
from polyrelay.service.administration.ports import By, Session
from polyrelay.service.administration.usage import Report, Wanted

SUMS = ("requests", "failures", "input_tokens", "output_tokens", "amount", "cost", "margin", "write_off")


def usage(
    *,
    by: Annotated[list[By] | None, typer.Option(help="Add up by this; repeatable. Default: day.")] = None,
    account: charges.OnlyAccount = None,
    project: charges.OnlyProject = None,
    key: charges.OnlyKey = None,
    model: charges.OnlyModel = None,
    channel: charges.OnlyChannel = None,
    since: Annotated[str | None, typer.Option(help="From this day or instant; default: 30 days ago.")] = None,
    until: charges.Until = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Add usage up, in whole hours and days of UTC. Sums stay when single exchanges are deleted."""
    if as_csv and as_json:
        raise typer.BadParameter("name one of --csv and --json")
    groups = by or [By.DAY]
    given = {"project": project, "key": key, "model": model, "channel": channel}
    where = {name: value for name, value in given.items() if value is not None}
    first, end = charges.instant(since), charges.instant(until)

    async def add_up(session: Session) -> Report:
        if account is not None:
            where["account"] = (await office.account_named(session, account))["id"]
        return await use_cases.report(session, Wanted(first, end, groups, where))

    report: dict[str, Any] = msgspec.to_builtins(office.read(options.store(config, data), add_up))
    if as_json:
        output.document(report)
        return
    columns = [*dict.fromkeys(each.value for each in groups), *SUMS]
    rows = [office.cells({**_named(row["group"]), **row}, columns) for row in report["data"]]
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([columns, *rows])
    else:
        output.table(columns, rows)
    if report["truncated"]:
        output.note("There is more: narrow the time or the filters.")


def _named(group: dict[str, str]) -> dict[str, str]:
    """The group with its hours to the minute and its days as dates."""
    found = dict(group)
    for name, length in (("hour", len("2026-11-22T09:00")), ("day", len("2026-11-22"))):
        if name in found:
            found[name] = found[name][:length]
    return found

"""Brings the tables of the store to the form that this release needs, one step after the other; a step is taken once."""

import os

from common import sql

STEPS = [
    "create table orders (number integer primary key, item text not null, state text not null)",
    "alter table orders add column gift integer not null default 0",
]

[row] = sql("pragma user_version")
taken = row["user_version"]
wanted = int(os.environ["SCHEMA"])
for number, statement in enumerate(STEPS[taken:wanted], start=taken + 1):
    print("step", number, "of", wanted, flush=True)
    sql(statement)
    sql("pragma user_version = %d" % number)
print("the tables are at form", max(taken, wanted), flush=True)

"""A database of one file, for whoever knows its password: runs SQL statements and gives their rows."""

import os
import sqlite3
import threading

from common import serve

lock = threading.Lock()
path = os.path.join(os.environ["VOLUME_DATA"], "store.db")
# Each statement by itself, on the disk before it is answered.
database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
database.row_factory = sqlite3.Row


def handle(method, path, body):
    if method != "POST" or path != "/sql":
        return 404, {"error": "no such thing"}
    try:
        with lock:
            rows = database.execute(body["statement"], body["values"]).fetchall()
    except sqlite3.Error as problem:
        return 400, {"error": str(problem)}
    return 200, [dict(row) for row in rows]


serve(handle, password=os.environ["STORE_PASSWORD"])

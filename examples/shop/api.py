"""The shop's rules: what can be ordered, and what becomes of an order."""

from common import serve, sql

ITEMS = ["ice", "snow", "fog"]


def handle(method, path, body):
    if path == "/items":
        return 200, ITEMS
    if path == "/orders" and method == "GET":
        return 200, sql("select * from orders order by number")
    if path == "/orders":
        if body.get("item") not in ITEMS:
            return 400, {"error": "the shop has " + ", ".join(ITEMS)}
        [order] = sql("insert into orders (item, state) values (?, 'ordered') returning *", body["item"])
        return 200, order
    if path == "/take":
        taken = sql(
            "update orders set state = 'packing' where number ="
            " (select min(number) from orders where state = 'ordered') returning *"
        )
        return 200, taken[0] if taken else None
    if path == "/sent":
        return 200, sql("update orders set state = 'sent' where number = ? returning *", body["number"])
    return 404, {"error": "no such thing"}


serve(handle)

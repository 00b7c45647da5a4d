"""The shop's rules: what can be ordered."""

from common import call, serve

ITEMS = ["ice", "snow", "fog"]


def handle(method, path, body):
    if method == "POST" and path == "/orders":
        if body.get("item") not in ITEMS:
            return 400, {"error": "the shop has " + ", ".join(ITEMS)}
        return 200, call("store", "/orders", body)
    if path == "/orders":
        return 200, call("store", "/orders")
    if path == "/items":
        return 200, ITEMS
    return 404, {"error": "no such thing"}


serve(handle)

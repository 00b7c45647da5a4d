"""Holds the orders, in memory."""

import threading

from common import serve

lock = threading.Lock()
orders = []


def handle(method, path, body):
    with lock:
        if method == "POST" and path == "/orders":
            orders.append({"number": len(orders), "item": body["item"], "state": "ordered"})
            return 200, orders[-1]
        if method == "POST" and path == "/take":
            for order in orders:
                if order["state"] == "ordered":
                    order["state"] = "packing"
                    return 200, order
            return 200, None
        if method == "POST" and path == "/sent":
            orders[body["number"]]["state"] = "sent"
            return 200, orders[body["number"]]
        if path == "/orders":
            return 200, orders
    return 404, {"error": "no such thing"}


serve(handle)

"""What customers see."""

import html
import os

from common import call, serve

PAGE = """<!doctype html>
<title>{title}</title>
<h1>{title}</h1>
<p>Served by replica {index} on {node}.</p>
{buttons}
<ul>{orders}</ul>
"""


def handle(method, path, body):
    if path.startswith("/order/"):
        return 200, call("api", "/orders", {"item": path.removeprefix("/order/")})
    if path == "/orders":
        return 200, call("api", "/orders")
    if path != "/":
        return 404, {"error": "no such page"}
    buttons = "".join('<a href="/order/%s">order %s</a> ' % (item, item) for item in call("api", "/items"))
    orders = "".join("<li>%(number)d: %(item)s, %(state)s</li>" % order for order in call("api", "/orders"))
    page = PAGE.format(
        title=html.escape(os.environ["SHOP_TITLE"]),
        index=os.environ["ICEFIELD_INDEX"],
        node=os.environ["ICEFIELD_NODE"],
        buttons=buttons,
        orders=orders,
    )
    return 200, page


serve(handle)

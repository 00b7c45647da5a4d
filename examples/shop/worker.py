"""Takes orders, packs them and says so."""

import os
import time

from common import call

name = "worker/" + os.environ["ICEFIELD_INDEX"]
while True:
    try:
        order = call("api", "/take", {})
        if order:
            call("api", "/sent", {"number": order["number"]})
            print(name, "sent order", order["number"], flush=True)
            continue
    except OSError as problem:
        print(name, "waits for the shop:", problem, flush=True)
    time.sleep(0.2)

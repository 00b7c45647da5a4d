"""Takes orders from the store, packs them and says so."""

import os
import time

from common import call

name = "worker/" + os.environ["ICEFIELD_INDEX"]
while True:
    try:
        order = call("store", "/take", {})
        if order:
            call("store", "/sent", {"number": order["number"]})
            print(name, "sent order", order["number"], flush=True)
            continue
    except OSError as problem:
        print(name, "waits for the store:", problem, flush=True)
    time.sleep(0.2)

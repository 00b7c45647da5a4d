"""Notes how busy its machine is, once a second, in a file that outlives it."""

import os
import time

path = os.path.join(os.environ["VOLUME_DATA"], "load")
while True:
    with open("/proc/loadavg", encoding="utf-8") as file:
        load = file.read().split()[0]
    with open(path, "a", encoding="utf-8") as file:
        print(int(time.time()), load, file=file)
    time.sleep(1)

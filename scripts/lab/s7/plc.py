"""One S7 controller of the lab's waterworks: the server of libsnap7 with a small process behind it.

usage: plc.py PLC ADDRESS      PLC is a row of PLCS below

    DB1   32 bytes, measured: REAL level, flow, pressure, current; INT pump hours, starts; BYTE state
    DB2   16 bytes, setpoints: REAL level, REAL flow; INT mode
    DB10  64 bytes, recipe, constant
    I, Q, M   16 bytes each

While the CPU is in STOP the outputs are zero and the tank runs empty, which is what a STOP does.
The server refuses block upload and download; the relay in front of it answers those.
"""

import random
import struct
import sys
import time

from snap7 import SERVER_DB, SERVER_INPUTS, SERVER_MERKERS, SERVER_OUTPUTS, Server

PERIOD = 0.25  # seconds between two steps of the process
PLCS = {  # level setpoint in metres, flow in cubic metres an hour
    "plc-filter": (2.40, 118.0),
    "plc-highlift": (4.75, 263.0),
}


def main(name, address):
    level_setpoint, flow_setpoint = PLCS[name]
    rng = random.Random(name)
    server = Server()
    measured = server.register(SERVER_DB, 1, 32)
    setpoints = server.register(SERVER_DB, 2, 16)
    recipe = server.register(SERVER_DB, 10, 64)
    inputs, outputs, merkers = (server.register(area, 0, 16) for area in (SERVER_INPUTS, SERVER_OUTPUTS, SERVER_MERKERS))
    struct.pack_into(">ffh", setpoints, 0, level_setpoint, flow_setpoint, 2)
    struct.pack_into(">16s", recipe, 0, b"STANDARD 2024   ")
    server.start(address)

    level, flow, steps = level_setpoint, flow_setpoint, 0
    while True:
        want_level, want_flow = struct.unpack_from(">ff", setpoints, 0)
        running = server.running()
        if running:
            level += (want_level - level) * PERIOD / 20 + rng.gauss(0, 0.004)
            flow += (want_flow - flow) * PERIOD / 5 + rng.gauss(0, 0.3)
        else:
            level = max(0.0, level - 0.08 * PERIOD)
            flow = max(0.0, flow - 25 * PERIOD)
        steps += 1
        outputs[0] = 0b0000_0111 if running else 0
        inputs[0] = outputs[0]
        merkers[0] = steps // 4 % 2  # the flashing bit every S7 program has
        struct.pack_into(">ffffhhB", measured, 0, level, flow, 3.1 + flow / 400, flow / 9.5,
                         4211, 96, 1 if running else 0)
        time.sleep(PERIOD)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PLCS:
        sys.exit("usage: plc.py " + "|".join(PLCS) + " ADDRESS")
    main(sys.argv[1], sys.argv[2])

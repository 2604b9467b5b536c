"""One Modbus/TCP controller of the lab's waterworks, served by Debian's python3-pymodbus 3.0.0.

usage: plc.py PLC ADDRESS      PLC is a row of PLCS below

Register map (zero-based, as on the wire), the same in every controller:

    holding 0      setpoint of the main loop, in the units of its measured value
    holding 1      output of the main loop's actuator, per mille
    holding 2      heartbeat, counted up by the operator panel
    holding 3..7   limits and timer presets, constant
    holding 8..19  copies of the measured values (many HMIs read nothing but function 3)
    input 0        measured value of the main loop
    input 1..7     side values
    coil 0..7      pumps and valves as commanded
    discrete 0..7  their feedback

The process is a first-order lag that follows its setpoint, with noise from a seeded generator, so
that a written setpoint becomes visible in the measured values within seconds. Addresses beyond the
map are refused with exception 2.
"""

import asyncio
import random
import sys
from dataclasses import dataclass

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.server import StartAsyncTcpServer

HOLDING, INPUT, COIL, DISCRETE = 3, 4, 1, 2
PERIOD = 0.25  # seconds between two steps of the process


@dataclass
class PLC:
    """What one controller is and how its main loop moves."""

    vendor: str
    product: str
    revision: str
    model: str
    application: str
    setpoint: int
    actuator: int
    limits: tuple
    side: tuple  # resting values of input 1..7
    lag: float  # seconds
    noise: float  # of the main value, in its units
    coils: tuple


PLCS = {
    "plc-intake": PLC(
        "Schneider Electric", "TM221CE24R", "1.10.2.2", "Modicon M221", "Raw water intake",
        320, 620, (80, 450, 30, 15, 5), (412, 96, 143, 1480, 231, 0, 17), 9.0, 1.2,
        (1, 1, 0, 0, 1, 0, 0, 0)),
    "plc-dosing": PLC(
        "Schneider Electric", "BMX P34 2020", "v2.60", "Modicon M340", "Chlorine dosing",
        180, 350, (50, 260, 60, 10, 8), (72, 655, 148, 903, 12, 3, 40), 6.0, 0.9,
        (1, 0, 1, 0, 0, 0, 1, 0)),
    "plc-pressure": PLC(
        "WAGO Kontakttechnik GmbH & Co. KG", "750-881", "01.07.13", "WAGO 750-881", "Network pressure zone 2",
        420, 540, (300, 520, 20, 12, 3), (388, 211, 150, 2960, 55, 8, 0), 4.0, 1.6,
        (1, 1, 1, 0, 0, 0, 0, 1)),
    "meter-feed": PLC(
        "Schneider Electric", "METSEPM5560", "10.6.3", "PowerLogic PM5560", "Feeder 1",
        2302, 0, (0, 0, 0, 0, 0), (2297, 2309, 412, 405, 418, 5001, 930), 2.0, 2.5,
        (0, 0, 0, 0, 0, 0, 0, 0)),
}


def identity(plc):
    """The objects that function 43/14 answers with."""
    return ModbusDeviceIdentification(info_name={
        "VendorName": plc.vendor,
        "ProductCode": plc.product,
        "MajorMinorRevision": plc.revision,
        "ProductName": plc.model,
        "ModelName": plc.model,
        "UserApplicationName": plc.application,
    })


async def run_process(plc, slave, rng):
    """Moves the measured values towards the setpoint, as long as the server runs."""
    value = float(plc.setpoint)
    side = [float(v) for v in plc.side]
    while True:
        setpoint = slave.getValues(HOLDING, 0, 1)[0]
        value += (setpoint - value) * PERIOD / plc.lag + rng.gauss(0, plc.noise) * PERIOD
        side = [v + (rest - v) * 0.1 + rng.gauss(0, 0.4) for v, rest in zip(side, plc.side)]
        words = [max(0, min(65535, round(v))) for v in [value] + side]
        slave.setValues(INPUT, 0, words)
        slave.setValues(HOLDING, 8, words)
        slave.setValues(DISCRETE, 0, slave.getValues(COIL, 0, 8))
        await asyncio.sleep(PERIOD)


async def serve(name, address):
    plc = PLCS[name]
    slave = ModbusSlaveContext(
        di=ModbusSequentialDataBlock(0, [0] * 8),
        co=ModbusSequentialDataBlock(0, list(plc.coils)),
        hr=ModbusSequentialDataBlock(0, [plc.setpoint, plc.actuator, 0, *plc.limits] + [0] * 12),
        ir=ModbusSequentialDataBlock(0, [0] * 8),
        zero_mode=True,
    )
    process = asyncio.create_task(run_process(plc, slave, random.Random(name)))
    try:
        await StartAsyncTcpServer(
            context=ModbusServerContext(slaves=slave, single=True),
            identity=identity(plc), address=(address, 502))
    finally:
        process.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PLCS:
        sys.exit("usage: plc.py " + "|".join(PLCS) + " ADDRESS")
    asyncio.run(serve(sys.argv[1], sys.argv[2]))

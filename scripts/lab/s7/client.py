"""What hosts of the lab ask of S7 controllers, with the client of libsnap7.

usage: client.py poll ADDRESS...                   operator panel, until it is ended
       client.py identify ADDRESS...               system status lists 0x0011 and 0x001c
       client.py blocks ADDRESS                    numbers of blocks of each kind, then lists of them
       client.py upload ADDRESS                    reads OB1 out of the controller
       client.py download ADDRESS                  writes an OB1 of its own into it, and starts it
       client.py stop ADDRESS                      puts the CPU into STOP
"""

import struct
import sys
import time

import snap7

PERIOD = 1.0  # seconds between two polls
STATUS_EVERY = 10  # polls between two looks at the CPU's mode
REWRITE_LEVEL_AFTER = 45  # polls until the operator sets the level to what it is

# Code of the OB1 that a download brings: a few bit operations, and the end (BE).
MC7 = bytes.fromhex("700b0002") + bytes.fromhex("c0ffd880") * 24 + bytes.fromhex("6500")


def organisation_block(number):
    """An OB as it is transferred: header of 36 bytes (TS7CompactBlockInfo), code, footer of 36 bytes."""
    footer = bytes(8) + b"MAINT   " + b"        " + b"MAIN    " + bytes([0x10, 0, 0, 0])
    size = 36 + len(MC7) + len(footer)
    # mark, version, flags, language, type OB; number; size; security; two dates; interface, locals, code
    return struct.pack(">HBBBBHIIIHIHHHHH", 0x7070, 0x01, 0x00, 0x01, 0x08, number, size, 0,
                       0x03A1B2C3, 0x2D5A, 0x03A1B2C3, 0x2D5A, 0, 0, 20, len(MC7)) + MC7 + footer


def poll(addresses):
    """Cyclic reads of every controller, each over its own connection."""
    clients = {address: snap7.Client(address, snap7.CONNECTION_OP) for address in addresses}
    rows = [(snap7.AREA_DB, 2, 0, 10), (snap7.AREA_OUTPUTS, 0, 0, 2), (snap7.AREA_MERKERS, 0, 0, 4)]
    turn, due = 0, time.monotonic()
    while True:
        for address, client in clients.items():
            client.read_db(1, 0, 21)
            setpoints = client.read_many(rows)[0]
            if turn % STATUS_EVERY == 0:
                client.status()
            if turn == REWRITE_LEVEL_AFTER:
                client.write_db(2, 0, setpoints[:4])
        turn += 1
        due += PERIOD
        time.sleep(max(0.0, due - time.monotonic()))


def identify(addresses):
    for address in addresses:
        client = snap7.Client(address, snap7.CONNECTION_PG)
        for number in (0x0011, 0x001C):
            print(address, f"{number:#06x}", client.system_status(number, 0))
        client.disconnect()


def blocks(addresses):
    for address in addresses:
        client = snap7.Client(address, snap7.CONNECTION_PG)
        print(address, client.list_blocks())
        for name, kind in (("OB", snap7.BLOCK_OB), ("DB", snap7.BLOCK_DB), ("SDB", snap7.BLOCK_SDB)):
            try:
                print(address, name, client.list_blocks_of(kind))
            except OSError as err:  # a controller without blocks of a kind answers with an error
                print(address, name, err)
        client.disconnect()


def upload(addresses):
    for address in addresses:
        client = snap7.Client(address, snap7.CONNECTION_PG)
        print(address, "OB1", client.upload(snap7.BLOCK_OB, 1).hex())
        client.disconnect()


def download(addresses):
    for address in addresses:
        client = snap7.Client(address, snap7.CONNECTION_PG)
        client.download(1, organisation_block(1))
        client.disconnect()


def stop(addresses):
    for address in addresses:
        client = snap7.Client(address, snap7.CONNECTION_PG)
        client.stop()
        print(address, "status", client.status())
        client.disconnect()


COMMANDS = {"poll": poll, "identify": identify, "blocks": blocks, "upload": upload, "download": download, "stop": stop}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit("usage: client.py " + "|".join(COMMANDS) + " ADDRESS...")
    COMMANDS[sys.argv[1]](sys.argv[2:])

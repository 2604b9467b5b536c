"""The few calls of libsnap7 1.4.2 that the lab needs, through ctypes.

The library is found by its soname, so LD_LIBRARY_PATH names the folder that install.sh unpacked.
Every call that fails raises OSError with the library's own text.
"""

import ctypes

LIBRARY = ctypes.CDLL("libsnap7.so.1")
LIBRARY.Srv_Create.restype = ctypes.c_void_p
LIBRARY.Cli_Create.restype = ctypes.c_void_p

AREA_OUTPUTS, AREA_MERKERS, AREA_DB = 0x82, 0x83, 0x84
SERVER_INPUTS, SERVER_OUTPUTS, SERVER_MERKERS, SERVER_DB = 0, 1, 2, 5
WORD_BYTE = 0x02
BLOCK_OB, BLOCK_DB, BLOCK_SDB = 0x38, 0x41, 0x42
STATUS_RUN = 0x08
CONNECTION_PG, CONNECTION_OP = 1, 2


class DataItem(ctypes.Structure):
    """TS7DataItem: one row of a multi-variable read."""

    _fields_ = [("area", ctypes.c_int), ("word", ctypes.c_int), ("result", ctypes.c_int),
                ("db", ctypes.c_int), ("start", ctypes.c_int), ("amount", ctypes.c_int),
                ("data", ctypes.c_void_p)]


class SZLHeader(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("count", ctypes.c_uint16)]


class SZL(ctypes.Structure):
    """TS7SZL: a system status list as the client hands it out."""

    _fields_ = [("header", SZLHeader), ("data", ctypes.c_uint8 * (0x4000 - 4))]


class BlocksList(ctypes.Structure):
    """TS7BlocksList: how many blocks of each kind there are."""

    _fields_ = [(kind, ctypes.c_int) for kind in ("ob", "fb", "fc", "sfb", "sfc", "db", "sdb")]


class Server:
    """A PLC. Areas stay registered, and alive, as long as the server."""

    def __init__(self):
        self._handle = ctypes.c_void_p(LIBRARY.Srv_Create())
        self._areas = []

    def register(self, area, index, size):
        data = (ctypes.c_uint8 * size)()
        check(LIBRARY.Srv_RegisterArea(self._handle, area, index, ctypes.byref(data), size), LIBRARY.Srv_ErrorText)
        self._areas.append(data)
        return data

    def start(self, address):
        check(LIBRARY.Srv_StartTo(self._handle, address.encode()), LIBRARY.Srv_ErrorText)

    def running(self):
        """Whether the CPU is in RUN, which clients change with functions 0x28 and 0x29."""
        server, cpu, clients = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        check(LIBRARY.Srv_GetStatus(self._handle, ctypes.byref(server), ctypes.byref(cpu), ctypes.byref(clients)),
              LIBRARY.Srv_ErrorText)
        return cpu.value == STATUS_RUN


class Client:
    """A connection to the CPU in rack 0, slot 2."""

    def __init__(self, address, connection_type):
        self._handle = ctypes.c_void_p(LIBRARY.Cli_Create())
        self._call(LIBRARY.Cli_SetConnectionType, ctypes.c_uint16(connection_type))
        self._call(LIBRARY.Cli_ConnectTo, address.encode(), 0, 2)

    def _call(self, function, *args):
        check(function(self._handle, *args), LIBRARY.Cli_ErrorText)

    def disconnect(self):
        self._call(LIBRARY.Cli_Disconnect)

    def read_db(self, db, start, size):
        data = (ctypes.c_uint8 * size)()
        self._call(LIBRARY.Cli_DBRead, db, start, size, ctypes.byref(data))
        return bytes(data)

    def write_db(self, db, start, payload):
        data = (ctypes.c_uint8 * len(payload))(*payload)
        self._call(LIBRARY.Cli_DBWrite, db, start, len(payload), ctypes.byref(data))

    def read_many(self, rows):
        """rows: (area, db, start, size) each; one request, as HMIs do it."""
        buffers = [(ctypes.c_uint8 * size)() for _, _, _, size in rows]
        items = (DataItem * len(rows))(*[
            DataItem(area, WORD_BYTE, 0, db, start, size, ctypes.addressof(buffer))
            for (area, db, start, size), buffer in zip(rows, buffers)])
        self._call(LIBRARY.Cli_ReadMultiVars, ctypes.byref(items), len(rows))
        return [bytes(buffer) for buffer in buffers]

    def status(self):
        value = ctypes.c_int()
        self._call(LIBRARY.Cli_GetPlcStatus, ctypes.byref(value))
        return value.value

    def system_status(self, number, index):
        """The bytes of one system status list."""
        szl, size = SZL(), ctypes.c_int(ctypes.sizeof(SZL))
        self._call(LIBRARY.Cli_ReadSZL, number, index, ctypes.byref(szl), ctypes.byref(size))
        return bytes(szl.data[:szl.header.length * szl.header.count])

    def list_blocks(self):
        counts = BlocksList()
        self._call(LIBRARY.Cli_ListBlocks, ctypes.byref(counts))
        return {kind: getattr(counts, kind) for kind, _ in BlocksList._fields_}

    def list_blocks_of(self, kind, limit=64):
        numbers, count = (ctypes.c_uint16 * limit)(), ctypes.c_int(limit)
        self._call(LIBRARY.Cli_ListBlocksOfType, kind, ctypes.byref(numbers), ctypes.byref(count))
        return list(numbers[:count.value])

    def upload(self, kind, number, limit=4096):
        data, size = (ctypes.c_uint8 * limit)(), ctypes.c_int(limit)
        self._call(LIBRARY.Cli_FullUpload, kind, number, ctypes.byref(data), ctypes.byref(size))
        return bytes(data[:size.value])

    def download(self, number, block):
        data = (ctypes.c_uint8 * len(block))(*block)
        self._call(LIBRARY.Cli_Download, number, ctypes.byref(data), len(block))

    def stop(self):
        self._call(LIBRARY.Cli_PlcStop)


def check(result, describe):
    if result == 0:
        return
    text = ctypes.create_string_buffer(1024)
    describe(result, text, len(text))
    raise OSError(f"snap7: {text.value.decode().strip()} (0x{result & 0xFFFFFFFF:08x})")

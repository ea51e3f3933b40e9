# The C twin of growing.py: what the same names mean in compiled modules.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef extern from *:
    # a peer is believed so much at once; after that, as much again as it has sent
    """
    enum { BELIEVED = 1024 * 1024 };
    """
    enum: BELIEVED

cdef inline bytes begun(bytes data, Py_ssize_t size):
    cdef bytes buffer = PyBytes_FromStringAndSize(NULL, size)
    memcpy(PyBytes_AS_STRING(buffer), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return buffer

cdef inline bytes add(bytes buffer, Py_ssize_t size, bytes data, long long more):
    cdef Py_ssize_t need = size + PyBytes_GET_SIZE(data), room
    cdef bytes grown = buffer
    if buffer is None or need > PyBytes_GET_SIZE(buffer):
        room = need + <Py_ssize_t>min(more, max(size, BELIEVED - need, 0))
        if size and room < size + size // 2:  # of fragments nobody announces how many
            room = size + size // 2
        grown = PyBytes_FromStringAndSize(NULL, room)
        if size:
            memcpy(PyBytes_AS_STRING(grown), PyBytes_AS_STRING(buffer), size)
    memcpy(PyBytes_AS_STRING(grown) + size, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return grown

cdef inline bytes take(bytes buffer, Py_ssize_t size):
    if buffer is None:
        return b""
    return buffer if PyBytes_GET_SIZE(buffer) == size else buffer[:size]

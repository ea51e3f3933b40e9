# C types for workers.py; nothing here may change what that file says.

from geventws.outgoing cimport Corks
from geventws.websocket cimport WebSocket

cdef class Parking:
    cdef bint _busy
    cdef WebSocket _connection
    cdef object _transport
    cdef Workers _workers

    cpdef work(self)
    cdef _park(self)

cdef class Workers:
    cdef Corks _corks
    cdef list _idle
    cdef object _ready
    cdef bint _told
    cdef Py_ssize_t _connections

    cpdef leave(self)
    cpdef run(self, Parking parking)
    cdef _tell(self)
    cdef _rest(self)

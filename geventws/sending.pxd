# C types for sending.py; nothing here may change what that file says.
from geventws.core.protocol cimport Protocol

cdef object _OPEN

cdef class Sending:
    cdef public object _backlog
    cdef public bint _is_server
    cdef public object _line
    cdef public object _options
    cdef public Protocol _protocol
    cdef public object _send_timeout
    cdef public object _transport
    cdef public bint _turn_taken
    cdef public bint _unfinished

    cdef _take_turn(self)
    cdef _pass_turn(self)
    cpdef _post(self)
    cdef _post_broadcast(self, broadcast)
    cpdef int offer(self, broadcast, slow) except -1
